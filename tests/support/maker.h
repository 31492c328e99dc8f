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

/* What a device or plug-in of a test says when it fails; returns the status. */
vss_status maker_fail(vss_error *err, vss_status status, const char *line);

typedef struct maker_random {
    uint64_t state;
} maker_random;
uint64_t maker_next(maker_random *r);
/* In [0, 1). */
double maker_unit(maker_random *r);

/* Bytes of a vector of a type; its component i as a number (of binary ones the bit). */
size_t maker_size(vss_type type, uint32_t dim);
double maker_component(vss_type type, const void *vector, size_t i);

/* n vectors of a type: of few different values when coarse; no zero vector. */
void maker_typed(maker_random *r, void *out, size_t n, vss_type type, uint32_t dim, bool coarse);

/* n vectors [n][dim]: uniform in [-1, 1); whole numbers in 0..3 (many ties) when coarse. */
void maker_vectors(maker_random *r, float *out, size_t n, uint32_t dim, bool coarse);

/* A collection "c" with fields id (int64 key), number (int64), name (string, nullable), v (vector). */
vss_collection *maker_create(vss_db *db, uint32_t dim, vss_metric metric);
vss_collection *maker_create_typed(vss_db *db, vss_type type, uint32_t dim, vss_metric metric);

/* Insert n rows with keys first, first + step, ...; number = key % 100; name "n<key % 10>", null where key % 7 == 3. */
void maker_insert(vss_collection *col, const float *vectors, size_t n, uint32_t dim, int64_t first, int64_t step);
void maker_insert_typed(vss_collection *col, vss_type type, const void *vectors, size_t n, uint32_t dim, int64_t first,
                        int64_t step);

/* An int64 key column over keys[n]. */
vss_column maker_keys(const int64_t *keys, size_t n);

/* The value a search must return, by its definition (design: 8 lanes, pairwise, rounded once), written apart from
 * the library. */
float maker_distance(const double *a, const double *b, uint32_t dim, vss_metric metric);
/* n vectors as numbers [n][dim]. */
void maker_widen(vss_type type, const void *vectors, size_t n, uint32_t dim, double *out);

#endif
