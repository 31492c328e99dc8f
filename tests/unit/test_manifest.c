/*
 * test_manifest.c - manifests: commit, find, read, copy; every flip and every lie is refused
 */
#include "format_fixture.h"

#include "../../lib/format/manifest.h"

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

#define TEXT(text) ((char *)(uintptr_t)(text))

/* A manifest whose parts are borrowed from the test; never freed. */
typedef struct sample {
    vssi_manifest m;
    vssi_manifest_segment segments[2];
    vssi_manifest_index index;
    vssi_manifest_definition definition;
    vssi_manifest_pair pair;
} sample;

static void sample_fill(sample *s, vssi_schema *schema)
{
    *s = (sample){0};
    s->segments[0] = (vssi_manifest_segment){
        .rows = 100, .deleted = 3, .object = {VSSI_OBJECT_SEGMENT, TEXT("s/a1"), 4096, 640, 0x1234},
        .deletes = {VSSI_OBJECT_DELETES, TEXT("d/b2"), 512, 208, 0x5678}, .n_indexes = 1, .indexes = &s->index};
    s->segments[1] = (vssi_manifest_segment){
        .rows = 5, .object = {VSSI_OBJECT_SEGMENT, TEXT("s/c3"), 4096, 640, 0x9abc}};
    s->index = (vssi_manifest_index){2, {VSSI_OBJECT_INDEX, TEXT("i/e.5"), 8192, 304, UINT64_MAX}};
    s->definition = (vssi_manifest_definition){2, TEXT("hnsw"), TEXT("m=32"),
                                               {VSSI_OBJECT_MODEL, TEXT("i/f.6"), 1024, 208, 0xdef0}};
    s->pair = (vssi_manifest_pair){TEXT("owner"), TEXT("")};
    s->m = (vssi_manifest){.heap = &heap, .version = 7, .sequence = 99, .next_auto_key = 42, .next_field_id = 17,
                           .log_first = 5,
                           .schema = schema, .n_segments = 2, .segments = s->segments, .n_definitions = 1,
                           .definitions = &s->definition, .n_pairs = 1, .pairs = &s->pair};
}

static void assert_sample(const vssi_manifest *m)
{
    assert_int_equal(m->version, 7);
    assert_int_equal(m->sequence, 99);
    assert_int_equal(m->next_auto_key, 42);
    assert_int_equal(m->log_first, 5);
    assert_int_equal(m->next_field_id, 17);
    assert_int_equal(m->n_segments, 2);
    assert_int_equal(m->segments[0].deleted, 3);
    assert_string_equal(m->segments[0].object.name, "s/a1");
    assert_string_equal(m->segments[0].deletes.name, "d/b2");
    assert_int_equal(m->segments[0].n_indexes, 1);
    assert_int_equal(m->segments[0].indexes[0].field, 2);
    assert_true(m->segments[0].indexes[0].object.tail_hash == UINT64_MAX);
    assert_null(m->segments[1].deletes.name);
    assert_string_equal(m->definitions[0].params, "m=32");
    assert_string_equal(m->definitions[0].model.name, "i/f.6");
    assert_int_equal(m->definitions[0].model.tail_hash, 0xdef0);
    assert_int_equal(m->refuse_mask, 0);
    assert_string_equal(m->pairs[0].key, "owner");
    assert_false(m->dropped || m->read_only);
}

static void test_round_trip(void **state)
{
    (void)state;
    vss_error err = {0};
    sample s;
    vssi_manifest *m, *copy;
    uint64_t version, size = 0;
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample_fill(&s, schema);
    assert_int_equal(vssi_manifest_newest(&storage, "c/", &version, &err), VSS_OK);
    assert_int_equal(version, 0);
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_OK);
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_ERR_EXISTS);
    assert_int_equal(vssi_manifest_newest(&storage, "c/", &version, &err), VSS_OK);
    assert_int_equal(version, 7);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 7, &m, &size, &err), VSS_OK);
    assert_true(size > 200);
    assert_sample(m);
    assert_true(m->owns_schema);
    assert_string_equal(m->schema->json, schema->json);
    assert_int_equal(vssi_manifest_clone(m, &copy, &err), VSS_OK);
    assert_sample(copy);
    assert_ptr_equal(copy->schema, m->schema);
    vssi_manifest_free(copy);
    vssi_manifest_free(m);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 8, &m, NULL, &err), VSS_ERR_NOT_FOUND);
    vssi_schema_free(schema);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const others[] = {"c/m/9", "c/m/00000000000000000099x", "c/m/000000000000000000099",
                                         "c/m/99999999999999999999", "c/m/0000000000000000009a",
                                         "c/x/00000000000000000099"};
    vss_error err = {0};
    char name[32];
    uint64_t version;
    sample s;
    vssi_manifest *m;
    vssi_schema *schema = fixture_schema(&heap, 0);
    vssi_manifest_name(42, name);
    assert_string_equal(name, "m/00000000000000000042");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        fixture_store(&storage, others[i], (const uint8_t *)"x", 1);
    sample_fill(&s, schema);
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_OK);
    s.m.version = 12;
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_OK);
    assert_int_equal(vssi_manifest_newest(&storage, "c/", &version, &err), VSS_OK);
    assert_int_equal(version, 12);
    /* a manifest under another's name */
    size_t size;
    uint8_t *data = fixture_load(&storage, "c/m/00000000000000000007", &size);
    fixture_store(&storage, "c/m/00000000000000000013", data, size);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 13, &m, NULL, &err), VSS_ERR_CORRUPT);
    assert_null(m);
    free(data);
    vssi_schema_free(schema);
}

