/*
 * test_object.c - the container: blocks, chunks, directory; every flipped byte is found; a hostile directory is
 * harmless
 */
#include "format_fixture.h"

#define BIG (VSSI_CHUNK_SIZE + 1000u)
#define KIND_WHOLE 300u
#define KIND_CHUNKED 301u

static vssi_heap heap;
static fixture_memory memory;
static vss_storage storage;

static int setup(void **state)
{
    (void)state;
    fixture_heap(&heap, &memory);
    return vssi_storage_memory(&heap, &storage, NULL);
}

static int teardown(void **state)
{
    (void)state;
    storage.close(storage.state);
    assert_int_equal(memory.held, 0);
    return 0;
}

/* A block in two parts, an empty one, and a chunked one of `size` bytes. */
static vss_status write_object(const char *name, size_t size, vssi_object_ref *ref, vss_error *err)
{
    vssi_object_writer *w;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + i / 256);
    const vss_span whole[2] = {{"hello, ", 7}, {"world", 5}};
    const vss_span chunked[3] = {{data, 100}, {data + 100, 0}, {data + 100, size - 100}};
    *ref = (vssi_object_ref){0};
    vss_status status = vssi_object_writer_create(&heap, VSSI_OBJECT_INDEX, &w, err);
    if (status == VSS_OK)
        status = vssi_object_add(w, KIND_WHOLE, 7, 4, 3, whole, 2, NULL, err);
    if (status == VSS_OK)
        status = vssi_object_add(w, KIND_WHOLE + 5, 0, 8, 0, NULL, 0, NULL, err);
    if (status == VSS_OK)
        status = vssi_object_add_chunked(w, KIND_CHUNKED, 7, 1, size, chunked, 3, NULL, err);
    if (status == VSS_OK)
        status = vssi_object_put(w, &storage, "c/", name, ref, err);
    vssi_object_writer_free(w);
    free(data);
    return status;
}

static void test_round_trip(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_object *o;
    const void *data;
    assert_int_equal(write_object("i/one", BIG, &ref, &err), VSS_OK);
    assert_string_equal(ref.name, "i/one");
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &ref, &o, &err), VSS_OK);
    assert_int_equal(o->n_entries, 5);
    const size_t whole = vssi_object_find(o, KIND_WHOLE, 7), chunked = vssi_object_find(o, KIND_CHUNKED, 7);
    assert_int_equal(vssi_object_find(o, KIND_WHOLE, 8), SIZE_MAX);
    assert_int_equal(vssi_object_block(o, whole, &data, &err), VSS_OK);
    assert_memory_equal(data, "hello, world\0\0\0\0", 16);
    assert_int_equal(vssi_object_verify(o, chunked, BIG - 1, 1, &err), VSS_OK);
    assert_int_equal(vssi_object_verify(o, chunked, 0, BIG, &err), VSS_OK);
    assert_int_equal(vssi_object_verify(o, chunked, BIG, 0, &err), VSS_OK);
    assert_int_equal(((const uint8_t *)vssi_object_raw(o, chunked))[700], (uint8_t)(700 * 31 + 2));
    assert_int_equal(vssi_object_check(o, NULL, NULL), 0);
    for (size_t i = 0; i < o->n_entries; i++)
        assert_int_equal(o->entries[i].offset % 64, 0);
    vssi_object_close(o);
    /* the same blocks give the same bytes; a name is given once */
    vssi_object_ref second;
    assert_int_equal(write_object("i/two", BIG, &second, &err), VSS_OK);
    assert_int_equal(second.tail_hash, ref.tail_hash);
    vssi_free(&heap, second.name);
    assert_int_equal(write_object("i/one", BIG, &second, &err), VSS_ERR_EXISTS);
    assert_null(second.name);
    vssi_free(&heap, ref.name);
}

static int count_fault(void *state, const char *object, const char *line)
{
    assert_true(strlen(object) > 0 && strlen(line) > 0);
    ++*(size_t *)state;
    return 1;
}

/* In which of two chunks a byte is damaged shows, and only there. */
static void test_chunks(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_object *o;
    size_t size, faults = 0;
    assert_int_equal(write_object("i/one", BIG, &ref, &err), VSS_OK);
    uint8_t *data = fixture_load(&storage, "c/i/one", &size);
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &ref, &o, &err), VSS_OK);
    const size_t at = (size_t)o->entries[vssi_object_find(o, KIND_CHUNKED, 7)].offset + VSSI_CHUNK_SIZE + 3;
    vssi_object_close(o);
    data[at] ^= 1;
    fixture_store(&storage, "c/i/one", data, size);
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &ref, &o, &err), VSS_OK);
    const size_t chunked = vssi_object_find(o, KIND_CHUNKED, 7);
    const void *block;
    assert_int_equal(vssi_object_verify(o, chunked, 0, VSSI_CHUNK_SIZE, &err), VSS_OK);
    assert_int_equal(vssi_object_verify(o, chunked, VSSI_CHUNK_SIZE - 1, 2, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "chunk 1"));
    assert_int_equal(vssi_object_block(o, chunked, &block, &err), VSS_ERR_CORRUPT);
    assert_int_equal(vssi_object_check(o, count_fault, &faults), 1);
    assert_int_equal(faults, 1);
    vssi_object_close(o);
    free(data);
    vssi_free(&heap, ref.name);
}

