/*
 * test_crash.c - a crash in every mutating call of every workload, and in every call of the recovery from it
 *
 * For each call of a workload the disk dies in the middle of it. Each disk image that can be left (crash_disk.h) is
 * opened: that must succeed; what is found must be what was acknowledged, with the operation that was cut off whole or
 * absent; the recovery must change no object, leave the same batches when it is made twice, and be followed by a write
 * that lasts. An image counts once, and is opened once for each set of contents that it may hold. Seeds are the numbers
 * 1, 2, ...; counts are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/tier.h"
#include "workloads.h"

typedef struct counts {
    size_t points;   /* calls in which the disk died */
    size_t states;   /* distinct images */
    size_t looks;    /* times an image was opened: once for each set of contents it may hold */
    size_t recovery; /* distinct images left by a crash in a recovery */
    size_t lost;     /* images of which no acknowledged content was found */
} counts;

static counts total;
static uint64_t *seen; /* hashes of images and of what was looked for in them, an open table */
enum { SEEN = 1 << 24 };

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

#define RECOVERY 0x2545f4914f6cdd1du

/* An image is looked at once for each set of contents that it may hold: what is enough before an acknowledgement is a
 * loss after it. */
static uint64_t looked_for(const crash_run *r, size_t content)
{
    return (uint64_t)(r->floor + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)(r->n + 1) * 0xd6e8feb86659fd93u ^
           (uint64_t)(content + 1) * 0xa0761d6478bd642fu;
}

/* A crash in every call of the recovery leaves the same content. */
static void crash_recovery(const workload *w, const crash_run *r, const crash_disk *image, uint64_t calls,
                           int content)
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
            const uint64_t hash = crash_disk_hash(&left, true) ^ (uint64_t)(w - workloads);
            total.recovery += !seen_before(hash ^ RECOVERY);
            if (seen_before(hash ^ RECOVERY ^ looked_for(r, (size_t)content))) {
                crash_disk_free(&left);
                crash_disk_free(&disk);
                continue;
            }
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
    const uint64_t hash = crash_disk_hash(&image, true) ^ (uint64_t)(w - workloads);
    total.states += !seen_before(hash);
    if (seen_before(hash ^ looked_for(r, 0))) {
        crash_disk_free(&image);
        return;
    }
    total.looks++;
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
    if (calls > 0 && (tier_full() || total.looks % 16 == 0))
        crash_recovery(w, r, &original, calls, content);
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
    for (uint64_t seed = 1; seed <= (tier_count(200, 800, 5000)); seed++)
        examine(w, &r, die, CRASH_RANDOM, seed);
    crash_disk_free(&disk);
    return died;
}

static void crash__in_every_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKLOADS; i++)
        for (uint64_t die = 1; crash_at(&workloads[i], die); die++)
            ;
    print_message("%zu workloads, %zu calls died in, %zu distinct images in %zu looks, %zu more distinct ones left by "
                  "crashes in recovery, %zu lost\n", WORKLOADS, total.points, total.states,
                  total.looks, total.recovery, total.lost);
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
    for (size_t i = 0; i < WORKLOADS; i++)
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
