/*
 * test_wal.c - the recovery table of docs/format.md, case by case: what a reopened collection holds, or why it is
 * refused
 *
 * A crash is a copy of everything stored, taken while the writer is open; the copy is changed, then opened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/base/hash.h"
#include "../../lib/storage/storage.h"
#include "../support/maker.h"

enum { DIM = 3, HEADER = 64, FRAME = 64 };

static vssi_heap heap;
static float vectors[4000 * DIM];

typedef struct disk {
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
} disk;

static void disk_make(disk *d)
{
    vss_error err;
    memset(d, 0, sizeof *d);
    MUST(vssi_storage_memory(&heap, &d->storage, &err));
}

static vss_status disk_open_as(disk *d, vss_open_mode mode, vss_error *err)
{
    vss_storage storage = d->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    options.mode = mode;
    assert_int_equal(vss_db_open("disk", &options, &d->db, err), VSS_OK);
    vss_status status = vss_collection_open(d->db, "c", &d->col, err);
    if (status != VSS_OK) {
        (void)vss_db_close(d->db, NULL);
        d->db = NULL;
    }
    return status;
}

static void disk_begin(disk *d)
{
    vss_error err;
    disk_make(d);
    vss_storage storage = d->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    MUST(vss_db_open("disk", &options, &d->db, &err));
    d->col = maker_create(d->db, DIM, VSS_METRIC_L2);
}

static void disk_end(disk *d)
{
    vss_error err;
    MUST(vss_db_close(d->db, &err));
    d->storage.close(d->storage.state);
}

typedef struct copying {
    const disk *from;
    disk *to;
} copying;

static int copy_object(void *arg, const char *name)
{
    const copying *c = arg;
    vss_error err;
    uint64_t size;
    MUST(c->from->storage.size(c->from->storage.state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(c->from->storage.read(c->from->storage.state, name, 0, bytes, (size_t)size, &err));
    MUST(c->to->storage.put(c->to->storage.state, name, &(vss_span){bytes, (size_t)size}, 1, &err));
    free(bytes);
    return 0;
}

/* What is stored now, as it is after a crash. */
static void disk_crash(const disk *from, disk *to)
{
    vss_error err;
    disk_make(to);
    copying c = {from, to};
    MUST(from->storage.list(from->storage.state, "", 0, copy_object, &c, &err));
}

typedef struct found {
    size_t n;
    char names[8][64];
} found;

static int find_log(void *arg, const char *name)
{
    found *f = arg;
    assert_true(f->n < 8);
    (void)snprintf(f->names[f->n++], sizeof f->names[0], "%s", name);
    return 0;
}

static found logs_of(const disk *d)
{
    found f = {0};
    vss_error err;
    MUST(d->storage.list(d->storage.state, "c/w/", 0, find_log, &f, &err));
    return f;
}

static uint8_t *take(const disk *d, const char *name, size_t *size)
{
    uint64_t held;
    vss_error err;
    MUST(d->storage.size(d->storage.state, name, &held, &err));
    uint8_t *bytes = malloc((size_t)held + 1);
    MUST(d->storage.read(d->storage.state, name, 0, bytes, (size_t)held, &err));
    *size = (size_t)held;
    return bytes;
}

static void replace(disk *d, const char *name, const uint8_t *bytes, size_t size)
{
    vss_error err;
    (void)d->storage.remove(d->storage.state, name, NULL);
    if (bytes != NULL)
        MUST(d->storage.put(d->storage.state, name, &(vss_span){bytes, size}, 1, &err));
}

static uint64_t rows_of(disk *d)
{
    uint64_t rows;
    vss_error err;
    MUST(vss_collection_count(d->col, NULL, &rows, &err));
    return rows;
}

/* Rows after a crash with the only log changed to these bytes; -1 and the line where it is refused. */
static int64_t reopened(const disk *live, const char *name, const uint8_t *bytes, size_t size, vss_error *err)
{
    disk d;
    int64_t rows = -1;
    disk_crash(live, &d);
    replace(&d, name, bytes, size);
    if (disk_open_as(&d, VSS_OPEN_EXISTING, err) == VSS_OK) {
        rows = (int64_t)rows_of(&d);
        assert_int_equal(vss_db_close(d.db, err), VSS_OK);
    } else {
        size_t kept;
        uint8_t *after = take(&d, name, &kept);
        assert_int_equal(kept, size);
        assert_memory_equal(after, bytes, size); /* what is refused is left alone */
        free(after);
    }
    d.storage.close(d.storage.state);
    return rows;
}

