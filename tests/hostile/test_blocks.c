/*
 * test_blocks.c - stored blocks that say anything at all, for every index type of the registry
 *
 * A small index is built; each of its blocks is copied into memory of just its size, some are changed, shortened or
 * left out, and what opens is searched and validated. Under the address sanitizer a read past a block's end is a
 * failure; a hang is one by the alarm. Answers may be wrong, but never name a row beyond the segment. VSS_SEED=n
 * chooses the changes, VSS_TIER=full makes 20 times as many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../index/index_ops.h"
#include "../../lib/base/hash.h"
#include "../support/tier.h"

enum { ROWS = 700, DIM = 21, PARAMS = 16, CASES = 400, SECONDS = 120 };

typedef struct sound {
    const vssi_index_ops *ops;
    vssi_heap heap;
    vssi_vectors vectors;
    float data[ROWS * DIM], query[DIM];
    vssi_image image;
    uint64_t params[PARAMS];
} sound;

typedef struct tally {
    size_t cases, opened, faulty;
} tally;

static void sound_make(sound *s, const vssi_index_ops *ops, const char *params)
{
    uint64_t seed = 12;
    vss_error err = {VSS_OK};
    memset(s, 0, sizeof *s);
    s->ops = ops;
    vssi_heap_init(&s->heap, NULL, 0);
    for (size_t i = 0; i < ROWS * DIM; i++)
        s->data[i] = (float)(vssi_random_next(&seed) % 1000) / 100;
    memcpy(s->query, s->data + 5 * DIM, sizeof s->query);
    s->vectors = (vssi_vectors){.rows = ROWS, .dim = DIM, .type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2,
                                .data = s->data, .max_norm = 100};
    vssi_vectors_bind(&s->vectors);
    if (vssi_param_parse(ops->name, ops->params, ops->n_params, false, params, s->params, &err) != VSS_OK)
        fail_msg("%s", err.message);
    const vssi_build build = {.heap = &s->heap, .vectors = &s->vectors, .params = s->params, .threads = 1};
    assert_int_equal(ops->build(&build, &s->image, &err), VSS_OK);
}

static vss_status no_value(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    (void)state;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i] < ROWS);
        values[i] = (float)rows[i];
    }
    return VSS_OK;
}

static bool key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

static void case_search(sound *s, const void *index, const uint64_t *allow, size_t n_allow, size_t k)
{
    vssi_scratch scratch;
    vssi_topk topk;
    vss_error err = {VSS_OK};
    const vssi_topk_source source = {s, no_value, key_before};
    const vssi_query query = {{s->query, 1}, allow, n_allow, s->params, NULL, 0, 0};
    vssi_scratch_init(&scratch, &s->heap);
    assert_int_equal(vssi_topk_init(&topk, &scratch, k, 1e-4, 1e-4, &source, &err), VSS_OK);
    if (s->ops->search(index, &s->vectors, &query, &scratch, &topk, &err) == VSS_OK &&
        vssi_topk_finish(&topk, &err) == VSS_OK) {
        for (size_t i = 0; i < topk.n_hits; i++)
            assert_true(topk.hits[i].row < ROWS);
    }
    vssi_scratch_free(&scratch);
}

static void count_fault(void *state, const char *line)
{
    assert_true(line[0] != '\0');
    ++*(uint64_t *)state;
}

/* One change of a block: bytes, or fewer elements, or larger ones. */
static void case_damage(vssi_block *block, uint8_t *data, uint64_t *seed)
{
    size_t size = (size_t)(block->element * block->count), at = (size_t)(vssi_random_next(seed) % size);
    switch (vssi_random_next(seed) % 8) {
    case 0:
        block->count = vssi_random_next(seed) % block->count;
        break;
    case 1:
        block->element = (uint32_t)size;
        block->count = 1;
        break;
    case 2:
        memset(data + at / 4 * 4, 255, size - at / 4 * 4 < 4 ? size - at / 4 * 4 : 4);
        break;
    case 3:
        memset(data + at, (int)(vssi_random_next(seed) % 256), size - at < 64 ? size - at : 64);
        break;
    default:
        data[at] = (uint8_t)vssi_random_next(seed);
    }
}