static void test_dropped_and_masks(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_manifest *m, dropped = {.heap = &heap, .version = 3, .dropped = true, .log_first = 1};
    sample s;
    vssi_schema *schema = fixture_schema(&heap, 0);
    assert_int_equal(vssi_manifest_commit(&dropped, &storage, "c/", &err), VSS_OK);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 3, &m, NULL, &err), VSS_OK);
    assert_true(m->dropped);
    assert_null(m->schema);
    vssi_manifest_free(m);
    sample_fill(&s, schema);
    s.m.read_only_mask = 4;
    s.m.ignore_mask = 8;
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_OK);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 7, &m, NULL, &err), VSS_OK);
    assert_true(m->read_only);
    vssi_manifest_free(m);
    s.m.version = 8;
    s.m.refuse_mask = 2;
    assert_int_equal(vssi_manifest_commit(&s.m, &storage, "c/", &err), VSS_OK);
    assert_int_equal(vssi_manifest_read(&heap, &storage, "c/", 8, &m, NULL, &err), VSS_ERR_NEWER_FORMAT);
    vssi_schema_free(schema);
}

/* Encode, and decode what came out. */
static vss_status again(const vssi_manifest *m, vss_error *err)
{
    uint8_t *data;
    size_t size;
    vssi_manifest *back;
    assert_int_equal(vssi_manifest_encode(m, &heap, &data, &size, err), VSS_OK);
    const vss_status status = vssi_manifest_decode(&heap, "test", data, size, &back, err);
    vssi_manifest_free(back);
    vssi_free(&heap, data);
    return status;
}

static void test_lies(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample s;
#define LIE(change)                                             \
    do {                                                        \
        sample_fill(&s, schema);                                \
        assert_int_equal(again(&s.m, &err), VSS_OK);            \
        change;                                                 \
        assert_int_equal(again(&s.m, &err), VSS_ERR_CORRUPT);   \
    } while (0)
    LIE(s.m.version = 0);
    LIE(s.m.log_first = 0);
    LIE(s.m.next_auto_key = -1);
    LIE(s.m.next_field_id = 16);
    LIE(s.segments[0].rows = 0);
    LIE(s.segments[0].rows = 0xfffffff1u);
    LIE(s.segments[0].deleted = 101);
    LIE(s.segments[0].deleted = 0);
    LIE(s.segments[1].deleted = 1);
    LIE(s.segments[0].object.name = TEXT("../a"));
    LIE(s.segments[0].object.name = TEXT("s/A"));
    LIE(s.segments[0].object.name = TEXT(""));
    LIE(s.segments[0].object.kind = VSSI_OBJECT_INDEX);
    LIE(s.index.field = 1);
    LIE(s.index.field = 77);
    LIE(s.definition.field = 4);
    LIE(s.definition.type = TEXT(""));
    LIE(s.definition.model.kind = VSSI_OBJECT_INDEX);
    LIE(s.definition.model.name = TEXT("i/../f"));
    LIE((s.definition.model.name = NULL, s.m.refuse_mask = 1)); /* models, but none */
    LIE(s.pair.key = TEXT("\xff"));
    LIE(schema->fields[0].id = 2);
#undef LIE
    vssi_schema_free(schema);
}

/* A manifest without models is one that the first readers of the format take; with one they are told that it is
 * newer. */