static int64_t delete_keys(disk *d, const int64_t *keys, size_t n)
{
    vss_column column = maker_keys(keys, n);
    vss_write_info info = VSS_INIT(vss_write_info);
    vss_error err;
    MUST(vss_collection_delete(d->col, &column, &info, &err));
    return (int64_t)info.rows;
}

static void upsert_row(disk *d, int64_t key, int64_t number)
{
    vss_column id = maker_keys(&key, 1), n = maker_keys(&number, 1), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.length = 1, v.dim = DIM, v.data = vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &n, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    vss_error err;
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    MUST(vss_collection_upsert(d->col, &batch, NULL, &err));
}

/* Batches of 10, 20, 30 rows, the log's bytes and where the frames begin. */
typedef struct three {
    disk d;
    found logs;
    uint8_t *bytes;
    size_t size;
    size_t frames[4]; /* begins, and the end */
} three;

static size_t frame_size(const uint8_t *frame)
{
    return FRAME + (size_t)((vssi_load64(frame + 16) + 63) / 64 * 64);
}

static void three_begin(three *t)
{
    disk_begin(&t->d);
    maker_insert(t->d.col, vectors, 10, DIM, 0, 1);
    maker_insert(t->d.col, vectors, 20, DIM, 10, 1);
    maker_insert(t->d.col, vectors, 30, DIM, 30, 1);
    t->logs = logs_of(&t->d);
    assert_int_equal(t->logs.n, 1);
    t->bytes = take(&t->d, t->logs.names[0], &t->size);
    t->frames[0] = HEADER;
    for (int i = 0; i < 3; i++)
        t->frames[i + 1] = t->frames[i] + frame_size(t->bytes + t->frames[i]);
    assert_int_equal(t->frames[3], t->size);
}

static void three_end(three *t)
{
    free(t->bytes);
    disk_end(&t->d);
}

/* R1: every frame is whole. */
static void wal__replays_what_was_acknowledged(void **state)
{
    disk d, after;
    vss_error err;
    uint64_t count;
    const int64_t gone[] = {3, 4, 12, 999};
    (void)state;
    disk_begin(&d);
    maker_insert(d.col, vectors, 10, DIM, 0, 1);
    MUST(vss_collection_flush(d.col, &err));
    maker_insert(d.col, vectors, 10, DIM, 10, 1);
    assert_int_equal(delete_keys(&d, gone, 4), 3);
    upsert_row(&d, 5, 1000);  /* sealed */
    upsert_row(&d, 15, 1000); /* growing */
    upsert_row(&d, 50, 1000); /* new */
    upsert_row(&d, 50, 1001);
    MUST(vss_collection_delete_where(d.col, "number in [18, 19]", NULL, &err));
    disk_crash(&d, &after);
    for (int round = 0; round < 3; round++) {
        MUST(disk_open_as(&after, round == 0 ? VSS_OPEN_READ_ONLY : VSS_OPEN_EXISTING, &err));
        assert_int_equal(rows_of(&after), rows_of(&d));
        MUST(vss_collection_count(after.col, "number == 1000", &count, &err));
        assert_int_equal(count, 2);
        MUST(vss_collection_count(after.col, "id == 50 and number == 1001", &count, &err));
        assert_int_equal(count, 1);
        MUST(vss_collection_count(after.col, "id in [3, 4, 12, 18, 19]", &count, &err));
        assert_int_equal(count, 0);
        MUST(vss_collection_check(after.db, "c", NULL, NULL, NULL, NULL, NULL, &err));
        MUST(vss_db_close(after.db, &err));
    }
    assert_int_equal(logs_of(&after).n, 0); /* the close of a writer flushed */
    after.storage.close(after.storage.state);
    disk_end(&d);
}

/* R2: the log ends anywhere in its last frame. */
static void wal__cuts_a_torn_tail(void **state)
{
    three t;
    vss_error err;
    (void)state;
    three_begin(&t);
    for (size_t size = t.frames[2]; size <= t.size; size += size % 64 == 0 ? 1 : 21) {
        size_t capped = size > t.size ? t.size : size;
        assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, capped, &err), capped == t.size ? 60 : 30);
    }
    assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, HEADER, &err), 0);
    three_end(&t);
}

