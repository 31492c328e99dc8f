/*
 * test_salvage.c - what is whole in a damaged collection comes back, nothing else does, and the source stays as it is
 *
 * Damages are done to the files of a collection (archive.h); each is salvaged into a database in memory, whose rows are
 * compared with the sound ones, and which is checked. Quick: a sample of the bytes; VSS_TIER=full: every one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/format/object_private.h"
#include "../support/crash_disk.h"
#include "../support/maker.h"
#include "../support/rowset.h"
#include "../support/specimen.h"
#include "../support/tier.h"

typedef struct outcome {
    vss_status status;
    vss_salvage_report report;
    rowset rows;
    char lines[1024];
    vss_error err;
} outcome;

static int note(void *state, const char *object, const char *line)
{
    outcome *o = state;
    const size_t at = strlen(o->lines);
    (void)snprintf(o->lines + at, sizeof o->lines - at, "%s: %s\n", object, line);
    return 0;
}

static uint64_t files_hash(const archive *a)
{
    uint64_t hash = 7;
    for (size_t i = 0; i < a->n_files; i++)
        if (!a->files[i].removed)
            hash ^= vssi_hash(a->files[i].data, a->files[i].size, i) + vssi_hash(a->files[i].name,
                                                                              strlen(a->files[i].name), i);
    return hash;
}

static vss_db *open_archive(archive *a, vss_open_mode mode)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    archive_storage(a, true, &storage);
    options.storage = &storage;
    options.mode = mode;
    MUST(vss_db_open("archive", &options, &db, &err));
    return db;
}

/* Salvage a collection and read what came out of it. */
static void salvage(archive *a, const char *name, outcome *o)
{
    vss_db *from = open_archive(a, VSS_OPEN_READ_ONLY), *to;
    vss_collection *col;
    vss_error err;
    const uint64_t before = files_hash(a);
    *o = (outcome){.report = VSS_INIT(vss_salvage_report)};
    MUST(vss_db_open("mem:", NULL, &to, &err));
    o->status = vss_collection_salvage(from, name, to, "new", note, o, NULL, NULL, &o->report, &o->err);
    if (o->status == VSS_OK) {
        MUST(vss_collection_open(to, "new", &col, &err));
        MUST(rowset_read(col, NULL, &o->rows, &err));
        assert_int_equal(o->rows.n, o->report.rows);
        MUST(vss_collection_check(to, "new", NULL, NULL, NULL, NULL, NULL, &err));
    }
    MUST(vss_db_close(to, &err));
    MUST(vss_db_close(from, &err));
    assert_true(files_hash(a) == before);
}

static void read_all(archive *a, const char *name, rowset *rows)
{
    vss_db *db = open_archive(a, VSS_OPEN_READ_ONLY);
    vss_collection *col;
    vss_error err;
    MUST(vss_collection_open(db, name, &col, &err));
    MUST(rowset_read(col, NULL, rows, &err));
    MUST(vss_db_close(db, &err));
}

static void salvage__of_a_sound_collection_is_a_copy(void **state)
{
    (void)state;
    for (int kind = 0; kind < SPECIMEN_KINDS; kind++) {
        const char *name = specimen_name((specimen_kind)kind);
        archive files;
        rowset sound;
        outcome o;
        specimen_make((specimen_kind)kind, &files);
        read_all(&files, name, &sound);
        salvage(&files, name, &o);
        assert_int_equal(o.status, VSS_OK);
        assert_int_equal(o.report.errors + o.report.lost, 0);
        assert_true(o.rows.n > 0 && rowset_equal(&o.rows, &sound));
        rowset_free(&o.rows);
        rowset_free(&sound);
        archive_free(&files);
    }
}

/* ---- every byte ---- */

typedef struct flips {
    size_t n, whole, part, none;
} flips;

