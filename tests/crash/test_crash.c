/*
 * test_crash.c - a crash in every mutating call of every workload, and in every call of the recovery from it
 *
 * For each call of a workload the disk dies in the middle of it. Each disk image that can be left (crash_disk.h) is
 * opened: that must succeed; what is found must be what was acknowledged, with the operation that was cut off whole or
 * absent; the recovery must change no object, leave the same batches when it is made twice, and be followed by a write
 * that lasts. An image counts once. Seeds are the numbers 1, 2, ...; counts are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_run.h"

typedef struct workload {
    const char *name;
    vss_sync_mode sync;
    crash_op ops[24];
} workload;

static const workload workloads[] = {
    {"inserts", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 12}, {OP_INSERT, 12, 1}, {OP_INSERT, 13, 30}, {OP_INSERT, 50, 40},
                                  {0}}},
    {"deletes", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 30}, {OP_DELETE, 3, 5}, {OP_DELETE_WHERE, 10, 9}, {OP_INSERT, 3, 4},
                                  {OP_DELETE, 0, 30}, {OP_INSERT, 0, 9}, {0}}},
    {"upserts", VSS_SYNC_COMMIT, {{OP_UPSERT, 0, 20}, {OP_UPSERT, 10, 20}, {OP_UPSERT, 0, 30}, {OP_DELETE, 5, 5},
                                  {OP_UPSERT, 4, 8}, {0}}},
    {"flushes", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_FLUSH}, {OP_DELETE, 0, 10},
                                  {OP_FLUSH}, {OP_UPSERT, 5, 20}, {OP_FLUSH}, {OP_INSERT, 60, 9}, {0}}},
    {"reopening", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 10}, {OP_REOPEN}, {OP_REOPEN}, {OP_INSERT, 10, 10}, {OP_DELETE, 0, 3},
                                    {OP_REOPEN}, {OP_UPSERT, 0, 6}, {0}}},
    {"an index", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 40}, {OP_INDEX}, {OP_INSERT, 40, 40}, {OP_INDEX}, {OP_DELETE, 30, 20},
                                   {OP_FLUSH}, {0}}},
    {"compaction", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_COMPACT},
                                     {OP_DELETE, 5, 20}, {OP_UPSERT, 30, 15}, {OP_COMPACT}, {OP_DELETE, 0, 60}, {OP_COMPACT},
                                     {OP_INSERT, 0, 5}, {OP_COMPACT}, {OP_REOPEN}, {OP_INSERT, 5, 5}, {0}}},
    {"writes beside flushes", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 30}, {OP_FLUSH, 0, 0, 1}, {OP_DELETE, 5, 10}, {OP_UPSERT, 8, 12}, {OP_FLUSH, 0, 0, 2}, {OP_UPSERT, 0, 9},
      {OP_INSERT, 60, 20}, {OP_FLUSH, 0, 0, 1}, {OP_DELETE_WHERE, 0, 40}, {OP_REOPEN}, {OP_INSERT, 3, 3}, {0}}},
    {"writes beside compactions", VSS_SYNC_COMMIT,
     {{OP_INSERT, 0, 20}, {OP_FLUSH}, {OP_INSERT, 20, 20}, {OP_FLUSH}, {OP_DELETE, 0, 5}, {OP_COMPACT, 0, 0, 3},
      {OP_DELETE, 3, 10}, {OP_UPSERT, 15, 10}, {OP_INSERT, 60, 10}, {OP_DELETE, 20, 15}, {OP_FLUSH},
      {OP_COMPACT, 0, 0, 2}, {OP_UPSERT, 0, 30}, {OP_DELETE_WHERE, 10, 60}, {OP_FLUSH}, {OP_INDEX, 0, 0, 1}, {OP_INSERT, 70, 9},
      {OP_REOPEN}, {OP_INSERT, 100, 5}, {0}}},
    {"beside flushes, sync off", VSS_SYNC_OFF,
     {{OP_INSERT, 0, 30}, {OP_FLUSH, 0, 0, 2}, {OP_DELETE, 5, 10}, {OP_UPSERT, 8, 12}, {OP_UPSERT, 100, 40}, {OP_FLUSH, 0, 0, 2},
      {OP_UPSERT, 0, 9}, {OP_INSERT, 60, 20}, {OP_INSERT, 120, 9}, {0}}},
    {"nothing but flushes", VSS_SYNC_COMMIT, {{OP_FLUSH}, {OP_DELETE, 0, 5}, {OP_FLUSH}, {OP_INSERT, 1, 1},
                                              {OP_DELETE, 1, 1}, {OP_FLUSH}, {OP_REOPEN}, {0}}},
    {"sync off", VSS_SYNC_OFF, {{OP_INSERT, 0, 20}, {OP_INSERT, 20, 20}, {OP_UPSERT, 10, 20}, {OP_DELETE, 0, 15},
                                {OP_INSERT, 60, 40}, {OP_FLUSH}, {OP_INSERT, 100, 20}, {OP_INSERT, 120, 20}, {0}}},
    {"sync at intervals", VSS_SYNC_INTERVAL, {{OP_INSERT, 0, 20}, {OP_UPSERT, 5, 30}, {OP_INSERT, 40, 30}, {OP_REOPEN},
                                              {OP_DELETE, 10, 20}, {OP_INSERT, 80, 40}, {0}}},
    {"everything", VSS_SYNC_COMMIT, {{OP_INSERT, 0, 40}, {OP_DELETE, 5, 5}, {OP_UPSERT, 30, 20}, {OP_FLUSH},
                                     {OP_DELETE_WHERE, 0, 20}, {OP_UPSERT, 10, 20}, {OP_INDEX}, {OP_INSERT, 60, 20},
                                     {OP_REOPEN}, {OP_DELETE, 60, 10}, {OP_UPSERT, 0, 70}, {0}}},
};

typedef struct counts {
    size_t points;   /* calls in which the disk died */
    size_t states;   /* distinct images */
    size_t recovery; /* images left by a crash in a recovery */
    size_t lost;     /* images of which no acknowledged content was found */
} counts;