/* R2 and R3: every byte flipped: the last batch is missing, or the log is refused. */
static void wal__tells_damage_from_a_torn_tail(void **state)
{
    three t;
    vss_error err;
    size_t refused = 0, cut = 0;
    (void)state;
    three_begin(&t);
    for (size_t at = 0; at < t.size; at++) {
        t.bytes[at] ^= 0x10;
        int64_t rows = reopened(&t.d, t.logs.names[0], t.bytes, t.size, &err);
        if (at < t.frames[2] ? rows != -1 : rows != 30)
            fail_msg("byte %zu flipped: %lld rows", at, (long long)rows);
        if (rows == -1)
            assert_true(err.status == VSS_ERR_CORRUPT || err.status == VSS_ERR_NEWER_FORMAT);
        refused += rows == -1;
        cut += rows == 30;
        t.bytes[at] ^= 0x10;
    }
    print_message("%zu bytes flipped: %zu refused, %zu cut the last batch\n", t.size, refused, cut);
    three_end(&t);
}

/* R4: a header that never became durable, and one that was damaged later. */
static void wal__knows_a_log_that_was_never_begun(void **state)
{
    three t;
    vss_error err;
    static const uint8_t zeros[HEADER];
    (void)state;
    three_begin(&t);
    for (size_t size = 0; size <= HEADER; size += 16)
        assert_int_equal(reopened(&t.d, t.logs.names[0], zeros, size, &err), 0);
    memset(t.bytes, 0, HEADER);
    assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, t.size, &err), -1);
    assert_int_equal(err.status, VSS_ERR_CORRUPT);
    three_end(&t);
}

/* R5: a log that the manifest covers is passed over, whatever is in it, one of a version that is not there is
 * refused. */
static void wal__belongs_to_one_version(void **state)
{
    three t;
    disk d;
    vss_error err;
    char older[64];
    (void)state;
    three_begin(&t);
    MUST(vss_collection_flush(t.d.col, &err));
    assert_int_equal(logs_of(&t.d).n, 0);
    disk_crash(&t.d, &d);
    replace(&d, t.logs.names[0], t.bytes, t.size);
    MUST(disk_open_as(&d, VSS_OPEN_EXISTING, &err));
    assert_int_equal(rows_of(&d), 60);
    assert_int_equal(logs_of(&d).n, 0);
    disk_end(&d);
    disk_crash(&t.d, &d);
    replace(&d, t.logs.names[0], (const uint8_t *)vectors, 500);
    MUST(disk_open_as(&d, VSS_OPEN_EXISTING, &err));
    assert_int_equal(rows_of(&d), 60);
    disk_end(&d);
    maker_insert(t.d.col, vectors, 5, DIM, 100, 1);
    disk_crash(&t.d, &d);
    replace(&d, "c/m/00000000000000000002", NULL, 0);
    assert_int_equal(disk_open_as(&d, VSS_OPEN_EXISTING, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "version 2"));
    d.storage.close(d.storage.state);
    disk_crash(&t.d, &d);
    (void)snprintf(older, sizeof older, "c/w/%020d", 77); /* a name that its header contradicts */
    replace(&d, older, t.bytes, t.size);
    assert_int_equal(disk_open_as(&d, VSS_OPEN_EXISTING, &err), VSS_ERR_CORRUPT);
    d.storage.close(d.storage.state);
    three_end(&t);
}

static void mend_header(uint8_t *header) { vssi_store64(header + 56, vssi_hash(header, 56, 0)); }

/* Hashes of the first frame as its writer would have made them. */
static void mend_frame(uint8_t *bytes, size_t at)
{
    uint64_t seed = vssi_load64(bytes + 48) ^ at;
    uint8_t *frame = bytes + at;
    vssi_store64(frame + 32, vssi_load64(bytes + 56));
    vssi_store64(frame + 40, vssi_hash(frame + FRAME, frame_size(frame) - FRAME, seed));
    vssi_store64(frame + 56, vssi_hash(frame, 56, seed));
}

/* R6, R7: sequences that do not follow, batches that were carried and are gone. */
static void wal__refuses_gaps(void **state)
{
    three t;
    vss_error err;
    (void)state;
    three_begin(&t);
    uint8_t *bytes = malloc(t.size);
    memcpy(bytes, t.bytes, t.size);
    vssi_store64(bytes + HEADER + 8, 2);
    mend_frame(bytes, HEADER);
    assert_int_equal(reopened(&t.d, t.logs.names[0], bytes, t.frames[1], &err), -1);
    assert_non_null(strstr(err.message, "follows batch 0"));
    memcpy(bytes, t.bytes, t.size);
    vssi_store64(bytes + 40, 2);
    mend_header(bytes);
    mend_frame(bytes, HEADER);
    assert_int_equal(reopened(&t.d, t.logs.names[0], bytes, t.frames[1], &err), -1);
    assert_non_null(strstr(err.message, "held 2"));
    free(bytes);
    three_end(&t);
}

