/*
 * test_deletes.c - deleted rows as an object
 */
#include "format_fixture.h"

#include "../../lib/format/deletes.h"

#define ROWS 130u

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

static const uint64_t bits[3] = {0x8000000000000001u, 0, 2}; /* rows 0, 63, 129 */

static void test_round_trip(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    uint64_t *map;
    assert_int_equal(vssi_deletes_write(&heap, &storage, "c/", "d/one", bits, ROWS, &ref, &err), VSS_OK);
    assert_int_equal(ref.kind, VSSI_OBJECT_DELETES);
    assert_int_equal(vssi_deletes_read(&heap, &storage, "c/", &ref, ROWS, 3, &map, &err), VSS_OK);
    assert_memory_equal(map, bits, sizeof bits);
    vssi_free(&heap, map);
    assert_int_equal(vssi_deletes_read(&heap, &storage, "c/", &ref, ROWS + 1, 3, &map, &err), VSS_ERR_CORRUPT);
    assert_null(map);
    assert_int_equal(vssi_deletes_read(&heap, &storage, "c/", &ref, ROWS, 2, &map, &err), VSS_ERR_CORRUPT);
    assert_null(map);
    vssi_free(&heap, ref.name);
}

static void test_past_the_end(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    uint64_t *map;
    const uint64_t over[3] = {1, 0, 4}; /* row 130 of 130 */
    assert_int_equal(vssi_deletes_write(&heap, &storage, "c/", "d/one", over, ROWS, &ref, &err), VSS_OK);
    assert_int_equal(vssi_deletes_read(&heap, &storage, "c/", &ref, ROWS, 1, &map, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "past"));
    vssi_free(&heap, ref.name);
}

/* Every flip is found, by reading or by the check; with mended hashes none does harm. */
static void test_flips(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    size_t size;
    assert_int_equal(vssi_deletes_write(&heap, &storage, "c/", "d/one", bits, ROWS, &ref, &err), VSS_OK);
    uint8_t *data = fixture_load(&storage, "c/d/one", &size);
    for (size_t at = 0; at < 2 * size; at++) {
        vssi_object *o;
        uint64_t *map;
        vssi_object_ref flipped = ref;
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, data, size);
        copy[at % size] ^= (uint8_t)(1u << (at % 8));
        if (at >= size)
            fixture_mend(copy, &flipped);
        fixture_store(&storage, "c/d/one", copy, size);
        vss_status status = vssi_object_open(&heap, &storage, "c/", &flipped, &o, &err);
        if (status == VSS_OK && at < size)
            assert_true(vssi_object_check(o, NULL, NULL) > 0);
        vssi_object_close(o);
        if (vssi_deletes_read(&heap, &storage, "c/", &flipped, ROWS, 3, &map, &err) == VSS_OK)
            assert_int_equal(vssi_bitmap_count(map, ROWS), 3);
        vssi_free(&heap, map);
        free(copy);
    }
    free(data);
    vssi_free(&heap, ref.name);
}

static void test_failing_memory(void **state)
{
    (void)state;
    vss_error err = {0};
    for (size_t fail = 1;; fail++) {
        vssi_object_ref ref;
        uint64_t *map = NULL;
        memory.calls = 0;
        memory.fail_at = fail;
        vss_status status = vssi_deletes_write(&heap, &storage, "c/", "d/one", bits, ROWS, &ref, &err);
        if (status == VSS_OK)
            status = vssi_deletes_read(&heap, &storage, "c/", &ref, ROWS, 3, &map, &err);
        memory.fail_at = 0;
        vssi_free(&heap, map);
        vssi_free(&heap, ref.name);
        (void)storage.remove(storage.state, "c/d/one", &err);
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_past_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
