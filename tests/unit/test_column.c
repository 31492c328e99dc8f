/*
 * test_column.c - columns grow, widen, keep nulls, survive failing allocations, and pack into parts and back
 */
#include "format_fixture.h"

#include "../../lib/format/column_part.h"

static vssi_heap heap;
static fixture_memory memory;

static int setup(void **state)
{
    (void)state;
    fixture_heap(&heap, &memory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(memory.held, 0);
    return 0;
}

static void test_widening(void **state)
{
    (void)state;
    const int8_t narrow[4] = {-128, -1, 0, 127};
    const float single[2] = {1.5f, -2.25f};
    const uint8_t valid = 0x0b;
    const vss_column ints = {.struct_size = sizeof ints, .type = VSS_TYPE_INT8, .length = 4, .data = narrow,
                             .validity = &valid};
    const vss_column floats = {.struct_size = sizeof floats, .type = VSS_TYPE_FLOAT32, .length = 2, .data = single};
    static const vss_type wide[] = {VSS_TYPE_INT8, VSS_TYPE_INT16, VSS_TYPE_INT32, VSS_TYPE_INT64};
    vssi_column *c;
    for (size_t t = 0; t < 4; t++) {
        assert_int_equal(vssi_column_create(&heap, wide[t], 0, 0, true, &c, NULL), VSS_OK);
        assert_int_equal(vssi_column_append(c, &ints, 0, 4, NULL), VSS_OK);
        assert_int_equal(vssi_column_int(&c->view, 0), -128);
        assert_int_equal(vssi_column_int(&c->view, 1), -1);
        assert_true(vssi_column_null(&c->view, 2));
        assert_int_equal(vssi_column_int(&c->view, 2), 0);
        assert_int_equal(vssi_column_int(&c->view, 3), 127);
        vssi_column_free(c);
    }
    assert_int_equal(vssi_column_create(&heap, VSS_TYPE_FLOAT64, 0, 0, false, &c, NULL), VSS_OK);
    assert_int_equal(vssi_column_append(c, &floats, 1, 1, NULL), VSS_OK);
    assert_true(vssi_column_float(&c->view, 0) == -2.25);
    vssi_column_free(c);
    assert_true(vssi_type_widens(VSS_TYPE_INT16, VSS_TYPE_INT64));
    assert_false(vssi_type_widens(VSS_TYPE_INT64, VSS_TYPE_INT32));
    assert_false(vssi_type_widens(VSS_TYPE_INT64, VSS_TYPE_TIMESTAMP));
    assert_false(vssi_type_widens(VSS_TYPE_INT32, VSS_TYPE_FLOAT64));
    assert_false(vssi_type_widens(VSS_TYPE_BOOL, VSS_TYPE_INT8));
}

static void test_text(void **state)
{
    (void)state;
    /* offsets that don't begin at 0, and a null with bytes behind it, as Arrow allows */
    const int64_t offsets[5] = {2, 5, 9, 9, 12};
    const uint8_t valid = 0x0d;
    const vss_column from = {.struct_size = sizeof from, .type = VSS_TYPE_STRING, .length = 4, .offsets = offsets,
                             .data = "xxabcNULLdef", .validity = &valid};
    vssi_column *c;
    assert_int_equal(vssi_column_create(&heap, VSS_TYPE_STRING, 0, 0, true, &c, NULL), VSS_OK);
    assert_int_equal(c->view.offsets[0], 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(vssi_column_append(c, &from, 0, 4, NULL), VSS_OK);
    assert_int_equal(c->view.length, 400);
    assert_int_equal(c->view.offsets[400], 600);
    assert_memory_equal((const char *)c->view.data + c->view.offsets[396], "abcdef", 6);
    assert_true(vssi_column_null(&c->view, 397));
    assert_false(vssi_column_null(&c->view, 398));
    vssi_column_truncate(c, 9);
    assert_int_equal(c->view.validity[1], 1);
    assert_int_equal(vssi_column_append_null(c, 2, NULL), VSS_OK);
    assert_int_equal(vssi_column_append_repeated(c, &from, 3, 3, NULL), VSS_OK);
    assert_int_equal(c->view.length, 14);
    assert_memory_equal((const char *)c->view.data + c->view.offsets[11], "defdefdef", 9);
    assert_int_equal(c->view.validity[1], 0x39);
    vssi_column_free(c);
}

static void test_slice(void **state)
{
    (void)state;
    vss_error err;
    vssi_schema *schema = fixture_schema(&heap, 0);
    vssi_column *columns[VSS_MAX_FIELDS], *copy;
    assert_int_equal(fixture_columns(&heap, schema, 0, 40, columns, &err), VSS_OK);
    for (size_t f = 0; f < schema->n_fields; f++) {
        const vssi_field *d = &schema->fields[f];
        const bool nullable = (d->flags & VSS_FIELD_NULLABLE) != 0;
        const vss_column slice = vssi_column_slice(&columns[f]->view, 16, 20);
        assert_int_equal(vssi_column_create(&heap, d->type, d->element, d->dim, nullable, &copy, NULL), VSS_OK);
        assert_int_equal(vssi_column_append(copy, &slice, 0, 20, NULL), VSS_OK);
        vssi_writer a = {.heap = &heap}, b = {.heap = &heap};
        assert_int_equal(vssi_column_part_pack(&slice, nullable, &a, NULL), VSS_OK);
        assert_int_equal(vssi_column_part_pack(&copy->view, nullable, &b, NULL), VSS_OK);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        vssi_free(&heap, a.data);
        vssi_free(&heap, b.data);
        vssi_column_free(copy);
        vssi_column_free(columns[f]);
    }
    vssi_schema_free(schema);
}

/* Every field's part packs, unpacks to the same, and no cut or flip of it does harm. */
static void test_parts(void **state)
{
    (void)state;
    vss_error err;
    vssi_schema *schema = fixture_schema(&heap, 0);
    vssi_column *columns[VSS_MAX_FIELDS], *back;
    assert_int_equal(fixture_columns(&heap, schema, 0, 21, columns, &err), VSS_OK);
    for (size_t f = 1; f < schema->n_fields; f++) {
        const vssi_field *d = &schema->fields[f];
        vssi_writer raw = {.heap = &heap}, again = {.heap = &heap};
        if (vssi_type_is_vector(d->type))
            continue;
        const bool nullable = (d->flags & VSS_FIELD_NULLABLE) != 0;
        assert_int_equal(vssi_column_part_pack(&columns[f]->view, nullable, &raw, NULL), VSS_OK);
        assert_int_equal(vssi_column_part_unpack(&heap, d, raw.data, raw.size, 21, &back, &err), VSS_OK);
        assert_int_equal(vssi_column_part_pack(&back->view, nullable, &again, NULL), VSS_OK);
        assert_int_equal(raw.size, again.size);
        assert_memory_equal(raw.data, again.data, raw.size);
        vssi_column_free(back);
        for (size_t cut = 0; cut < raw.size; cut++)
            assert_int_equal(vssi_column_part_unpack(&heap, d, raw.data, cut, 21, &back, &err), VSS_ERR_CORRUPT);
        for (size_t at = 0; at < raw.size; at++) {
            raw.data[at] ^= 0x81;
            if (vssi_column_part_unpack(&heap, d, raw.data, raw.size, 21, &back, &err) == VSS_OK)
                vssi_column_free(back);
            raw.data[at] ^= 0x81;
        }
        vssi_free(&heap, raw.data);
        vssi_free(&heap, again.data);
    }
    for (size_t f = 0; f < schema->n_fields; f++)
        vssi_column_free(columns[f]);
    vssi_schema_free(schema);
}

static void test_part_refused(void **state)
{
    (void)state;
    vss_error err;
    vssi_column *c;
    const vssi_field text = {.type = VSS_TYPE_STRING}, flag = {.type = VSS_TYPE_BOOL};
    _Alignas(8) uint8_t bytes[16] = {1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0};
    assert_int_equal(vssi_column_part_unpack(&heap, &text, bytes, 16, 1, &c, &err), VSS_ERR_CORRUPT); /* UTF-8 */
    bytes[8] = 'a';
    assert_int_equal(vssi_column_part_unpack(&heap, &text, bytes, 16, 1, &c, &err), VSS_OK);
    vssi_column_free(c);
    bytes[2] = 1; /* longer than there are bytes, and than a string may be */
    assert_int_equal(vssi_column_part_unpack(&heap, &text, bytes, 16, 1, &c, &err), VSS_ERR_CORRUPT);
    bytes[0] = 8; /* a bit past the last of 3 */
    assert_int_equal(vssi_column_part_unpack(&heap, &flag, bytes, 8, 3, &c, &err), VSS_ERR_CORRUPT);
}

/* A failed append leaves the column as it was. */
static void test_failing_memory(void **state)
{
    (void)state;
    vss_error err;
    vssi_schema *schema = fixture_schema(&heap, 1);
    for (size_t f = 0; f < schema->n_fields; f++) {
        const vssi_field *d = &schema->fields[f];
        vssi_column *c = NULL;
        for (size_t fail = 1;; fail++) {
            memory.calls = 0;
            memory.fail_at = fail;
            vss_status status = vssi_column_create(&heap, d->type, d->element, d->dim,
                                                   (d->flags & VSS_FIELD_NULLABLE) != 0, &c, &err);
            for (size_t r = 0; r < 20 && status == VSS_OK; r++) {
                const uint64_t before = c->view.length, inside = c->child != NULL ? c->child->view.length : 0;
                status = fixture_append(c, d, r, &err);
                if (status != VSS_OK) {
                    assert_int_equal(c->view.length, before);
                    assert_int_equal(c->child != NULL ? c->child->view.length : 0, inside);
                }
            }
            memory.fail_at = 0;
            vssi_column_free(c);
            if (status == VSS_OK)
                break;
            assert_int_equal(status, VSS_ERR_NO_MEMORY);
        }
    }
    vssi_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_widening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
