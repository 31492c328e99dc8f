/*
 * inspect_tell.c - one value of a stored file, told to the caller unless it has had enough
 */
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>

static void inspect_tell(inspect_run *run, const char *group, uint64_t number, const char *name, const char *text,
                         int is_number)
{
    const vss_inspect_value value = {sizeof value, group, number, name, text, is_number};
    if (!run->ended)
        run->ended = run->fn(run->state, &value) != 0;
}

void vssi_inspect_text(inspect_run *run, const char *group, uint64_t number, const char *name, const char *text)
{
    inspect_tell(run, group, number, name, text, 0);
}

void vssi_inspect_count(inspect_run *run, const char *group, uint64_t number, const char *name, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    inspect_tell(run, group, number, name, text, 1);
}

void vssi_inspect_hash(inspect_run *run, const char *group, uint64_t number, const char *name, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%016" PRIx64, value);
    inspect_tell(run, group, number, name, text, 0);
}