static counts total;
static uint64_t *seen; /* hashes of images, an open table */
enum { SEEN = 1 << 22 };

static bool seen_before(uint64_t hash)
{
    size_t at = hash % SEEN;
    hash |= 1;
    while (seen[at] != 0 && seen[at] != hash)
        at = (at + 1) % SEEN;
    bool known = seen[at] == hash;
    seen[at] = hash;
    return known;
}

static bool full_tier(void)
{
    const char *tier = getenv("VSS_TIER");
    return tier != NULL && strcmp(tier, "full") == 0;
}

/* Open an image: which content is in it? Leaves the collection open. -1: none that may be. */
static int recover(const crash_run *r, crash_disk *image, crash_run *after)
{
    crash_content found;
    vss_error err;
    crash_run_begin(after, image, r->sync);
    vss_status status = crash_run_open(after, false, &err);
    if (status == VSS_ERR_NOT_FOUND)
        memset(&found, 0, sizeof found);
    else if (status == VSS_OK)
        crash_read(after->col, &found);
    else
        fail_msg("reopening: %s: %s", vss_status_name(status), err.message);
    return crash_find(r, &found);
}

/* After recovery a write lasts. */
static void write_on(const crash_run *r, crash_run *after, int content)
{
    static crash_run again;
    const crash_op op = {OP_UPSERT, 150, 3};
    crash_disk image;
    vss_error err;
    if (after->col == NULL)
        return;
    after->sync = r->sync;
    after->contents[0] = r->contents[content];
    after->stamp = 1000;
    MUST(crash_run_op(after, &op, &err));
    crash_disk_after(after->disk, after->floor == 1 ? CRASH_SYNCED : CRASH_ALL, 0, &image);
    if (recover(after, &image, &again) != 1)
        fail_msg("a write after recovery is lost");
    crash_run_kill(&again);
    crash_disk_free(&image);
}

/* A crash in every call of the recovery leaves the same content. */
static void crash_recovery(const crash_run *r, const crash_disk *image, uint64_t calls, int content)
{
    static crash_run after, again;
    for (uint64_t die = 1; die <= calls; die++)
        for (uint64_t model = 0; model < CRASH_MODELS + 2; model++) {
            crash_disk disk, left;
            crash_content found;
            vss_error err;
            crash_disk_after(image, CRASH_ALL, 0, &disk);
            disk.die_at = die;
            crash_run_begin(&after, &disk, r->sync);
            (void)crash_run_open(&after, false, &err);
            crash_run_kill(&after);
            crash_disk_after(&disk, model < CRASH_MODELS ? (crash_model)model : CRASH_RANDOM, model, &left);
            total.recovery++;
            if (recover(r, &left, &again) < 0)
                fail_msg("a crash in call %llu of recovery, model %llu: content lost", (unsigned long long)die,
                         (unsigned long long)model);
            if (again.col != NULL) {
                crash_read(again.col, &found);
                assert_memory_equal(&found, &r->contents[content], sizeof found);
            }
            crash_run_kill(&again);
            crash_disk_free(&left);
            crash_disk_free(&disk);
        }
}

