/*
 * test_faults.c - every storage call and every allocation of a scenario fails once, in turn
 *
 * A scenario is run with its Nth storage call (or allocation) failing, N = 1, 2, ... until it runs through. After each
 * failure: the error is of the right kind and one line, the state is that before the call (a drop may have happened),
 * the same call then succeeds and leaves the state and the answer of a run without faults, closing and reopening
 * changes nothing, every stored byte is right, and nothing is leaked (the allocator's blocks are counted). A failed
 * sync of the log ends in UNKNOWN_COMMIT: the handle takes no more writes, and reopened it has the state before or
 * after.
 */
#include <stdio.h>
#include <string.h>

#include "../support/scenario.h"
#include "../support/tier.h"

typedef struct fault_source {
    const char *what;
    bool allocation; /* allocations fail; else storage calls */
    bool unmapped;   /* the storage offers no map */
    fault_kind kind;
    fault_mode mode;
    vss_status status; /* what a failing call returns, and the scenario after it */
} fault_source;

static const fault_source storage_io = {"storage calls failing with IO", .status = VSS_ERR_IO};
static const fault_source storage_full = {"storage calls failing with NO_SPACE", .status = VSS_ERR_NO_SPACE};
static const fault_source storage_dead = {"storage failing with IO for good", .unmapped = true, .mode = FAULT_FOREVER,
                                          .status = VSS_ERR_IO};
static const fault_source storage_unmapped = {"storage calls failing with IO, no mappings", .unmapped = true,
                                              .status = VSS_ERR_IO};
static const fault_source storage_short = {"short reads", .unmapped = true, .kind = FAULT_READ,
                                           .status = VSS_ERR_CORRUPT};
static const fault_source short_map = {"short mappings", .kind = FAULT_MAP, .status = VSS_ERR_CORRUPT};
static const fault_source allocation = {"allocations failing", .allocation = true, .status = VSS_ERR_NO_MEMORY};
static const fault_source allocation_unmapped = {"allocations failing, no mappings", .allocation = true,
                                                 .unmapped = true, .status = VSS_ERR_NO_MEMORY};

static void fault_arm(scenario_world *w, const fault_source *source, uint64_t n)
{
    if (source->allocation)
        w->allocator.target = atomic_load(&w->allocator.calls) + n;
    else
        fault_storage_fail(&w->faults, source->kind, n, source->status, source->mode);
}