/* R8, R9: what a newer library wrote; what is another collection's. */
static void wal__refuses_what_it_does_not_know(void **state)
{
    three t;
    vss_error err;
    (void)state;
    three_begin(&t);
    vssi_store32(t.bytes + HEADER + 4, 9);
    mend_frame(t.bytes, HEADER);
    assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, t.frames[1], &err), -1);
    assert_int_equal(err.status, VSS_ERR_NEWER_FORMAT);
    vssi_store32(t.bytes + 12, 1);
    mend_header(t.bytes);
    assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, t.size, &err), -1);
    assert_int_equal(err.status, VSS_ERR_NEWER_FORMAT);
    vssi_store32(t.bytes + 12, 0);
    vssi_store64(t.bytes + 32, 1);
    mend_header(t.bytes);
    assert_int_equal(reopened(&t.d, t.logs.names[0], t.bytes, t.size, &err), -1);
    assert_non_null(strstr(err.message, "another collection"));
    three_end(&t);
}

/* R10: a crash while another one is being recovered from: both logs are there, the second one cut anywhere. */
static void wal__recovers_in_two_goes(void **state)
{
    three t;
    disk first, second;
    vss_error err;
    (void)state;
    three_begin(&t);
    disk_crash(&t.d, &first);
    MUST(disk_open_as(&first, VSS_OPEN_EXISTING, &err)); /* carries the batches into a second log */
    found logs = logs_of(&first);
    assert_int_equal(logs.n, 1);
    assert_string_not_equal(logs.names[0], t.logs.names[0]);
    size_t size;
    uint8_t *carried = take(&first, logs.names[0], &size);
    assert_int_equal(size, t.size);
    for (size_t cut = 0; cut <= size; cut += 32) {
        disk_crash(&first, &second);
        replace(&second, t.logs.names[0], t.bytes, t.size);
        replace(&second, logs.names[0], carried, cut);
        MUST(disk_open_as(&second, VSS_OPEN_EXISTING, &err));
        assert_int_equal(rows_of(&second), 60);
        assert_int_equal(logs_of(&second).n, 1);
        disk_end(&second);
    }
    /* Without the old log the carried batches must all be there. */
    disk_crash(&first, &second);
    replace(&second, logs.names[0], carried, t.frames[2]);
    assert_int_equal(disk_open_as(&second, VSS_OPEN_EXISTING, &err), VSS_ERR_CORRUPT);
    second.storage.close(second.storage.state);
    /* A torn batch of the old log stays torn once the new one speaks. */
    disk_crash(&t.d, &second);
    replace(&second, t.logs.names[0], t.bytes, t.size - 64);
    MUST(disk_open_as(&second, VSS_OPEN_EXISTING, &err));
    maker_insert(second.col, vectors, 7, DIM, 100, 1);
    disk third;
    disk_crash(&second, &third);
    replace(&third, t.logs.names[0], t.bytes, t.size);
    MUST(disk_open_as(&third, VSS_OPEN_EXISTING, &err));
    assert_int_equal(rows_of(&third), 37);
    disk_end(&third);
    disk_end(&second);
    free(carried);
    disk_end(&first);
    three_end(&t);
}

/* A reader beside the writer sees what is in the log, and writes nothing. */
static void wal__is_read_without_a_trace(void **state)
{
    three t;
    disk reader;
    vss_error err;
    size_t size;
    (void)state;
    three_begin(&t);
    reader = t.d;
    MUST(disk_open_as(&reader, VSS_OPEN_READ_ONLY, &err));
    assert_int_equal(rows_of(&reader), 60);
    assert_int_equal(logs_of(&t.d).n, 1);
    uint8_t *bytes = take(&t.d, t.logs.names[0], &size);
    assert_int_equal(size, t.size);
    assert_memory_equal(bytes, t.bytes, size);
    MUST(vss_db_close(reader.db, &err));
    free(bytes);
    three_end(&t);
}

static int set_up(void **state)
{
    maker_random r = {5};
    (void)state;
    vssi_heap_init(&heap, NULL, 0);
    maker_vectors(&r, vectors, 4000, DIM, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return atomic_load(&heap.used) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal__replays_what_was_acknowledged),
        cmocka_unit_test(wal__cuts_a_torn_tail),
        cmocka_unit_test(wal__tells_damage_from_a_torn_tail),
        cmocka_unit_test(wal__knows_a_log_that_was_never_begun),
        cmocka_unit_test(wal__belongs_to_one_version),
        cmocka_unit_test(wal__refuses_gaps),
        cmocka_unit_test(wal__refuses_what_it_does_not_know),
        cmocka_unit_test(wal__recovers_in_two_goes),
        cmocka_unit_test(wal__is_read_without_a_trace),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
