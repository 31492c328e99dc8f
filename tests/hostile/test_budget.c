/*
 * test_budget.c - a budget of bytes on the database is honoured by every call
 *
 * Each scenario is run with budgets from almost nothing to more than it needs. Whatever call meets the limit says
 * BUDGET in one line; the bytes held, as the database counts them and as its allocator does, never pass the budget;
 * what is stored is the state before the call or after it; nothing is leaked; the largest budget is enough.
 */
#include <stdio.h>
#include <string.h>

#include "../support/scenario.h"
#include "../support/tier.h"

enum { HANDLE_BYTES = 8192 }; /* the database's handle is not part of its budget */

typedef enum budget_outcome { SPENT_OPENING, SPENT_BEFORE, SPENT_IN_CALL, ENOUGH, OUTCOMES } budget_outcome;

static void budget_expect(const scenario *s, uint64_t budget, vss_status status, const vss_error *err)
{
    if (status != VSS_ERR_BUDGET)
        fail_msg("%s, budget %llu: %s: %s", s->name, (unsigned long long)budget, vss_status_name(status), err->message);
    assert_true(err->message[0] != '\0' && strchr(err->message, '\n') == NULL);
}

static void budget_expect_peak(const scenario *s, const scenario_world *w)
{
    uint64_t budget = w->options.budget, peak = 0, allocated = atomic_load(&w->allocator.peak);
    if (w->db != NULL)
        assert_int_equal(vss_db_memory(w->db, NULL, &peak, NULL), VSS_OK);
    if (peak > budget || allocated > budget + HANDLE_BYTES)
        fail_msg("%s, budget %llu: %llu bytes held, %llu allocated", s->name, (unsigned long long)budget,
                 (unsigned long long)peak, (unsigned long long)allocated);
}

/* The state in storage, seen without a budget: a flush on closing may have had none left. */
static void budget_expect_stored(const scenario *s, scenario_world *w, const scenario_reference *reference)
{
    uint64_t budget = w->options.budget;
    scenario_state state;
    w->options.budget = 0;
    scenario_describe(w, state);
    if (strcmp(state, reference->before) != 0 && strcmp(state, reference->after) != 0 &&
        strcmp(state, reference->stored) != 0 && strcmp(state, reference->half) != 0)
        fail_msg("%s, budget %llu: stored: %s", s->name, (unsigned long long)budget, state);
    scenario_check(w);
    scenario_close(w);
}

static budget_outcome budget_once(const scenario *s, const scenario_reference *reference, uint64_t budget)
{
    scenario_options options = {.budget = budget};
    scenario_world w;
    vss_error err = {.status = VSS_OK};
    budget_outcome outcome = ENOUGH;
    scenario_begin(&w, s, &options);
    vss_status status = s->opens || s->closed ? VSS_OK : scenario_open(&w, &err);
    if (status != VSS_OK)
        outcome = SPENT_OPENING;
    if (outcome == ENOUGH && (status = scenario_prepare(&w, s, &err)) != VSS_OK)
        outcome = SPENT_BEFORE;
    if (outcome == ENOUGH && (status = scenario_run(&w, s, &err)) != VSS_OK)
        outcome = SPENT_IN_CALL;
    if (outcome != ENOUGH)
        budget_expect(s, budget, status, &err);
    else
        assert_int_equal(w.answer, reference->answer);
    budget_expect_peak(s, &w);
    scenario_close(&w);
    if (atomic_load(&w.allocator.peak) > budget + HANDLE_BYTES)
        fail_msg("%s, budget %llu: passed while closing", s->name, (unsigned long long)budget);
    budget_expect_stored(s, &w, reference);
    scenario_end(&w);
    return outcome;
}

static void budget__every_scenario(void **state)
{
    (void)state;
    uint64_t steps = tier_count(20, 40, 400);
    size_t counts[OUTCOMES] = {0};
    for (size_t i = 0; i < scenario_count(); i++) {
        const scenario *s = scenario_get(i);
        const scenario_reference *reference = scenario_reference_get(i);
        for (uint64_t step = 1; step <= steps; step++)
            counts[budget_once(s, reference, step * reference->peak / steps + 1)]++;
        /* Two threads may hold at once what they held in turn in the run that was measured. */
        budget_outcome last = budget_once(s, reference, reference->peak * 2);
        counts[last]++;
        assert_int_equal(last, ENOUGH);
    }
    print_message("budgets: %zu scenarios, %zu ended opening, %zu preparing, %zu in the call, %zu enough\n",
                  scenario_count(), counts[SPENT_OPENING], counts[SPENT_BEFORE], counts[SPENT_IN_CALL], counts[ENOUGH]);
    assert_true(counts[SPENT_IN_CALL] > scenario_count());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(budget__every_scenario)};
    return cmocka_run_group_tests(tests, scenario_setup, scenario_teardown);
}
