/*
 * fuzz_filter.c - any text as a filter: it compiles or is refused with a line, and evaluates without a fault
 *
 * libFuzzer entry. The schema is fixed, the columns hold a few rows with nulls, empty texts and empty arrays. For each
 * text that compiles, `text` and `not (text)` must never pass the same row.
 */
#include <stdlib.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/filter/filter.h"

enum { ROWS = 70, N_FIELDS = 8 };

static const struct {
    const char *name;
    vss_type type, element;
} fields[N_FIELDS] = {
    {"id", VSS_TYPE_INT64, 0},      {"b", VSS_TYPE_BOOL, 0},
    {"i", VSS_TYPE_INT8, 0},        {"f", VSS_TYPE_FLOAT32, 0},
    {"s", VSS_TYPE_STRING, 0},      {"t", VSS_TYPE_TIMESTAMP, 0},
    {"a", VSS_TYPE_ARRAY, VSS_TYPE_STRING}, {"v", VSS_TYPE_VECTOR_F32, 0},
};

static vssi_heap heap;
static vssi_schema *schema;
static vss_column columns[N_FIELDS], elements;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vss_column make_column(vss_type type, const void *data, const int64_t *offsets, const uint8_t *validity)
{
    vss_column c = VSS_INIT(vss_column);
    c.type = type;
    c.length = ROWS;
    c.data = data;
    c.offsets = offsets;
    c.validity = validity;
    return c;
}

static void make_columns(void)
{
    static const char bytes[] = "a\xc3\xa9" "bc%_\\xyz";
    static int64_t longs[ROWS], offsets[ROWS + 1];
    static int8_t shorts[ROWS];
    static float floats[ROWS];
    static uint8_t validity[ROWS / 8 + 1];
    for (size_t r = 0; r < ROWS; r++) {
        longs[r] = (int64_t)r - 10;
        shorts[r] = (int8_t)(r * 37);
        floats[r] = (float)r / 4;
        validity[r / 8] |= (uint8_t)((unsigned)(r % 5 != 0) << (r % 8));
        offsets[r + 1] = offsets[r] + (r % 8 == 0);
    }
    elements = make_column(VSS_TYPE_STRING, bytes, offsets, NULL);
    elements.length = (uint64_t)offsets[ROWS];
    columns[0] = make_column(VSS_TYPE_INT64, longs, NULL, NULL);
    columns[1] = make_column(VSS_TYPE_BOOL, longs, NULL, validity);
    columns[2] = make_column(VSS_TYPE_INT8, shorts, NULL, validity);
    columns[3] = make_column(VSS_TYPE_FLOAT32, floats, NULL, validity);
    columns[4] = make_column(VSS_TYPE_STRING, bytes, offsets, validity);
    columns[5] = make_column(VSS_TYPE_TIMESTAMP, longs, NULL, validity);
    columns[6] = make_column(VSS_TYPE_ARRAY, &elements, offsets, validity);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    vss_field open[N_FIELDS];
    const vss_field *pointers[N_FIELDS];
    vss_schema all = VSS_INIT(vss_schema);
    (void)argc, (void)argv;
    vssi_heap_init(&heap, NULL, 0);
    for (size_t f = 0; f < N_FIELDS; f++) {
        open[f] = VSS_INIT(vss_field);
        open[f].name = fields[f].name;
        open[f].type = fields[f].type;
        open[f].element = fields[f].element;
        open[f].dim = fields[f].type == VSS_TYPE_VECTOR_F32 ? 2 : 0;
        open[f].flags = f == 0 ? VSS_FIELD_PRIMARY : fields[f].type == VSS_TYPE_VECTOR_F32 ? 0 : VSS_FIELD_NULLABLE;
        pointers[f] = &open[f];
    }
    all.n_fields = N_FIELDS;
    all.fields = pointers;
    make_columns();
    return vssi_schema_create(&heap, &all, &schema, NULL);
}

static vss_status fuzz_column(void *state, size_t field, size_t part, vss_column *view, vss_error *err)
{
    (void)state, (void)part, (void)err;
    *view = columns[field];
    return VSS_OK;
}

static bool fuzz_rows(const char *text, uint64_t *bitmap)
{
    vssi_filter *filter;
    vss_error err = {0};
    size_t passing;
    vssi_filter_source source = {NULL, ROWS, fuzz_column};
    if (vssi_filter_compile(&heap, schema, text, &filter, &err) != VSS_OK) {
        if (err.message[0] == 0 || strchr(err.message, '\n') != NULL)
            abort();
        return false;
    }
    if (vssi_filter_rows(filter, &source, bitmap, &passing, &err) != VSS_OK ||
        passing != vssi_bitmap_count(bitmap, ROWS))
        abort();
    vssi_filter_free(filter);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t yes[2], no[2];
    char *text = malloc(size + 8);
    memcpy(text + 5, data, size);
    text[size + 5] = 0;
    if (memchr(data, 0, size) == NULL && fuzz_rows(text + 5, yes)) {
        memcpy(text, "not (", 5);
        memcpy(text + 5 + size, ")", 2);
        if (fuzz_rows(text, no) && ((yes[0] & no[0]) != 0 || (yes[1] & no[1]) != 0))
            abort();
    }
    free(text);
    return 0;
}