static void case_ask(sound *s, const vssi_block *blocks, size_t n_blocks, tally *t)
{
    uint64_t allow[ROWS / 64 + 1] = {0}, said = 0;
    vss_error err = {VSS_OK};
    void *index;
    t->cases++;
    if (s->ops->open(&s->heap, blocks, n_blocks, &s->vectors, &index, &err) != VSS_OK) {
        assert_true(err.status == VSS_ERR_CORRUPT || err.status == VSS_ERR_NEWER_FORMAT);
        return;
    }
    t->opened++;
    allow[3] = 0xff0ff;
    case_search(s, index, NULL, ROWS, 10);
    case_search(s, index, NULL, ROWS, ROWS);
    case_search(s, index, allow, 16, 10);
    uint64_t faults = s->ops->validate ? s->ops->validate(index, count_fault, &said) : 0;
    assert_int_equal(faults, said);
    t->faulty += faults > 0;
    s->ops->free(index);
}

static void case_run(sound *s, uint64_t seed, tally *t)
{
    vssi_block blocks[VSSI_IMAGE_BLOCKS];
    void *copies[VSSI_IMAGE_BLOCKS];
    size_t n = s->image.n_blocks, victim = (size_t)(vssi_random_next(&seed) % n);
    for (size_t i = 0; i < n; i++) {
        blocks[i] = s->image.blocks[i];
        size_t size = (size_t)(blocks[i].element * blocks[i].count);
        copies[i] = NULL;
        assert_int_equal(posix_memalign(&copies[i], 64, size ? size : 1), 0);
        memcpy(copies[i], blocks[i].data, size);
        blocks[i].data = copies[i];
    }
    if (seed % 16 == 0)
        blocks[victim] = blocks[--n]; /* one is missing */
    else
        case_damage(&blocks[victim], copies[victim], &seed);
    alarm(SECONDS);
    case_ask(s, blocks, n, t);
    alarm(0);
    for (size_t i = 0; i < s->image.n_blocks; i++)
        free(copies[i]);
}

static void blocks_of(const vssi_index_ops *ops, const char *params)
{
    uint64_t seed = tier_setting("VSS_SEED", 20261121), faults = 0;
    size_t cases = tier_count(CASES / 2, CASES, 20 * CASES);
    tally t = {0};
    sound *s = malloc(sizeof *s);
    void *index;
    vss_error err;
    sound_make(s, ops, params);
    if (s->image.n_blocks > 0) {
        assert_int_equal(ops->open(&s->heap, s->image.blocks, s->image.n_blocks, &s->vectors, &index, &err), VSS_OK);
        if (ops->validate)
            assert_int_equal(ops->validate(index, count_fault, &faults), 0);
        ops->free(index);
        for (size_t i = 0; i < cases; i++)
            case_run(s, seed * 1000003 + i, &t);
        print_message("%s %s: seed %llu, %zu cases: %zu opened, %zu faulty by validate\n", ops->name, params,
                      (unsigned long long)seed, t.cases, t.opened, t.faulty);
        assert_true(t.opened > cases / 20 && t.opened < cases);
    }
    vssi_image_free(&s->heap, &s->image);
    assert_int_equal(atomic_load(&s->heap.used), 0);
    free(s);
}

static void blocks__may_say_anything(void **state)
{
    static const struct {
        const char *type, *params;
    } more[] = {{"flat", "codes=sq8"}, {"hnsw", "codes=f16"}, {"hnsw", "codes=sq4"},
                {"ivf_rabitq", "bits=1"}, {"ivf_rabitq", "nlist=1,bits=8"},
                {"ivf_flat", "nlist=700"},
                {"ivf_pq", "nbits=8"}, {"ivf_pq", "m=1"}, {"ivf_pq", "nbits=8,m=21,nlist=3"}};
    (void)state;
    for (size_t i = 0; vssi_index_type_at(i) != NULL; i++)
        blocks_of(vssi_index_type_at(i), "");
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        blocks_of(vssi_index_type_find(more[i].type), more[i].params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks__may_say_anything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
