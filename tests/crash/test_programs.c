/*
 * test_programs.c - random programs of up to 200 operations against a model, with reopenings and crashes on the way
 *
 * A program is its seed: what it does follows from it alone. While a flush, an index build or a compaction puts its
 * objects, up to three writes are made. After every operation the collection is compared
 * with the model row by row; a crash leaves one of the images that crash_disk.h can tell, and the program goes
 * on with what was found, which must be something that may be found. A failure names the seed and the operation, and
 * the shortest beginning of the program that fails in the same way: VSS_SEED runs one program alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/tier.h"
#include "crash_run.h"

enum { OPERATIONS = 200 };

typedef struct program {
    uint64_t seed;
    size_t length;  /* operations */
    size_t at;      /* the one that is being made */
    size_t crashes, writes;
} program;

static crash_op program_op(maker_random *r)
{
    static const crash_op_kind kinds[] = {OP_INSERT, OP_INSERT, OP_INSERT, OP_UPSERT, OP_UPSERT, OP_UPSERT, OP_DELETE,
                                          OP_DELETE, OP_DELETE_WHERE, OP_FLUSH, OP_COMPACT, OP_REOPEN, OP_INDEX};
    crash_op op = {.kind = kinds[maker_next(r) % (sizeof kinds / sizeof *kinds)]};
    op.n = 1 + (int)(maker_next(r) % 12);
    op.first = (int)(maker_next(r) % (uint64_t)(CRASH_KEYS - op.n));
    return op;
}

/* The operation, in the middle of which writes may come and the disk may die. */
static vss_status program_step(crash_run *r, const crash_op *op, uint64_t die_in, maker_random *random, vss_error *err)
{
    crash_op beside[CRASH_BESIDE];
    r->beside = beside;
    r->n_beside = 0;
    while (op->kind >= OP_FLUSH && r->n_beside < CRASH_BESIDE && maker_next(random) % 2 == 0) {
        crash_op write = program_op(random);
        if (write.kind < OP_FLUSH)
            beside[r->n_beside++] = write;
    }
    r->disk->die_at = die_in == 0 ? 0 : r->disk->calls + die_in;
    vss_status status = crash_run_op(r, op, err);
    r->disk->die_at = 0;
    r->n_beside = 0;
    return status;
}

/* The crash: another disk in place of the one that died, and what is found on it. True when it may be found. */
static bool program_crash(crash_run *r, crash_disk *disk, maker_random *random)
{
    crash_disk left;
    crash_content found;
    vss_error err;
    crash_model model = (crash_model)(maker_next(random) % CRASH_MODELS);
    crash_run_kill(r);
    uint64_t number = model == CRASH_TORN ? maker_next(random) % (crash_disk_sectors(disk) + 1) : maker_next(random);
    crash_disk_after(disk, model, number, &left);
    crash_disk_free(disk);
    *disk = left;
    MUST(crash_run_open(r, false, &err));
    crash_read(r->col, &found);
    int at = crash_find(r, &found);
    if (at < 0)
        return false;
    r->contents[0] = found;
    r->n = 1;
    r->floor = 0;
    return true;
}

/* True when all that was found could be found. */
static bool program_run(program *p)
{
    static crash_run r;
    crash_disk disk;
    crash_content found;
    maker_random random = {p->seed};
    vss_error err;
    static const crash_op none[] = {{OP_END, 0, 0}};
    bool right = true;
    crash_disk_init(&disk);
    crash_run_begin(&r, &disk, maker_next(&random) % 3 == 0 ? VSS_SYNC_OFF : VSS_SYNC_COMMIT);
    MUST(crash_run_all(&r, none, &err));
    for (p->at = 0; right && p->at < p->length; p->at++) {
        crash_op op = program_op(&random);
        uint64_t die_in = maker_next(&random) % 16 == 0 ? 1 + maker_next(&random) % 6 : 0;
        vss_status status = program_step(&r, &op, die_in, &random, &err);
        p->writes++;
        if (disk.dead || maker_next(&random) % 24 == 0) {
            right = program_crash(&r, &disk, &random);
            p->crashes++;
        } else if (status != VSS_OK) {
            fail_msg("seed %llu, operation %zu: %s: %s", (unsigned long long)p->seed, p->at, vss_status_name(status),
                     err.message);
        } else {
            crash_read(r.col, &found);
            right = memcmp(&found, &r.contents[r.n - 1], sizeof found) == 0;
        }
    }
    if (right)
        MUST(vss_collection_check(r.db, "c", NULL, NULL, NULL, NULL, NULL, &err));
    crash_run_kill(&r);
    crash_disk_free(&disk);
    return right;
}

/* The shortest beginning that fails. */
static void program_shrink(const program *failed)
{
    program p = *failed;
    for (p.length = 1; program_run(&p); p.length++)
        ;
    fail_msg("seed %llu: what is found after operation %zu may not be found; %zu operations show it",
             (unsigned long long)p.seed, p.at - 1, p.length);
}

static void programs__agree_with_the_model(void **state)
{
    const char *only = getenv("VSS_SEED");
    uint64_t programs = tier_count(250, 1000, 20000);
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    size_t crashes = 0, writes = 0;
    (void)state;
    for (uint64_t seed = first; seed < first + (only != NULL ? 1 : programs); seed++) {
        program p = {.seed = seed, .length = OPERATIONS};
        if (!program_run(&p))
            program_shrink(&p);
        crashes += p.crashes;
        writes += p.writes;
    }
    print_message("seeds %llu to %llu: %zu operations, %zu crashes\n", (unsigned long long)first,
                  (unsigned long long)(first + (only != NULL ? 0 : programs - 1)), writes, crashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs__agree_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