static void test_models_are_told(void **state)
{
    (void)state;
    vss_error err = {0};
    sample s;
    uint8_t *with, *without;
    size_t size, smaller;
    vssi_manifest *m;
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample_fill(&s, schema);
    assert_int_equal(vssi_manifest_encode(&s.m, &heap, &with, &size, &err), VSS_OK);
    assert_int_equal(vssi_load64(with + 16), 1);
    s.definition.model.name = NULL;
    assert_int_equal(vssi_manifest_encode(&s.m, &heap, &without, &smaller, &err), VSS_OK);
    assert_int_equal(vssi_load64(without + 16), 0);
    assert_int_equal(size - smaller, 4 + 4 + 26 + 4); /* count, field, reference of a name of five */
    assert_memory_equal(with + 24, without + 24, smaller - 24 - 8);
    vssi_store32(with + smaller - 8 + 4, 1); /* of a field without a definition */
    vssi_store64(with + size - 8, vssi_hash(with, size - 8, 0));
    assert_int_equal(vssi_manifest_decode(&heap, "test", with, size, &m, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "no defined index"));
    vssi_free(&heap, with);
    vssi_free(&heap, without);
    vssi_schema_free(schema);
}

static void test_flips(void **state)
{
    (void)state;
    vss_error err = {0};
    sample s;
    uint8_t *data;
    size_t size;
    vssi_manifest *m;
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample_fill(&s, schema);
    assert_int_equal(vssi_manifest_encode(&s.m, &heap, &data, &size, &err), VSS_OK);
    for (size_t at = 0; at < size; at++)
        for (unsigned bit = 1; bit < 256; bit *= 2) {
            data[at] ^= (uint8_t)bit;
            assert_int_equal(vssi_manifest_decode(&heap, "test", data, size, &m, &err), VSS_ERR_CORRUPT);
            /* with the hash mended: any answer, no harm */
            const uint64_t hash = vssi_load64(data + size - 8);
            vssi_store64(data + size - 8, vssi_hash(data, size - 8, 0));
            if (vssi_manifest_decode(&heap, "test", data, size, &m, &err) == VSS_OK)
                vssi_manifest_free(m);
            vssi_store64(data + size - 8, hash);
            data[at] ^= (uint8_t)bit;
        }
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 8);
        assert_non_null(copy);
        memcpy(copy, data, cut);
        assert_int_equal(vssi_manifest_decode(&heap, "test", copy, cut, &m, &err), VSS_ERR_CORRUPT);
        vssi_store64(copy + cut, vssi_hash(copy, cut, 0));
        if (cut != size - 8)
            assert_int_equal(vssi_manifest_decode(&heap, "test", copy, cut + 8, &m, &err), VSS_ERR_CORRUPT);
        free(copy);
    }
    vssi_free(&heap, data);
    vssi_schema_free(schema);
}

/* Counts of 2^32 - 1 ask for no memory. */
static void test_counts(void **state)
{
    (void)state;
    vss_error err = {0};
    sample s;
    uint8_t *data;
    size_t size;
    vssi_manifest *m;
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample_fill(&s, schema);
    assert_int_equal(vssi_manifest_encode(&s.m, &heap, &data, &size, &err), VSS_OK);
    const uint64_t before = heap.peak;
    for (size_t at = 80; at + 12 <= size; at++) {
        const uint32_t old = vssi_load32(data + at);
        vssi_store32(data + at, UINT32_MAX);
        vssi_store64(data + size - 8, vssi_hash(data, size - 8, 0));
        if (vssi_manifest_decode(&heap, "test", data, size, &m, &err) == VSS_OK)
            vssi_manifest_free(m);
        vssi_store32(data + at, old);
    }
    assert_true(heap.peak < before + 200000);
    vssi_free(&heap, data);
    vssi_schema_free(schema);
}

static void test_failing_memory(void **state)
{
    (void)state;
    vss_error err = {0};
    sample s;
    vssi_schema *schema = fixture_schema(&heap, 0);
    sample_fill(&s, schema);
    for (size_t fail = 1;; fail++) {
        vssi_manifest *m = NULL, *copy = NULL;
        memory.calls = 0;
        memory.fail_at = fail;
        vss_status status = vssi_manifest_commit(&s.m, &storage, "c/", &err);
        if (status == VSS_OK)
            status = vssi_manifest_read(&heap, &storage, "c/", 7, &m, NULL, &err);
        if (status == VSS_OK)
            status = vssi_manifest_clone(m, &copy, &err);
        memory.fail_at = 0;
        vssi_manifest_free(copy);
        vssi_manifest_free(m);
        (void)storage.remove(storage.state, "c/m/00000000000000000007", &err);
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
    }
    vssi_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dropped_and_masks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_models_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