/* The rows of the segments whose deletes can't be read come back. */
static void flip(archive *files, size_t f, size_t at, const char *name, const rowset *sound, flips *count)
{
    outcome o;
    const bool deletes = strstr(files->files[f].name, "/d/") != NULL;
    files->files[f].data[at] ^= (uint8_t)(1u << at % 8);
    salvage(files, name, &o);
    files->files[f].data[at] ^= (uint8_t)(1u << at % 8);
    count->n++;
    if (o.status != VSS_OK) {
        assert_int_equal(o.status, VSS_ERR_CORRUPT);
        assert_non_null(strstr(files->files[f].name, "/m/"));
        count->none++;
        return;
    }
    if (deletes ? !rowset_within(sound, &o.rows) : !rowset_within(&o.rows, sound))
        fail_msg("%s, byte %zu flipped: other rows: %s", files->files[f].name, at, o.lines);
    if (o.rows.n + o.report.lost < sound->n || (o.rows.n < sound->n && o.report.errors == 0))
        fail_msg("%s, byte %zu flipped: %zu of %zu rows, %llu said to be lost: %s", files->files[f].name, at, o.rows.n,
                 sound->n, (unsigned long long)o.report.lost, o.lines);
    count->whole += o.rows.n >= sound->n;
    count->part += o.rows.n < sound->n;
    rowset_free(&o.rows);
}

static void salvage__after_any_flipped_byte(void **state)
{
    const specimen_kind kinds[] = {SPECIMEN_NUMBERS, SPECIMEN_TEXTS, SPECIMEN_TINY};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *name = specimen_name(kinds[k]);
        archive files;
        rowset sound;
        flips count = {0};
        specimen_make(kinds[k], &files);
        read_all(&files, name, &sound);
        for (size_t f = 0; f < files.n_files; f++)
            for (size_t at = 0; at < files.files[f].size; at += tier_full() ? 1 : 1 + files.files[f].size / 60)
                flip(&files, f, at, name, &sound, &count);
        print_message("%s: %zu bytes flipped: all rows %zu times, some rows %zu, none %zu\n", name, count.n,
                      count.whole, count.part, count.none);
        assert_true(count.whole > 20 && count.part > 20 && count.none > 5);
        rowset_free(&sound);
        archive_free(&files);
    }
}

/* ---- exactly what is damaged ---- */

enum { DIM = 64, ROWS = 9000 };

/* One segment of 9,000 rows: three parts a column, nine chunks of 1,024 vectors. */
static void make_long(archive *files)
{
    float *vectors = malloc(ROWS * DIM * sizeof *vectors);
    maker_random r = {4};
    vss_error err;
    *files = (archive){0};
    vss_db *db = open_archive(files, VSS_OPEN_CREATE);
    maker_vectors(&r, vectors, ROWS, DIM, false);
    maker_insert(maker_create(db, DIM, VSS_METRIC_COSINE), vectors, ROWS, DIM, 0, 1);
    MUST(vss_db_close(db, &err));
    free(vectors);
}

static archive_file *find_in(const archive *files, const char *folder)
{
    for (size_t i = 0; i < files->n_files; i++)
        if (!files->files[i].removed && strstr(files->files[i].name, folder) != NULL)
            return &files->files[i];
    fail_msg("no file in %s", folder);
    return NULL;
}

/* The place of the nth block of a kind; of kind 0 the directory. */
static size_t block_at(const archive_file *file, uint32_t kind, size_t nth)
{
    const uint8_t *trailer = file->data + file->size - VSSI_OBJECT_TRAILER;
    const size_t directory = (size_t)vssi_load64(trailer + 40), n = vssi_load32(trailer + 48);
    for (size_t i = 0; i < n && kind != 0; i++) {
        const uint8_t *entry = file->data + directory + i * VSSI_OBJECT_ENTRY;
        if (vssi_load32(entry) == kind && nth-- == 0)
            return (size_t)vssi_load64(entry + 16);
    }
    assert_int_equal(kind, 0);
    return directory;
}

typedef struct damage {
    const char *what;
    uint32_t kind; /* of the block */
    size_t nth, offset;
    size_t first, end; /* rows lost */
    size_t lines;
} damage;

