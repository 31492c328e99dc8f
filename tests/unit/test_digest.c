/*
 * test_digest.c - exact results are the same bits on every processor: a digest of fixed searches, with its known value
 *
 * For every vector type and metric: 1,000 rows from a seed, half of them with many ties, in a sealed segment and
 * growing rows; 9 queries with exact=1; XXH3-64 of offsets, keys and distances. The values are the same for every level
 * of the kernels, compiler and processor; they change only when the searches here or the definition of a distance do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/base/hash.h"
#include "../support/maker.h"

enum { ROWS = 1000, SEALED = 700, QUERIES = 9, K = 50, DIM = 40 };

static const struct {
    vss_type type;
    vss_metric metric;
    uint64_t digest;
} expected[] = {
    {VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 0x6d8e40e617e48fbeu},
    {VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, 0x482fe24329f9ca19u},
    {VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, 0x29bb7d6bcfe63aa6u},
    {VSS_TYPE_VECTOR_F16, VSS_METRIC_L2, 0x01a3f5cfb3f67a59u},
    {VSS_TYPE_VECTOR_F16, VSS_METRIC_IP, 0x885c026bc2577856u},
    {VSS_TYPE_VECTOR_F16, VSS_METRIC_COSINE, 0xd973eb53e2846a9bu},
    {VSS_TYPE_VECTOR_BF16, VSS_METRIC_L2, 0xf732536fa2992f74u},
    {VSS_TYPE_VECTOR_BF16, VSS_METRIC_IP, 0x3af7815924b16fa9u},
    {VSS_TYPE_VECTOR_BF16, VSS_METRIC_COSINE, 0x94b5b63b22cbff48u},
    {VSS_TYPE_VECTOR_I8, VSS_METRIC_L2, 0x1cb2e90e5bf200dau},
    {VSS_TYPE_VECTOR_I8, VSS_METRIC_IP, 0xeccac538383180c0u},
    {VSS_TYPE_VECTOR_I8, VSS_METRIC_COSINE, 0x63ba4ce659ce78bau},
    {VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, 0x4b41145f31e25eceu},
    {VSS_TYPE_VECTOR_U8, VSS_METRIC_IP, 0x2f4d00b1cbb284dau},
    {VSS_TYPE_VECTOR_U8, VSS_METRIC_COSINE, 0x1f6e1a0d60ee3402u},
    {VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, 0x2fb4ddcd78fdde6cu},
    {VSS_TYPE_VECTOR_BINARY, VSS_METRIC_JACCARD, 0x533a027ac2a58ca0u},
};

static uint64_t digest_result(const vss_result *result)
{
    size_t rows = vss_result_rows(result);
    const vssi_hash_part parts[] = {{vss_result_offsets(result), (QUERIES + 1) * sizeof(int64_t)},
                                    {vss_result_keys(result)->data, rows * sizeof(int64_t)},
                                    {vss_result_distances(result), rows * sizeof(float)}};
    assert_int_equal(rows, QUERIES * K);
    return vssi_hash_parts(parts, 3, 0);
}

static uint64_t digest_search(vss_type type, vss_metric metric)
{
    maker_random r = {(uint64_t)type * 1000 + (uint64_t)metric};
    size_t size = maker_size(type, DIM);
    uint8_t *rows = malloc(ROWS * size), *queries = malloc(QUERIES * size);
    vss_db *db;
    vss_result *result;
    vss_error err;
    maker_typed(&r, rows, ROWS / 2, type, DIM, false);
    maker_typed(&r, rows + ROWS / 2 * size, ROWS - ROWS / 2, type, DIM, true);
    maker_typed(&r, queries, 5, type, DIM, false);
    maker_typed(&r, queries + 5 * size, QUERIES - 5, type, DIM, true);
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *col = maker_create_typed(db, type, DIM, metric);
    maker_insert_typed(col, type, rows, SEALED, DIM, 0, 3);
    MUST(vss_collection_flush(col, &err));
    maker_insert_typed(col, type, rows + SEALED * size, ROWS - SEALED, DIM, -4000, 1);
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = queries;
    request.n_queries = QUERIES;
    request.dim = DIM;
    request.k = K;
    request.params = "exact=1";
    MUST(vss_collection_search(col, &request, &result, &err));
    uint64_t digest = digest_result(result);
    vss_result_free(result);
    MUST(vss_db_close(db, &err));
    free(rows);
    free(queries);
    return digest;
}

static void digest__exact_searches(void **state)
{
    (void)state;
    size_t wrong = 0, n = sizeof expected / sizeof *expected;
    for (size_t i = 0; i < n; i++) {
        uint64_t digest = digest_search(expected[i].type, expected[i].metric);
        if (digest != expected[i].digest)
            print_message("%s %s: 0x%016" PRIx64 ", expected 0x%016" PRIx64 "\n", vss_type_name(expected[i].type),
                          vss_metric_name(expected[i].metric), digest, expected[i].digest);
        wrong += digest != expected[i].digest;
    }
    print_message("%s: %zu of %zu digests as expected\n", vss_simd_level(), n - wrong, n);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digest__exact_searches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
