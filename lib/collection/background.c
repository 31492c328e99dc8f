/*
 * background.c - seal, index, compact and collect on the threads of the host's executor
 *
 * A write that leaves work to do submits one task a collection; the task does what an explicit call would do, within
 * the budget for such work, beside writes and searches. What is handed to the executor outlives the collection if it
 * must: a task that runs after the close does nothing. A task goes on while it finds work, and ends only when none was
 * left behind it: a write beside it may have left some. A failure changes nothing, is told to the log hook and in the
 * stats, and the work is tried again with a write a second later. Cost of asking: a look at the parts of a snapshot.
 * Locks: the task's mutex, held while it runs, comes before all of the collection's; background_mutex is held for a
 * few instructions.
 */
#include "background.h"

#include "../base/checked.h"

#define BACKGROUND_PAUSE_NS 1000000000u /* after work that failed, or found nothing that fits the budget */

struct vssi_background {
    vssi_heap heap;        /* without a budget; its hook is the database's */
    vssi_mutex mutex;      /* held while the work is done */
    vss_collection *col;   /* NULL: closed */
    _Atomic size_t refs;   /* the collection's and the executor's */
};

static void background_unref(struct vssi_background *task)
{
    if (atomic_fetch_sub(&task->refs, 1) != 1)
        return;
    vssi_heap heap = task->heap;
    vssi_mutex_destroy(&task->mutex);
    vssi_free(&heap, task);
}

/* ---- the work ---- */

static int background_ends(void *state, const char *stage, uint64_t done, uint64_t total)
{
    vss_collection *col = state;
    (void)stage;
    (void)done;
    (void)total;
    return atomic_load(&col->closing);
}

static bool background_wanted(vss_collection *col)
{
    vssi_mutex_lock(&col->write_mutex);
    const bool usable = col->poisoned == VSS_OK, full = vssi_collection_full(col);
    vssi_mutex_unlock(&col->write_mutex);
    return usable && (full || vssi_compact_wanted(col));
}

/* Seal and compact once. *did: there was something to do, and it was done. */
static vss_status background_pass(vss_collection *col, bool *did)
{
    vss_error err = {.status = VSS_OK};
    vssi_control control;
    bool sealed = false, compacted = false;
    vssi_control_init(&control, 0, background_ends, col);
    const vssi_seal_options options = {.threads = 1, .control = &control};
    vss_status status = vssi_seal_full(col, &options, &sealed, &err);
    if (status == VSS_OK && !atomic_load(&col->closing))
        status = vssi_compact_background(col, &options, &compacted, &err);
    vssi_control_destroy(&control);
    if (status != VSS_OK && status != VSS_ERR_CANCELLED)
        vssi_db_log(col->db, VSS_LOG_WARNING, "collection \"%s\": work in the background failed: %s", col->name,
                    err.message);
    *did = sealed || compacted;
    return status;
}

/* After a pass, which did something or left what it could not do: true, and the task is no longer the collection's,
 * unless there may be more to do. */
static bool background_over(vss_collection *col, vss_status status, bool wanted, bool did, bool left)
{
    vssi_mutex_lock(&col->background_mutex);
    const bool more = status == VSS_OK && !atomic_load(&col->closing) && (did || col->background_missed);
    col->background_missed = false;
    if (wanted)
        col->background_status = status;
    if (!more) {
        if (left)
            col->background_pause_ns = vssi_now_ns() + BACKGROUND_PAUSE_NS;
        background_unref(col->background);
        col->background = NULL;
    }
    vssi_mutex_unlock(&col->background_mutex);
    return !more;
}

static void background_work(vss_collection *col)
{
    vss_status status;
    bool wanted, did, left;
    do {
        did = false;
        wanted = background_wanted(col);
        status = wanted ? background_pass(col, &did) : VSS_OK;
        /* Where nothing was done because the caller did it meanwhile, nothing is left. */
        left = status != VSS_OK || (wanted && !did && background_wanted(col));
    } while (!background_over(col, status, wanted, did, left));
}

static void background_task(void *arg)
{
    struct vssi_background *task = arg;
    vssi_mutex_lock(&task->mutex);
    if (task->col != NULL)
        background_work(task->col);
    vssi_mutex_unlock(&task->mutex);
    background_unref(task);
}

/* ---- submit and stop ---- */

static struct vssi_background *background_create(vss_collection *col)
{
    struct vssi_background *task;
    vssi_heap heap;
    vssi_heap_init(&heap, &col->db->heap.hook, 0);
    if (vssi_alloc_zero(&heap, 1, sizeof *task, &task, NULL) != VSS_OK)
        return NULL; /* with the next write */
    task->heap = heap;
    task->col = col;
    atomic_init(&task->refs, 2);
    vssi_mutex_init(&task->mutex);
    return task;
}

void vssi_background_notice(vss_collection *col)
{
    struct vssi_background *task = NULL;
    if (!vssi_background_offered(col) || !background_wanted(col))
        return;
    vssi_mutex_lock(&col->background_mutex);
    if (col->background != NULL)
        col->background_missed = true;
    else if (!atomic_load(&col->closing) && vssi_now_ns() >= col->background_pause_ns)
        task = col->background = background_create(col);
    vssi_mutex_unlock(&col->background_mutex);
    if (task == NULL || col->db->executor.submit(col->db->executor.state, background_task, task) == 0)
        return;
    vssi_mutex_lock(&col->background_mutex); /* refused: tried again later */
    col->background = NULL;
    col->background_pause_ns = vssi_now_ns() + BACKGROUND_PAUSE_NS;
    vssi_mutex_unlock(&col->background_mutex);
    background_unref(task);
    background_unref(task);
}

void vssi_background_stop(vss_collection *col)
{
    vssi_mutex_lock(&col->background_mutex);
    atomic_store(&col->closing, 1);
    struct vssi_background *task = col->background;
    if (task != NULL)
        atomic_fetch_add(&task->refs, 1);
    vssi_mutex_unlock(&col->background_mutex);
    if (task == NULL)
        return;
    vssi_mutex_lock(&task->mutex);
    task->col = NULL;
    vssi_mutex_unlock(&task->mutex);
    if (col->background != NULL) /* it never ran */
        background_unref(task);
    col->background = NULL;
    background_unref(task);
}
