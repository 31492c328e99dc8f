/*
 * test_inspect.c - what inspect tells of sound files, of files with a flipped byte, and of files that may be anything
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "../../lib/format/manifest.h"
#include "../support/crash_disk.h"
#include "../support/damage.h"
#include "../support/maker.h"
#include "../support/mend.h"
#include "../support/specimen.h"

typedef struct told {
    size_t values, blocks, damaged;
    char kind[32];
    uint64_t rows, deleted, batches;
} told;

static int look(void *state, const vss_inspect_value *value)
{
    told *t = state;
    t->values++;
    assert_non_null(value->group);
    assert_true(value->name[0] != '\0' && strchr(value->text, '\n') == NULL);
    if (value->is_number)
        assert_int_equal(strspn(value->text, "0123456789"), strlen(value->text));
    if (strcmp(value->group, "file") == 0) {
        if (strcmp(value->name, "kind") == 0)
            (void)snprintf(t->kind, sizeof t->kind, "%s", value->text);
        if (strcmp(value->name, "rows") == 0)
            t->rows = strtoull(value->text, NULL, 10);
        if (strcmp(value->name, "deleted") == 0)
            t->deleted = strtoull(value->text, NULL, 10);
    }
    if (strcmp(value->group, "batch") == 0 && strcmp(value->name, "sequence") == 0)
        t->batches++;
    if (strcmp(value->group, "block") == 0 && strcmp(value->name, "hash") == 0) {
        t->blocks++;
        t->damaged += strcmp(value->text, "damaged") == 0;
    }
    return 0;
}

static vss_status inspect(const archive_file *file, told *t, vss_error *err)
{
    *t = (told){0};
    *err = (vss_error){.status = VSS_OK};
    const vss_status status = vss_file_inspect(file->name, file->data, file->size, look, t, err);
    if (status != VSS_OK)
        assert_true(err->message[0] != '\0' && strchr(err->message, '\n') == NULL);
    return status;
}

static const char *expected_kind(const char *name)
{
    return strstr(name, "/m/") != NULL   ? "manifest"
           : strstr(name, "/s/") != NULL ? "segment"
           : strstr(name, ".mdl") != NULL ? "model"
           : strstr(name, "/i/") != NULL ? "index"
           : strstr(name, "/d/") != NULL ? "deletes"
                                         : "log";
}

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

/* Three batches in a log. */
static void make_log(archive *files)
{
    static const float vectors[20 * 3] = {1, 2, 3};
    crash_disk disk;
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    crash_disk_init(&disk);
    crash_disk_storage(&disk, &storage);
    options.storage = &storage;
    MUST(vss_db_open("disk", &options, &db, &err));
    vss_collection *col = maker_create(db, 3, VSS_METRIC_L2);
    maker_insert(col, vectors, 20, 3, 0, 1);
    maker_insert(col, vectors, 1, 3, 20, 1);
    MUST(vss_collection_delete_where(col, "id < 3", NULL, &err));
    *files = (archive){0};
    void *both[] = {&storage, files};
    MUST(storage.list(storage.state, "c/w/", 0, add_file, both, &err));
    disk.dead = true;
    (void)vss_db_close(db, NULL);
    crash_disk_free(&disk);
}

static void inspect__tells_sound_files(void **state)
{
    size_t seen = 0;
    (void)state;
    for (int kind = 0; kind <= SPECIMEN_KINDS; kind++) {
        archive files;
        if (kind < SPECIMEN_KINDS)
            specimen_make((specimen_kind)kind, &files);
        else
            make_log(&files);
        for (size_t i = 0; i < files.n_files; i++, seen++) {
            const archive_file *file = &files.files[i];
            told t;
            vss_error err;
            MUST(inspect(file, &t, &err));
            assert_string_equal(t.kind, expected_kind(file->name));
            assert_int_equal(t.damaged, 0);
            if (strstr(file->name, "/s/") != NULL || strstr(file->name, "/i/") != NULL)
                assert_true((t.rows > 0) == (strstr(file->name, ".mdl") == NULL) && t.blocks > 2);
            if (strstr(file->name, "/d/") != NULL)
                assert_true(t.deleted > 0 && t.deleted <= t.rows);
            if (strstr(file->name, "/w/") != NULL)
                assert_int_equal(t.batches, 3);
            uint8_t *odd = malloc(file->size + 1); /* not aligned: the same */
            told again;
            memcpy(odd + 1, file->data, file->size);
            again = (told){0};
            MUST(vss_file_inspect("odd", odd + 1, file->size, look, &again, &err));
            assert_memory_equal(&t, &again, sizeof t);
            free(odd);
        }
        archive_free(&files);
    }
    assert_true(seen > 12);
}