static void salvage__loses_only_what_is_damaged(void **state)
{
    static const damage damages[] = {
        {"a chunk", VSSI_BLOCK_VECTORS, 0, 3 * VSSI_CHUNK_SIZE + 17, 3072, 4096, 1},
        {"the last chunk", VSSI_BLOCK_VECTORS, 0, 8 * VSSI_CHUNK_SIZE + 900, 8192, 9000, 1},
        {"the chunks' hashes", VSSI_BLOCK_CHUNK_HASHES, 0, 8, 0, 9000, 9},
        {"the first part of a column", VSSI_BLOCK_COLUMN, 0, 40, 0, 4096, 1},
        {"the index of a column", VSSI_BLOCK_COLUMN_INDEX, 1, 60, 0, 9000, 3},
        {"the keys", VSSI_BLOCK_KEYS, 0, 100, 0, 9000, 1},
        {"the key table", VSSI_BLOCK_KEY_TABLE, 0, 1000, 0, 0, 0},
        {"the norms", VSSI_BLOCK_NORMS, 0, 5, 0, 0, 0},
        {"the statistics", VSSI_BLOCK_STATS, 0, 3, 0, 0, 0},
        {"the header", VSSI_BLOCK_HEADER, 0, 9, 0, 0, 0},
        {"the directory", 0, 0, 20, 0, 9000, 1},
    };
    archive files;
    rowset sound;
    (void)state;
    make_long(&files);
    read_all(&files, "c", &sound);
    archive_file *segment = find_in(&files, "/s/");
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *d = &damages[i];
        const size_t at = block_at(segment, d->kind, d->nth) + d->offset;
        outcome o;
        segment->data[at] ^= 4;
        salvage(&files, "c", &o);
        segment->data[at] ^= 4;
        assert_int_equal(o.status, VSS_OK);
        if (o.rows.n != ROWS - (d->end - d->first) || !rowset_within(&o.rows, &sound) ||
            o.report.lost != d->end - d->first || o.report.errors != d->lines)
            fail_msg("%s: %zu rows, %llu lost, %llu lines: %s", d->what, o.rows.n, (unsigned long long)o.report.lost,
                     (unsigned long long)o.report.errors, o.lines);
        rowset_free(&o.rows);
    }
    rowset_free(&sound);
    archive_free(&files);
}

/* ---- deletes, manifests, logs ---- */

