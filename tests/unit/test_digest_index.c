/*
 * test_digest_index.c - an index built on codes has the same bytes on every processor and at every level of kernels
 *
 * For each case: 5,000 rows from a seed, an index of them on two threads, XXH3-64 of the index object's bytes; at the
 * level that VSS_SIMD names, else the processor's best. The values change whenever the builder or the format of an
 * index does: then take the new ones that this test prints, if they are the same on x86-64 and arm64 (tests/arm64.sh).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "../support/archive.h"
#include "../support/maker.h"

enum { ROWS = 5000, DIM = 24 };

static const struct {
    const char *index, *params;
    vss_type type;
    vss_metric metric;
    uint64_t digest;
} expected[] = {
    {"hnsw", NULL, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0x3110396ab91b5288u},
    {"hnsw", NULL, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, 0x0a71530b2c346a38u},
    {"hnsw", NULL, VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, 0x5405cf5d62335052u},
    {"hnsw", "codes=f16", VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, 0x9310248e28ae4c45u},
    {"hnsw", "codes=sq4", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0xed952b57c33c1bd6u},
    {"hnsw", NULL, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, 0xe6b8d2af7f1052e1u},
    {"hnsw", NULL, VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, 0xfcaf3255ac7e37b4u},
    {"flat", "codes=sq8,prefix=12", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0xf20621b5a716b4e5u},
    {"flat", "codes=sq8,prefix=8", VSS_TYPE_VECTOR_F16, VSS_METRIC_IP, 0x3f0e52b4db2b452du},
    {"ivf_flat", NULL, VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, 0x08a77fe7ac601e9cu},
    {"ivf_sq8", "nlist=40", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0xbd935cfff05132f4u},
    {"ivf_rabitq", "bits=5", VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, 0x1a4473d2eb148dc7u},
    {"ivf_rabitq", "bits=1", VSS_TYPE_VECTOR_BINARY, VSS_METRIC_JACCARD, 0xbda9f11934b121e6u},
    {"ivf_pq", NULL, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0xd2161457fe8f3e28u},
    {"ivf_pq", "nbits=8,m=7", VSS_TYPE_VECTOR_I8, VSS_METRIC_IP, 0xff7f109077b23d83u},
};

/* Of the objects that were not there before, beside manifests, which carry names: an index, or a model and an index. */
static uint64_t digest_objects(const archive *a, size_t before, size_t expected_objects)
{
    uint64_t digest = 0;
    size_t objects = 0;
    for (size_t i = before; i < a->n_files; i++) {
        if (strstr(a->files[i].name, "/m/") != NULL)
            continue;
        digest = vssi_hash(a->files[i].data, a->files[i].size, digest);
        objects++;
    }
    assert_int_equal(objects, expected_objects);
    return digest;
}

static uint64_t digest_index(const char *index, const char *params, vss_type type, vss_metric metric)
{
    maker_random r = {(uint64_t)type * 1000 + (uint64_t)metric};
    uint8_t *rows = malloc(ROWS * maker_size(type, DIM));
    archive a = {0};
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_db *db;
    vss_error err;
    archive_storage(&a, true, &storage);
    options.storage = &storage;
    build.threads = 2;
    maker_typed(&r, rows, ROWS, type, DIM, false);
    MUST(vss_db_open("archive", &options, &db, &err));
    vss_collection *col = maker_create_typed(db, type, DIM, metric);
    maker_insert_typed(col, type, rows, ROWS, DIM, 0, 1);
    MUST(vss_collection_flush(col, &err));
    size_t before = a.n_files;
    MUST(vss_collection_build_index(col, NULL, index, params, &build, &err));
    uint64_t digest = digest_objects(&a, before, strncmp(index, "ivf", 3) == 0 ? 2 : 1);
    MUST(vss_db_close(db, &err));
    archive_free(&a);
    free(rows);
    return digest;
}

static void digest__index_bytes(void **state)
{
    (void)state;
    size_t wrong = 0, n = sizeof expected / sizeof *expected;
    for (size_t i = 0; i < n; i++) {
        uint64_t digest = digest_index(expected[i].index, expected[i].params, expected[i].type, expected[i].metric);
        if (digest != expected[i].digest)
            print_message("%s of %s %s: 0x%016" PRIx64 ", expected 0x%016" PRIx64 "\n", expected[i].index,
                          vss_type_name(expected[i].type), vss_metric_name(expected[i].metric), digest,
                          expected[i].digest);
        wrong += digest != expected[i].digest;
    }
    print_message("%s: %zu of %zu digests as expected\n", vss_simd_level(), n - wrong, n);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digest__index_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
