/*
 * fuzz_program.c - any bytes are a program of inserts, upserts, deletes, flushes, compactions, index builds, reopenings
 * and crashes, which is run against the model of tests/crash
 *
 * Three bytes an operation: what, which keys, how many. Whatever is found and may not be found ends the process.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/crash_run.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_OPERATIONS = 60 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return setenv("CMOCKA_TEST_ABORT", "1", 1); /* what fails in crash_run.c ends the process */
}

static void fuzz_need(bool right)
{
    if (!right)
        abort();
}

static void fuzz_crash(crash_run *r, crash_disk *disk, uint8_t model, uint64_t number)
{
    crash_disk left;
    crash_content found;
    vss_error err;
    crash_run_kill(r);
    crash_disk_after(disk, (crash_model)(model % CRASH_MODELS), number, &left);
    crash_disk_free(disk);
    *disk = left;
    fuzz_need(crash_run_open(r, false, &err) == VSS_OK);
    crash_read(r->col, &found);
    fuzz_need(crash_find(r, &found) >= 0);
    r->contents[0] = found;
    r->n = 1;
    r->floor = 0;
}

/* One operation; with the highest bit of `what` the disk dies in one of its calls. */
static void fuzz_step(crash_run *r, crash_disk *disk, const uint8_t *bytes)
{
    static const crash_op_kind kinds[] = {OP_INSERT, OP_UPSERT, OP_DELETE, OP_DELETE_WHERE, OP_FLUSH, OP_INDEX,
                                          OP_REOPEN, OP_COMPACT};
    crash_op op = {.kind = kinds[bytes[0] % 8], .n = 1 + bytes[2] % 32};
    crash_content found;
    vss_error err;
    op.first = bytes[1] % (CRASH_KEYS - op.n);
    disk->die_at = bytes[0] & 0x80 ? disk->calls + 1 + (bytes[0] >> 3) % 8 : 0;
    const vss_status status = crash_run_op(r, &op, &err);
    disk->die_at = 0;
    if (disk->dead || (bytes[0] & 0x78) == 0x78) {
        const uint8_t model = bytes[2] >> 5;
        fuzz_crash(r, disk, model, model % CRASH_MODELS == CRASH_TORN ? bytes[1] % (crash_disk_sectors(disk) + 1)
                                                                     : (uint64_t)bytes[1] << 8 | bytes[2]);
        return;
    }
    fuzz_need(status == VSS_OK);
    crash_read(r->col, &found);
    fuzz_need(memcmp(&found, &r->contents[r->n - 1], sizeof found) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static crash_run r;
    static const crash_op none[] = {{OP_END, 0, 0}};
    crash_disk disk;
    vss_error err;
    if (size < 1)
        return -1;
    crash_disk_init(&disk);
    crash_run_begin(&r, &disk, data[0] % 2 == 0 ? VSS_SYNC_COMMIT : VSS_SYNC_OFF);
    fuzz_need(crash_run_all(&r, none, &err) == VSS_OK);
    for (size_t at = 1, n = 0; size - at >= 3 && n < FUZZ_OPERATIONS; at += 3, n++)
        fuzz_step(&r, &disk, data + at);
    fuzz_need(vss_collection_check(r.db, "c", NULL, NULL, NULL, NULL, NULL, &err) == VSS_OK);
    crash_run_kill(&r);
    crash_disk_free(&disk);
    return 0;
}