static int add_file(void *arg, const char *name)
{
    void *const *both = arg;
    const vss_storage *storage = both[0];
    uint64_t size;
    vss_error err;
    MUST(storage->size(storage->state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(storage->read(storage->state, name, 0, bytes, (size_t)size, &err));
    (void)archive_set(both[1], name, bytes, (size_t)size);
    free(bytes);
    return 0;
}

/* Upsert rows [first, first + n) of the one value. */
static void put(vss_collection *col, int64_t first, size_t n, float value)
{
    int64_t keys[200];
    float vectors[200 * 4];
    vss_error err;
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i;
        for (int j = 0; j < 4; j++)
            vectors[i * 4 + (size_t)j] = value + (float)j;
    }
    vss_column id = maker_keys(keys, n), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.dim = 4, v.length = n, v.data = vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    MUST(vss_collection_upsert(col, &batch, NULL, &err));
}

/* Two versions, deletes of a segment, and a log of four batches. states[i]: what there was after version 1, version 2
 * and each batch. */
static void make_changed(archive *files, rowset states[6])
{
    crash_disk disk;
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    crash_disk_init(&disk);
    crash_disk_storage(&disk, &storage);
    options.storage = &storage;
    MUST(vss_db_open("disk", &options, &db, &err));
    vss_collection *col = maker_create(db, 4, VSS_METRIC_L2);
    put(col, 0, 100, 1);
    MUST(vss_collection_flush(col, &err));
    MUST(rowset_read(col, NULL, &states[0], &err));
    put(col, 0, 50, 2);
    MUST(vss_collection_delete_where(col, "id >= 90", NULL, &err));
    MUST(vss_collection_flush(col, &err));
    MUST(rowset_read(col, NULL, &states[1], &err));
    for (int batch = 0; batch < 4; batch++) {
        if (batch == 2)
            MUST(vss_collection_delete_where(col, "id < 10", NULL, &err));
        else
            put(col, 40 + batch * 30, 40, (float)(10 + batch));
        MUST(rowset_read(col, NULL, &states[2 + batch], &err));
    }
    *files = (archive){0};
    void *both[] = {&storage, files};
    MUST(storage.list(storage.state, "", 0, add_file, both, &err));
    disk.dead = true;
    (void)vss_db_close(db, &err);
    crash_disk_free(&disk);
}

/* Rows, but for those in [90, 100) that come back. */
static void expect_state(const outcome *o, const rowset *state, const char *what)
{
    assert_int_equal(o->status, VSS_OK);
    if (!rowset_equal(&o->rows, state))
        fail_msg("%s: %zu rows, expected %zu: %s", what, o->rows.n, state->n, o->lines);
}

static void salvage__reads_the_log_up_to_the_damage(void **state)
{
    rowset states[6];
    archive files;
    outcome o;
    (void)state;
    make_changed(&files, states);
    salvage(&files, "c", &o);
    expect_state(&o, &states[5], "undamaged");
    assert_int_equal(o.report.batches, 4);
    rowset_free(&o.rows);
    archive_file *log = find_in(&files, "/w/");
    for (size_t frame = 0, at = 64; frame < 4; frame++) {
        log->data[at + 70] ^= 1;
        salvage(&files, "c", &o);
        log->data[at + 70] ^= 1;
        expect_state(&o, &states[1 + frame], "a damaged frame");
        assert_int_equal(o.report.batches, frame);
        assert_int_equal(o.report.errors, 1);
        assert_non_null(strstr(o.lines, log->name + 2));
        rowset_free(&o.rows);
        at += 64 + (size_t)(vssi_load64(log->data + at + 16) + 63) / 64 * 64;
    }
    log->data[20] ^= 1; /* its header */
    salvage(&files, "c", &o);
    expect_state(&o, &states[1], "a damaged header");
    rowset_free(&o.rows);
    for (size_t i = 0; i < 6; i++)
        rowset_free(&states[i]);
    archive_free(&files);
}

static void salvage__uses_an_older_manifest(void **state)
{
    rowset states[6];
    archive files;
    outcome o;
    (void)state;
    make_changed(&files, states);
    archive_file *newest = archive_find(&files, "c/m/00000000000000000003");
    newest->data[80] ^= 1;
    salvage(&files, "c", &o);
    assert_int_equal(o.status, VSS_OK);
    assert_int_equal(o.report.version, 2);
    assert_non_null(strstr(o.lines, "m/00000000000000000003"));
    assert_non_null(strstr(o.lines, "batches 2 to 3 are lost"));
    assert_int_equal(o.rows.n, 140); /* version 2, and on it what the log of version 3 does: 10 deleted, 50 new keys */
    rowset_free(&o.rows);
    for (size_t i = 0; i < files.n_files; i++)
        if (strstr(files.files[i].name, "/m/") != NULL)
            files.files[i].data[8] ^= 64;
    salvage(&files, "c", &o);
    assert_int_equal(o.status, VSS_ERR_CORRUPT);
    for (size_t i = 0; i < 6; i++)
        rowset_free(&states[i]);
    archive_free(&files);
}

static void salvage__replaced_rows_stay_replaced(void **state)
{
    rowset states[6];
    archive files;
    outcome o;
    (void)state;
    make_changed(&files, states);
    find_in(&files, "/w/")->removed = true;
    archive_file *deletes = find_in(&files, "/d/");
    deletes->data[70] ^= 1;
    salvage(&files, "c", &o);
    assert_int_equal(o.status, VSS_OK);
    assert_int_equal(o.rows.n, states[1].n + 10); /* those that were deleted and not replaced come back */
    assert_true(rowset_within(&states[1], &o.rows));
    assert_non_null(strstr(o.lines, "60 deleted rows"));
    assert_int_equal(o.report.errors, 1);
    rowset_free(&o.rows);
    find_in(&files, "/s/")->removed = true;
    salvage(&files, "c", &o);
    assert_int_equal(o.status, VSS_OK);
    assert_true(o.rows.n == 50 || o.rows.n == 100);
    rowset_free(&o.rows);
    for (size_t i = 0; i < 6; i++)
        rowset_free(&states[i]);
    archive_free(&files);
}

/* ---- refusals and failures ---- */

static int stop(void *state, const char *object, const char *line)
{
    (void)object;
    (void)line;
    ++*(int *)state;
    return 1;
}

static void salvage__leaves_nothing_when_it_fails(void **state)
{
    archive files;
    vss_error err;
    vss_db *to;
    vss_collection *col;
    int lines = 0;
    char **names;
    size_t count;
    (void)state;
    specimen_make(SPECIMEN_TINY, &files);
    const char *name = specimen_name(SPECIMEN_TINY);
    vss_db *from = open_archive(&files, VSS_OPEN_READ_ONLY);
    MUST(vss_db_open("mem:", NULL, &to, &err));
    assert_int_equal(vss_collection_salvage(NULL, name, to, "n", NULL, NULL, NULL, NULL, NULL, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_collection_salvage(from, name, NULL, "n", NULL, NULL, NULL, NULL, NULL, &err),
                     VSS_ERR_INVALID);
    assert_int_equal(vss_collection_salvage(from, "A", to, "n", NULL, NULL, NULL, NULL, NULL, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_collection_salvage(from, name, to, NULL, NULL, NULL, NULL, NULL, NULL, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_collection_salvage(from, "other", to, "n", NULL, NULL, NULL, NULL, NULL, &err),
                     VSS_ERR_NOT_FOUND);
    assert_int_equal(vss_collection_salvage(from, name, from, "n", NULL, NULL, NULL, NULL, NULL, &err),
                     VSS_ERR_READ_ONLY);
    find_in(&files, "/s/")->data[70] ^= 1;
    assert_int_equal(vss_collection_salvage(from, name, to, "n", stop, &lines, NULL, NULL, NULL, &err),
                     VSS_ERR_CANCELLED);
    assert_int_equal(lines, 1);
    MUST(vss_db_list(to, &names, &count, &err));
    assert_int_equal(count, 0);
    vss_names_free(names);
    MUST(vss_collection_salvage(from, name, to, "n", NULL, NULL, NULL, NULL, NULL, &err));
    assert_int_equal(vss_collection_salvage(from, name, to, "n", NULL, NULL, NULL, NULL, NULL, &err), VSS_ERR_EXISTS);
    MUST(vss_collection_salvage(to, "n", to, "n2", NULL, NULL, NULL, NULL, NULL, &err));
    MUST(vss_collection_open(to, "n2", &col, &err));
    MUST(vss_db_close(to, &err));
    MUST(vss_db_close(from, &err));
    archive_free(&files);
}

typedef struct failing {
    long blocks;
    uint64_t calls, target;
} failing;

static void *failing_alloc(void *state, size_t size, size_t align)
{
    failing *f = state;
    if (++f->calls == f->target)
        return NULL;
    void *block = aligned_alloc(align < 64 ? 64 : align, (size + 63) / 64 * 64 + 64);
    f->blocks += block != NULL;
    return block;
}

static void failing_free(void *state, void *block, size_t size, size_t align)
{
    failing *f = state;
    (void)size;
    (void)align;
    f->blocks -= block != NULL;
    free(block);
}

static void salvage__without_memory(void **state)
{
    rowset states[6];
    archive files;
    size_t points = 0;
    bool met = true;
    (void)state;
    make_changed(&files, states);
    find_in(&files, "/d/")->data[70] ^= 1;
    for (uint64_t n = 1; met; n += 1 + n / 64, points++) {
        failing f = {0};
        vss_allocator allocator = {sizeof allocator, &f, failing_alloc, failing_free};
        vss_db_options options = VSS_INIT(vss_db_options);
        vss_db *from = open_archive(&files, VSS_OPEN_READ_ONLY), *to;
        vss_error err;
        char **names;
        size_t count;
        options.allocator = &allocator;
        MUST(vss_db_open("mem:", &options, &to, &err));
        f.target = f.calls + n;
        const vss_status status =
            vss_collection_salvage(from, "c", to, "new", NULL, NULL, NULL, NULL, NULL, &err);
        met = f.calls >= f.target;
        f.target = 0;
        if (status != VSS_OK)
            assert_int_equal(status, VSS_ERR_NO_MEMORY);
        MUST(vss_db_list(to, &names, &count, &err));
        assert_int_equal(count, status == VSS_OK);
        vss_names_free(names);
        MUST(vss_db_close(to, &err));
        MUST(vss_db_close(from, &err));
        assert_int_equal(f.blocks, 0);
    }
    print_message("%zu allocations failed\n", points);
    assert_true(points > 50);
    for (size_t i = 0; i < 6; i++)
        rowset_free(&states[i]);
    archive_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(salvage__of_a_sound_collection_is_a_copy),
        cmocka_unit_test(salvage__after_any_flipped_byte),
        cmocka_unit_test(salvage__loses_only_what_is_damaged),
        cmocka_unit_test(salvage__reads_the_log_up_to_the_damage),
        cmocka_unit_test(salvage__uses_an_older_manifest),
        cmocka_unit_test(salvage__replaced_rows_stay_replaced),
        cmocka_unit_test(salvage__leaves_nothing_when_it_fails),
        cmocka_unit_test(salvage__without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
