/*
 * maker.h - collections for tests: a key, a number, a text and one vector field, filled from a seed
 */
#ifndef TEST_MAKER_H
#define TEST_MAKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vss.h"

/* Fail the test with the library's line unless the call succeeds. `err` is in scope. */
#define MUST(call)                                                              \
    do {                                                                        \
        vss_status must_ = (call);                                              \
        if (must_ != VSS_OK)                                                    \
            fail_msg("%s: %s: %s", #call, vss_status_name(must_), err.message); \
    } while (0)

typedef struct maker_random {
    uint64_t state;
} maker_random;
uint64_t maker_next(maker_random *r);
/* In [0, 1). */
double maker_unit(maker_random *r);

/* n vectors [n][dim]: uniform in [-1, 1); whole numbers in 0..3 (many ties) when coarse. */
void maker_vectors(maker_random *r, float *out, size_t n, uint32_t dim, bool coarse);

/* A collection "c" with fields id (int64 key), number (int64), name (string, nullable), v (vector). */
vss_collection *maker_create(vss_db *db, uint32_t dim, vss_metric metric);

/* Insert n rows with keys first, first + step, ...; number = key % 100; name "n<key % 10>", null where key % 7 == 3. */
void maker_insert(vss_collection *col, const float *vectors, size_t n, uint32_t dim, int64_t first, int64_t step);

/* An int64 key column over keys[n]. */
vss_column maker_keys(const int64_t *keys, size_t n);

/* The value a search must return, by its definition (design: 8 lanes, pairwise, rounded once), written apart from the library. */
float maker_distance(const float *a, const float *b, uint32_t dim, vss_metric metric);

#endif