static void test_every_flip(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    size_t size;
    assert_int_equal(write_object("i/one", 200, &ref, &err), VSS_OK);
    uint8_t *data = fixture_load(&storage, "c/i/one", &size);
    assert_int_equal(size, ref.size);
    for (size_t at = 0; at < size; at++) {
        vssi_object *o;
        data[at] ^= (uint8_t)(1u << (at % 8));
        fixture_store(&storage, "c/i/one", data, size);
        const vss_status status = vssi_object_open(&heap, &storage, "c/", &ref, &o, &err);
        if (status == VSS_OK) {
            if (vssi_object_check(o, NULL, NULL) == 0)
                fail_msg("byte %zu flipped: nothing found", at);
            vssi_object_close(o);
        } else {
            assert_int_equal(status, VSS_ERR_CORRUPT);
        }
        assert_true(status == VSS_ERR_CORRUPT || at < size - ref.tail_size);
        data[at] ^= (uint8_t)(1u << (at % 8));
    }
    free(data);
    vssi_free(&heap, ref.name);
}

/* Flips in directory and trailer with all hashes made to fit: refused or harmless. */
static void test_hostile_tail(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    size_t size, refused = 0;
    assert_int_equal(write_object("i/one", 200, &ref, &err), VSS_OK);
    uint8_t *data = fixture_load(&storage, "c/i/one", &size);
    for (size_t at = size - ref.tail_size; at < size; at++)
        for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
            vssi_object *o;
            uint8_t *copy = malloc(size);
            assert_non_null(copy);
            memcpy(copy, data, size);
            copy[at] ^= (uint8_t)flip;
            fixture_mend(copy, &ref);
            fixture_store(&storage, "c/i/one", copy, size);
            const vss_status status = vssi_object_open(&heap, &storage, "c/", &ref, &o, &err);
            refused += status != VSS_OK;
            for (size_t i = 0; status == VSS_OK && i < o->n_entries; i++) {
                const void *block;
                if (o->entries[i].kind != VSSI_BLOCK_COLUMN)
                    (void)vssi_object_block(o, i, &block, &err);
            }
            if (status == VSS_OK)
                (void)vssi_object_check(o, NULL, NULL);
            vssi_object_close(o);
            free(copy);
        }
    assert_true(refused > 500);
    free(data);
    vssi_free(&heap, ref.name);
}

static void test_wrong_reference(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref, wrong;
    vssi_object *o;
    assert_int_equal(write_object("i/one", 200, &ref, &err), VSS_OK);
    wrong = ref;
    wrong.kind = VSSI_OBJECT_SEGMENT;
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &wrong, &o, &err), VSS_ERR_CORRUPT);
    wrong = ref;
    wrong.size -= 64;
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &wrong, &o, &err), VSS_ERR_CORRUPT);
    wrong = ref;
    wrong.tail_size = UINT32_MAX;
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &wrong, &o, &err), VSS_ERR_CORRUPT);
    wrong.tail_size = 0;
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &wrong, &o, &err), VSS_ERR_CORRUPT);
    wrong = ref;
    wrong.name = (char *)(uintptr_t)"i/gone";
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &wrong, &o, &err), VSS_ERR_NOT_FOUND);
    vssi_free(&heap, ref.name);
}

static void test_failing_memory(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_object *o = NULL;
    size_t failures = 0;
    for (size_t fail = 1;; fail++) {
        const long held = memory.held;
        memory.calls = 0;
        memory.fail_at = fail;
        vss_status status = write_object("i/one", BIG, &ref, &err);
        if (status == VSS_OK) {
            status = vssi_object_open(&heap, &storage, "c/", &ref, &o, &err);
            if (status == VSS_OK)
                status = vssi_object_verify(o, vssi_object_find(o, KIND_CHUNKED, 7), 0, BIG, &err);
            vssi_object_close(o);
            vssi_free(&heap, ref.name);
            o = NULL;
        }
        memory.fail_at = 0;
        (void)storage.remove(storage.state, "c/i/one", &err);
        assert_true(memory.held <= held + 1); /* the storage may keep its table */
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