static void examine(const workload *w, const crash_run *r, uint64_t die, crash_model model, uint64_t number)
{
    static crash_run after, second;
    crash_disk image, original, twice;
    crash_disk_after(r->disk, model, number, &image);
    if (seen_before(crash_disk_hash(&image, true) ^ (uint64_t)(w - workloads))) {
        crash_disk_free(&image);
        return;
    }
    total.states++;
    crash_disk_after(&image, CRASH_ALL, 0, &original);
    uint64_t objects = crash_disk_hash(&image, false);
    int content = recover(r, &image, &after);
    if (content < 0) {
        total.lost++;
        fail_msg("%s: crash in call %llu, model %d, number %llu: what was acknowledged is lost", w->name,
                 (unsigned long long)die, (int)model, (unsigned long long)number);
    }
    assert_int_equal(crash_disk_hash(&image, false), objects);
    crash_disk_after(&image, CRASH_SYNCED, 0, &twice);
    uint64_t calls = image.calls;
    assert_int_equal(recover(r, &twice, &second), content);
    assert_int_equal(crash_disk_hash(&twice, false), objects);
    assert_int_equal(crash_disk_batches(&twice), crash_disk_batches(&image));
    crash_run_kill(&second);
    write_on(r, &after, content);
    crash_run_kill(&after);
    if (calls > 0 && (full_tier() || total.states % 16 == 0))
        crash_recovery(r, &original, calls, content);
    crash_disk_free(&image);
    crash_disk_free(&original);
    crash_disk_free(&twice);
}

/* True while the workload still died. */
static bool crash_at(const workload *w, uint64_t die)
{
    static crash_run r;
    crash_disk disk;
    vss_error err;
    crash_disk_init(&disk);
    disk.die_at = die;
    crash_run_begin(&r, &disk, w->sync);
    vss_status status = crash_run_all(&r, w->ops, &err);
    bool died = disk.dead;
    if (!died)
        assert_int_equal(status, VSS_OK);
    crash_run_kill(&r);
    total.points += died;
    for (int model = CRASH_SYNCED; model <= CRASH_ENTRIES; model++)
        examine(w, &r, die, (crash_model)model, 0);
    for (uint64_t sector = 0; sector < crash_disk_sectors(&disk); sector++)
        examine(w, &r, die, CRASH_TORN, sector);
    for (uint64_t seed = 1; seed <= (full_tier() ? 5000u : 800u); seed++)
        examine(w, &r, die, CRASH_RANDOM, seed);
    crash_disk_free(&disk);
    return died;
}

static void crash__in_every_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        for (uint64_t die = 1; crash_at(&workloads[i], die); die++)
            ;
    print_message("%zu workloads, %zu calls died in, %zu distinct images, %zu more left by crashes in recovery, %zu "
                  "lost\n", sizeof workloads / sizeof *workloads, total.points, total.states, total.recovery,
                  total.lost);
    assert_int_equal(total.lost, 0);
    assert_true(total.states > 1000 && total.recovery > 1000);
}

/* A sync fails and the disk keeps in memory what it will never store. True while there was such a sync. */
static bool lying_sync(const workload *w, uint64_t nth, size_t *states)
{
    static crash_run r, after, last;
    crash_disk disk;
    vss_error err;
    crash_disk_init(&disk);
    disk.fail_sync = nth;
    crash_run_begin(&r, &disk, w->sync);
    vss_status status = crash_run_all(&r, w->ops, &err);
    bool failed = disk.syncs >= nth;
    if (status == VSS_ERR_UNKNOWN_COMMIT) {
        const crash_op more = {OP_UPSERT, 140, 3};
        assert_int_equal(vss_collection_flush(r.col, &err), VSS_ERR_POISONED);
        (void)vss_db_close(r.db, NULL);
        int content = recover(&r, &disk, &after); /* from the memory of the system */
        assert_true(content >= 0);
        after.contents[0] = r.contents[content];
        after.sync = VSS_SYNC_COMMIT;
        after.stamp = 1000;
        MUST(crash_run_op(&after, &more, &err));
        if (w->sync == VSS_SYNC_COMMIT)
            assert_int_equal(after.floor, 1);
        crash_run_kill(&after);
        for (uint64_t model = 0; model < CRASH_MODELS + 20; model++, ++*states) {
            crash_disk left;
            crash_disk_after(&disk, model < CRASH_MODELS ? (crash_model)model : CRASH_RANDOM, model, &left);
            if (w->sync == VSS_SYNC_COMMIT && recover(&after, &left, &last) != 1)
                fail_msg("%s: sync %llu failed; later writes are lost", w->name, (unsigned long long)nth);
            if (w->sync == VSS_SYNC_COMMIT)
                crash_run_kill(&last);
            crash_disk_free(&left);
        }
    } else {
        crash_run_kill(&r);
    }
    crash_disk_free(&disk);
    return failed;
}

static void crash__after_a_failed_sync(void **state)
{
    size_t states = 0;
    (void)state;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        for (uint64_t nth = 1; workloads[i].sync == VSS_SYNC_COMMIT && lying_sync(&workloads[i], nth, &states); nth++)
            ;
    print_message("%zu states after syncs that failed\n", states);
    assert_true(states > 100);
}

static int set_up(void **state)
{
    (void)state;
    seen = calloc(SEEN, sizeof *seen);
    return seen == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash__in_every_call),
        cmocka_unit_test(crash__after_a_failed_sync),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