/* A flipped byte is told, but in an object's tail, whose hash the manifest has: there the structure or that hash
 * tells. */
static void inspect__tells_flipped_bytes(void **state)
{
    size_t flips = 0, refused = 0, tails = 0;
    (void)state;
    for (int kind = 0; kind <= SPECIMEN_KINDS; kind++) {
        archive files;
        if (kind < SPECIMEN_KINDS)
            specimen_make((specimen_kind)kind, &files);
        else
            make_log(&files);
        for (size_t i = 0; i < files.n_files; i++) {
            archive_file *file = &files.files[i];
            for (size_t at = 0; at < file->size; at += 1 + file->size / 150, flips++) {
                told t;
                vss_error err;
                file->data[at] ^= 16;
                const vss_status status = inspect(file, &t, &err);
                file->data[at] ^= 16;
                refused += status != VSS_OK;
                if (status == VSS_OK && strstr(file->name, "/w/") == NULL) {
                    tails++;
                    assert_true(at + 20000 > file->size && strstr(file->name, "/m/") == NULL);
                } else if (status == VSS_OK) {
                    assert_true(t.batches < 3);
                }
            }
        }
        archive_free(&files);
    }
    print_message("%zu bytes flipped, %zu refused, %zu in directories that stay sound\n", flips, refused, tails);
    assert_true(flips > 1000 && refused * 10 > flips * 8);
}

static void inspect__survives_anything(void **state)
{
    uint64_t random = 11;
    size_t sound = 0, refused = 0;
    (void)state;
    for (int kind = 0; kind <= SPECIMEN_KINDS; kind++) {
        archive files;
        if (kind < SPECIMEN_KINDS)
            specimen_make((specimen_kind)kind, &files);
        else
            make_log(&files);
        for (int round = 0; round < 600; round++) {
            archive changed;
            archive_copy(&files, &changed);
            for (uint64_t n = vssi_random_next(&random) % 3 + 1; n > 0; n--)
                damage_random(&changed, &random);
            if (round % 2 == 0)
                mend_archive(&changed, true);
            for (size_t i = 0; i < changed.n_files; i++) {
                told t;
                vss_error err;
                const vss_status status = inspect(&changed.files[i], &t, &err);
                sound += status == VSS_OK;
                refused += status != VSS_OK;
                if (status != VSS_OK)
                    assert_true(status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT);
            }
            archive_free(&changed);
        }
        archive_free(&files);
    }
    print_message("%zu damaged files told, %zu refused\n", sound, refused);
    assert_true(sound > 500 && refused > 200);
}

static int once(void *state, const vss_inspect_value *value)
{
    (void)value;
    ++*(int *)state;
    return 1;
}

static void inspect__refuses_and_ends(void **state)
{
    archive files;
    vss_error err;
    told t;
    int calls = 0;
    (void)state;
    specimen_make(SPECIMEN_TINY, &files);
    const archive_file *file = &files.files[0];
    assert_int_equal(vss_file_inspect(NULL, file->data, file->size, look, &t, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_file_inspect("x", NULL, 5, look, &t, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_file_inspect("x", file->data, file->size, NULL, &t, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_file_inspect("x", NULL, 0, look, &t, &err), VSS_ERR_CORRUPT);
    for (size_t i = 0; i < files.n_files; i++) {
        calls = 0;
        MUST(vss_file_inspect("x", files.files[i].data, files.files[i].size, once, &calls, &err));
        assert_int_equal(calls, 1);
        for (size_t size = 0; size < files.files[i].size; size += 1 + size / 40)
            assert_int_equal(vss_file_inspect("x", files.files[i].data, size, look, &t, &err), VSS_ERR_CORRUPT);
    }
    archive_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect__tells_sound_files),
        cmocka_unit_test(inspect__tells_flipped_bytes),
        cmocka_unit_test(inspect__survives_anything),
        cmocka_unit_test(inspect__refuses_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