/* Take the fault away; was it met? */
static bool fault_disarm(scenario_world *w, const fault_source *source)
{
    bool met = source->allocation ? atomic_load(&w->allocator.calls) >= w->allocator.target
                                  : atomic_load(&w->faults.failed) > 0;
    w->allocator.target = 0;
    fault_storage_fail(&w->faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    return met;
}

/* The right kind of error, in one line. */
static void fault_expect(const scenario *s, const fault_source *source, uint64_t n, bool met, vss_status status,
                         const vss_error *err)
{
    bool unknown = status == VSS_ERR_UNKNOWN_COMMIT && !source->allocation;
    if (!met || (status != source->status && !unknown))
        fail_msg("%s, %s, call %llu: %s: %s", s->name, source->what, (unsigned long long)n, vss_status_name(status),
                 err->message);
    assert_int_equal(err->status, status);
    assert_true(err->message[0] != '\0' && strchr(err->message, '\n') == NULL);
}

static void state_expect(const char *when, const scenario *s, const fault_source *source, uint64_t n,
                         const scenario_state state, const char *expected)
{
    if (strcmp(state, expected) != 0)
        fail_msg("%s, %s, call %llu: %s: %s; expected: %s", s->name, source->what, (unsigned long long)n, when, state,
                 expected);
}

/* After a failure: the state before, and the call made again succeeds. */
static void fault_retry(scenario_world *w, const scenario *s, const fault_source *source, uint64_t n,
                        const scenario_reference *reference)
{
    scenario_state state;
    vss_error err;
    bool dropped = false;
    if (!s->opens) {
        scenario_describe(w, state);
        dropped = strcmp(s->name, "drop") == 0 && strcmp(state, reference->after) == 0;
        if (!dropped)
            state_expect("after the failure", s, source, n, state, reference->before);
    }
    vss_status status = scenario_run(w, s, &err);
    if (status != VSS_OK && !(dropped && status == VSS_ERR_NOT_FOUND)) /* the last byte may be gone, too */
        fail_msg("%s, %s, call %llu: again: %s: %s", s->name, source->what, (unsigned long long)n,
                 vss_status_name(status), err.message);
}

/* Nobody knows: no more writes, then the one state or the other; when it is the one before, again. */
static void fault_reopen(scenario_world *w, const scenario *s, const fault_source *source, uint64_t n,
                         const scenario_reference *reference)
{
    scenario_state state;
    vss_error err;
    assert_int_equal(scenario_run(w, s, &err), VSS_ERR_POISONED);
    scenario_describe(w, state);
    state_expect("poisoned", s, source, n, state, reference->before);
    scenario_close(w);
    scenario_describe(w, state);
    if (strcmp(state, reference->after) == 0)
        return;
    state_expect("reopened", s, source, n, state, reference->before);
    MUST(scenario_run(w, s, &err));
}

/* Run one scenario with its nth call failing. False: it ran through before the fault. */
static bool fault_once(size_t i, const fault_source *source, uint64_t n)
{
    const scenario *s = scenario_get(i);
    const scenario_reference *reference = scenario_reference_get(i);
    scenario_options options = {.unmapped = source->unmapped};
    scenario_world w;
    scenario_state state;
    vss_error err = {.status = VSS_OK};
    scenario_begin(&w, s, &options);
    MUST(scenario_prepare(&w, s, &err));
    fault_arm(&w, source, n);
    vss_status status = scenario_run(&w, s, &err);
    bool met = fault_disarm(&w, source);
    if (status != VSS_OK) {
        fault_expect(s, source, n, met, status, &err);
        (status == VSS_ERR_UNKNOWN_COMMIT ? fault_reopen : fault_retry)(&w, s, source, n, reference);
    }
    assert_int_equal(w.answer, reference->answer);
    scenario_describe(&w, state);
    state_expect("after the call", s, source, n, state, reference->after);
    scenario_check(&w);
    scenario_close(&w); /* what close flushed is what was there */
    scenario_describe(&w, state);
    state_expect("after reopening", s, source, n, state, reference->after);
    scenario_check(&w);
    scenario_close(&w);
    scenario_end(&w);
    return met;
}

/* All points in the full tier; else the first ones and a sample of the others. */
static void sweep(const fault_source *source, uint64_t first, uint64_t stride)
{
    size_t points = 0;
    stride *= tier_brief() ? 3 : 1;
    first /= tier_brief() ? 3 : 1;
    for (size_t i = 0; i < scenario_count(); i++)
        for (uint64_t n = 1; fault_once(i, source, n); n += n < first || tier_full() ? 1 : stride)
            points++;
    print_message("%s: %zu points in %zu scenarios\n", source->what, points, scenario_count());
    assert_true(points > 5);
}

static void faults__storage(void **state)
{
    (void)state;
    sweep(&storage_io, 20, 3);
    sweep(&storage_full, 20, 3);
    sweep(&storage_dead, 4, 9);
}

static void faults__storage_without_mappings(void **state)
{
    (void)state;
    sweep(&storage_unmapped, 20, 7);
}

static void faults__short_reads(void **state)
{
    (void)state;
    sweep(&storage_short, 10, 7);
    sweep(&short_map, 10, 7);
}

static void faults__allocation(void **state)
{
    (void)state;
    sweep(&allocation, 30, 7);
    sweep(&allocation_unmapped, 4, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults__storage),
        cmocka_unit_test(faults__storage_without_mappings),
        cmocka_unit_test(faults__short_reads),
        cmocka_unit_test(faults__allocation),
    };
    return cmocka_run_group_tests(tests, scenario_setup, scenario_teardown);
}
