/*
 * test_limits.c - system calls that fail below the posix storage: a limit on the size of files, and one on descriptors
 *
 * Both need no rights: RLIMIT_FSIZE makes write() give EFBIG (and, since the storage writes in several steps, short
 * writes before it), RLIMIT_NOFILE makes openat() give EMFILE. Each scenario runs on a stored collection in a folder
 * under limits from nothing to enough. A failure is IO with the system's errno in one line and leaves the state before
 * the call; the same call then succeeds; no block, descriptor or file is left.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/scenario.h"
#include "../support/tier.h"

typedef struct limit_source {
    const char *what;
    __rlimit_resource_t resource;
    int os_errno;
    size_t n_values;
    rlim_t values[12]; /* of descriptors: above the next one */
} limit_source;

static const limit_source file_size = {"file sizes", RLIMIT_FSIZE, EFBIG, 12,
                                       {0, 3, 64, 200, 512, 1024, 2048, 4096, 16384, 65536, 262144, 1048576}};
static const limit_source descriptors = {"descriptors", RLIMIT_NOFILE, EMFILE, 10, {0, 1, 2, 3, 4, 5, 6, 8, 12, 16}};

static int limit_remove(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

/* How many descriptors are open. */
static size_t limit_descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

/* The number that the next descriptor gets. */
static rlim_t limit_next_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    assert_true(fd >= 0);
    (void)close(fd);
    return (rlim_t)fd;
}

static int limit_hidden(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind;
    return strncmp(path + at->base, ".tmp", 4) == 0;
}

/* Run the call under the limit. */
static vss_status limit_run(scenario_world *w, const scenario *s, const limit_source *source, rlim_t value,
                            vss_error *err)
{
    struct rlimit usual, low;
    rlim_t above = source->resource == RLIMIT_NOFILE ? limit_next_descriptor() : 0;
    assert_int_equal(getrlimit(source->resource, &usual), 0);
    low = usual;
    low.rlim_cur = above + value;
    assert_int_equal(setrlimit(source->resource, &low), 0);
    vss_status status = scenario_run(w, s, err);
    assert_int_equal(setrlimit(source->resource, &usual), 0);
    return status;
}

static void limit_expect(const scenario *s, const limit_source *source, rlim_t value, vss_status status,
                         const vss_error *err)
{
    bool found = strcmp(s->name, "check") == 0 && status == VSS_ERR_CORRUPT;
    if (!found && (status != VSS_ERR_IO || err->os_errno != source->os_errno))
        fail_msg("%s, %s %llu: %s, errno %d: %s", s->name, source->what, (unsigned long long)value,
                 vss_status_name(status), err->os_errno, err->message);
    assert_true(err->message[0] != '\0' && strchr(err->message, '\n') == NULL);
}

static void limit_retry(scenario_world *w, const scenario *s, const limit_source *source, rlim_t value,
                        const scenario_reference *reference)
{
    scenario_state state;
    vss_error err;
    bool dropped = false;
    if (!s->opens) {
        scenario_describe(w, state);
        dropped = strcmp(s->name, "drop") == 0 && strcmp(state, reference->after) == 0;
        if (!dropped && strcmp(state, reference->before) != 0)
            fail_msg("%s, %s %llu: %s; expected: %s", s->name, source->what, (unsigned long long)value, state,
                     reference->before);
    }
    vss_status status = scenario_run(w, s, &err);
    if (status != VSS_OK && !(dropped && status == VSS_ERR_NOT_FOUND))
        fail_msg("%s, %s %llu: again: %s", s->name, source->what, (unsigned long long)value, err.message);
}

/* True where the limit was met. */
static bool limit_once(size_t i, const limit_source *source, rlim_t value)
{
    const scenario *s = scenario_get(i);
    const scenario_reference *reference = scenario_reference_get(i);
    char folder[64];
    scenario_options options = {.folder = folder};
    scenario_world w;
    scenario_state state;
    vss_error err = {.status = VSS_OK};
    /* In memory where there is such a folder: this is no test of fsync. */
    (void)snprintf(folder, sizeof folder, "%s/vss-limits-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    size_t open_before = limit_descriptors();
    scenario_begin(&w, s, &options);
    MUST(scenario_prepare(&w, s, &err));
    vss_status status = limit_run(&w, s, source, value, &err);
    if (status != VSS_OK) {
        limit_expect(s, source, value, status, &err);
        limit_retry(&w, s, source, value, reference);
    }
    assert_int_equal(w.answer, reference->answer);
    scenario_close(&w);
    scenario_describe(&w, state);
    assert_string_equal(state, reference->after);
    scenario_check(&w);
    scenario_close(&w);
    scenario_end(&w);
    assert_int_equal(limit_descriptors(), open_before);
    assert_int_equal(nftw(folder, limit_hidden, 8, FTW_PHYS), 0);
    assert_int_equal(nftw(folder, limit_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
    return status != VSS_OK;
}

static void limit_sweep(const limit_source *source)
{
    size_t met = 0;
    for (size_t i = 0; i < scenario_count(); i++)
        for (size_t v = 0; v < source->n_values; v++)
            if (limit_once(i, source, source->values[v]))
                met++;
            else if (!tier_full())
                break; /* more is enough, too */
    print_message("limits on %s: met in %zu calls of %zu scenarios\n", source->what, met, scenario_count());
    assert_true(met > 5);
}

static void limits__file_size(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN); /* else the system ends the process before write() can fail */
    limit_sweep(&file_size);
}

static void limits__descriptors(void **state)
{
    (void)state;
    limit_sweep(&descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits__file_size), cmocka_unit_test(limits__descriptors)};
    return cmocka_run_group_tests(tests, scenario_setup, scenario_teardown);
}
