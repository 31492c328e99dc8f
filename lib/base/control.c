/*
 * control.c - may a long call go on
 *
 * The first answer against it is kept, and every thread of the call sees it at its next question. Asking costs one read
 * of the clock where there is a deadline, else one atomic load. Reports may come as often as the work likes: the host's
 * callback is called for few of them. A report gives the processor away where somebody waits for it: a job reports
 * between pieces of work, and a search that shares its core with a build or a compaction gets on after one piece, not
 * after the scheduler's time slice.
 */
#include "parallel.h"

#include <sched.h>
#include <stdatomic.h>

#include "checked.h"
#include "vss/error.h"

#define CONTROL_INTERVAL_NS 10000000u /* the host is called about this often, and when a stage is done */

void vssi_control_init(vssi_control *c, uint64_t deadline_ms, vss_progress_fn progress, void *progress_state)
{
    c->deadline_ns = 0;
    if (deadline_ms != 0) {
        uint64_t span;
        if (!vssi_mul_u64(deadline_ms, 1000000, &span) || !vssi_add_u64(vssi_now_ns(), span, &c->deadline_ns))
            c->deadline_ns = UINT64_MAX;
    }
    c->progress = progress;
    c->progress_state = progress_state;
    vssi_mutex_init(&c->mutex);
    atomic_init(&c->next_report_ns, 0);
    atomic_init(&c->stop, 0);
}

void vssi_control_destroy(vssi_control *c) { vssi_mutex_destroy(&c->mutex); }

static void control_stop(vssi_control *c, vss_status status)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&c->stop, &none, (int)status);
}

bool vssi_control_stopped(vssi_control *c)
{
    if (c == NULL)
        return false;
    if (atomic_load_explicit(&c->stop, memory_order_relaxed) != 0)
        return true;
    if (c->deadline_ns == 0 || vssi_now_ns() < c->deadline_ns)
        return false;
    control_stop(c, VSS_ERR_DEADLINE);
    return true;
}

bool vssi_control_report(vssi_control *c, const char *stage, uint64_t done, uint64_t total)
{
    (void)sched_yield();
    if (vssi_control_stopped(c))
        return true;
    if (c == NULL || c->progress == NULL)
        return false;
    uint64_t now = vssi_now_ns(), next = atomic_load_explicit(&c->next_report_ns, memory_order_relaxed);
    if (done < total && now < next)
        return false;
    atomic_store_explicit(&c->next_report_ns, now + CONTROL_INTERVAL_NS, memory_order_relaxed);
    vssi_mutex_lock(&c->mutex);
    /* Another thread's call may have ended the work while this one waited. */
    if (atomic_load(&c->stop) == 0 && c->progress(c->progress_state, stage, done, total) != 0)
        control_stop(c, VSS_ERR_CANCELLED);
    vssi_mutex_unlock(&c->mutex);
    return atomic_load(&c->stop) != 0;
}
