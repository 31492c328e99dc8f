/*
 * test_base.c - lib/base: errors, heap, bytes, hash, bitmaps, threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/bytes.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "../../lib/base/heap.h"
#include "../../lib/base/parallel.h"
#include "../../lib/base/text.h"

/* ---- errors ---- */

static void test_fail_writes_one_line(void **state)
{
    (void)state;
    vss_error err;
    assert_int_equal(vssi_fail(&err, VSS_ERR_INVALID, "field \"%s\": %d", "a\nb", 7), VSS_ERR_INVALID);
    assert_int_equal(err.status, VSS_ERR_INVALID);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.message, "field \"a b\": 7");
    assert_int_equal(vssi_fail(NULL, VSS_ERR_IO, "x"), VSS_ERR_IO);
    assert_int_equal(vssi_fail_os(NULL, VSS_ERR_IO, EIO, "x"), VSS_ERR_IO);
    assert_int_equal(vssi_fail_os(&err, VSS_ERR_NO_SPACE, ENOSPC, "can't write \"%s\"", "o"), VSS_ERR_NO_SPACE);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_string_equal(err.message, "can't write \"o\": No space left on device");
    assert_int_equal(vssi_fail_memory(&err, 12), VSS_ERR_NO_MEMORY);
    assert_string_equal(err.message, "out of memory (12 bytes wanted)");
}

static void test_fail_cuts_between_characters(void **state)
{
    (void)state;
    char text[700];
    vss_error err;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        (void)vssi_fail(&err, VSS_ERR_INVALID, "%s", text);
        size_t length = strlen(err.message);
        assert_int_equal((length - shift) % 3, 0);
        assert_true(length >= 497 && length <= 499);
        assert_true(vssi_utf8_valid(err.message, length));
        (void)vssi_fail_os(&err, VSS_ERR_IO, EIO, "%s", text);
        assert_true(strlen(err.message) <= 499);
    }
}

/* ---- heap ---- */

typedef struct counting_hook {
    size_t allocations;
    size_t fail_at; /* the Nth allocation returns NULL; 0: none */
    size_t live;
    size_t live_bytes;
} counting_hook;

static void *counting_alloc(void *state, size_t size, size_t align)
{
    counting_hook *c = state;
    assert_true(size > 0);
    assert_true(align >= 16 && align <= 4096 && (align & (align - 1)) == 0);
    if (++c->allocations == c->fail_at)
        return NULL;
    c->live++;
    c->live_bytes += size;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void counting_release(void *state, void *block, size_t size, size_t align)
{
    counting_hook *c = state;
    assert_non_null(block);
    assert_int_equal(align, 64);
    c->live--;
    c->live_bytes -= size;
    free(block);
}

static vss_allocator counting_allocator(counting_hook *c)
{
    vss_allocator a = VSS_INIT(vss_allocator);
    a.state = c;
    a.alloc = counting_alloc;
    a.release = counting_release;
    return a;
}

static void test_heap_counts_and_aligns(void **state)
{
    (void)state;
    counting_hook c = {0};
    vss_allocator hook = counting_allocator(&c);
    vssi_heap heap;
    vss_error err;
    vssi_heap_init(&heap, &hook, 0);
    static const size_t sizes[] = {1, 63, 64, 65, 4096, 100001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *p = NULL;
        assert_int_equal(vssi_alloc_zero(&heap, sizes[i], 1, &p, &err), VSS_OK);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(p[b], 0);
        assert_int_equal(atomic_load(&heap.used), c.live_bytes);
        assert_true(atomic_load(&heap.used) >= sizes[i]);
        vssi_free(&heap, p);
    }
    assert_int_equal(c.live, 0);
    assert_int_equal(atomic_load(&heap.used), 0);
    assert_true(atomic_load(&heap.peak) >= 100001);
    void *none = &c;
    assert_int_equal(vssi_alloc(&heap, 0, 8, &none, &err), VSS_OK);
    assert_null(none);
    vssi_free(&heap, NULL);
}

static void test_heap_budget(void **state)
{
    (void)state;
    vssi_heap heap;
    vss_error err;
    vssi_heap_init(&heap, NULL, 10000);
    void *a, *b = &heap;
    assert_int_equal(vssi_alloc(&heap, 1, 6000, &a, &err), VSS_OK);
    assert_int_equal(vssi_alloc(&heap, 2, 3000, &b, &err), VSS_ERR_BUDGET);
    assert_null(b);
    assert_string_equal(err.message, "memory budget of 10000 bytes is spent (6000 wanted)");
    vssi_free(&heap, a);
    assert_int_equal(vssi_alloc(&heap, 2, 3000, &b, &err), VSS_OK);
    vssi_free(&heap, b);
    assert_int_equal(atomic_load(&heap.used), 0);
}

static void test_heap_refuses_overflow(void **state)
{
    (void)state;
    void *p = &state;
    vss_error err;
    assert_int_equal(vssi_alloc(vssi_heap_default(), SIZE_MAX / 2, 3, &p, &err), VSS_ERR_NO_MEMORY);
    assert_null(p);
    assert_int_equal(vssi_alloc(vssi_heap_default(), SIZE_MAX, 1, &p, &err), VSS_ERR_NO_MEMORY);
    assert_int_equal(vssi_alloc(vssi_heap_default(), SIZE_MAX - 64, 1, &p, &err), VSS_ERR_NO_MEMORY);
    assert_int_equal(atomic_load(&vssi_heap_default()->used), 0);
}

static void test_heap_realloc_and_strdup(void **state)
{
    (void)state;
    counting_hook c = {0};
    vss_allocator hook = counting_allocator(&c);
    vssi_heap heap;
    vss_error err;
    vssi_heap_init(&heap, &hook, 0);
    uint32_t *p = NULL;
    assert_int_equal(vssi_realloc(&heap, 10, sizeof *p, &p, &err), VSS_OK);
    for (uint32_t i = 0; i < 10; i++)
        p[i] = i;
    assert_int_equal(vssi_realloc(&heap, 1000, sizeof *p, &p, &err), VSS_OK);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(p[i], i);
    assert_int_equal(vssi_realloc(&heap, 3, sizeof *p, &p, &err), VSS_OK);
    assert_int_equal(p[2], 2);
    c.fail_at = c.allocations + 1;
    uint32_t *before = p;
    assert_int_equal(vssi_realloc(&heap, 50, sizeof *p, &p, &err), VSS_ERR_NO_MEMORY);
    assert_ptr_equal(p, before);
    assert_int_equal(p[2], 2);
    assert_int_equal(vssi_realloc(&heap, 0, sizeof *p, &p, &err), VSS_OK);
    assert_null(p);
    char *text;
    assert_int_equal(vssi_strdup(&heap, "hello", 4, &text, &err), VSS_OK);
    assert_string_equal(text, "hell");
    vssi_free(&heap, text);
    c.fail_at = c.allocations + 1;
    assert_int_equal(vssi_strdup(&heap, "hello", 4, &text, &err), VSS_ERR_NO_MEMORY);
    assert_null(text);
    assert_int_equal(c.live, 0);
    assert_int_equal(atomic_load(&heap.used), 0);
}

/* ---- bytes ---- */

static void test_bytes_round_trip(void **state)
{
    (void)state;
    vss_error err;
    vssi_writer w = {.heap = vssi_heap_default(), .err = &err};
    vssi_write8(&w, 0xab);
    vssi_write16(&w, 0x1234);
    vssi_write32(&w, 0x89abcdefu);
    vssi_write64(&w, UINT64_C(0x0123456789abcdef));
    vssi_write_text(&w, "abc", 3);
    vssi_write_text(&w, NULL, 0);
    vssi_write_zeros(&w, 1000);
    assert_int_equal(w.status, VSS_OK);
    assert_int_equal(w.size, 15 + 7 + 4 + 1000);
    assert_int_equal(w.data[1], 0x34);
    vssi_reader r = {.data = w.data, .size = w.size};
    size_t size;
    assert_int_equal(vssi_read8(&r), 0xab);
    assert_int_equal(vssi_read16(&r), 0x1234);
    assert_int_equal(vssi_read32(&r), 0x89abcdefu);
    assert_true(vssi_read64(&r) == UINT64_C(0x0123456789abcdef));
    assert_memory_equal(vssi_read_text(&r, &size), "abc", 3);
    assert_int_equal(size, 3);
    assert_non_null(vssi_read_text(&r, &size));
    assert_int_equal(size, 0);
    assert_non_null(vssi_read_bytes(&r, 1000));
    assert_false(r.bad);
    assert_int_equal(vssi_read8(&r), 0);
    assert_true(r.bad);
    vssi_free(w.heap, w.data);
}

static void test_bytes_reader_stays_inside(void **state)
{
    (void)state;
    static const uint8_t data[] = {0xff, 0xff, 0xff, 0xff, 1, 2};
    size_t size = 7;
    for (size_t length = 0; length <= sizeof data; length++) {
        vssi_reader r = {.data = data, .size = length};
        assert_null(vssi_read_text(&r, &size));
        assert_int_equal(size, 0);
        assert_true(r.bad);
    }
    vssi_reader r = {.data = data, .size = sizeof data};
    assert_null(vssi_read_bytes(&r, SIZE_MAX));
    assert_int_equal(vssi_read8(&r), 0); /* bad sticks */
    vssi_reader past = {.data = data, .size = 2, .at = 3};
    assert_int_equal(vssi_read8(&past), 0);
    assert_true(past.bad);
}

static void test_bytes_writer_keeps_first_failure(void **state)
{
    (void)state;
    counting_hook c = {.fail_at = 2};
    vss_allocator hook = counting_allocator(&c);
    vssi_heap heap;
    vssi_heap_init(&heap, &hook, 0);
    vss_error err;
    vssi_writer w = {.heap = &heap, .err = &err};
    for (uint64_t i = 0; i < 1000; i++)
        vssi_write64(&w, i);
    assert_int_equal(w.status, VSS_ERR_NO_MEMORY);
    assert_int_equal(w.size, 256);
    assert_int_equal(c.allocations, 2);
    vssi_free(&heap, w.data);
    vssi_writer long_text = {.heap = &heap, .err = &err};
    vssi_write_text(&long_text, "", (size_t)UINT32_MAX + 1);
    assert_int_equal(long_text.status, VSS_ERR_INVALID);
    assert_int_equal(c.live, 0);
}

/* ---- hash ---- */

static void test_hash_parts_equal_whole(void **state)
{
    (void)state;
    uint8_t data[3000];
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)vssi_random_next(&seed);
    static const size_t totals[] = {0, 1, 3, 16, 17, 128, 129, 240, 241, 1024, 3000};
    for (size_t t = 0; t < sizeof totals / sizeof *totals; t++)
        for (uint64_t s = 0; s < 3; s++) {
            size_t n = totals[t], a = n / 3, b = n / 2;
            vssi_hash_part parts[] = {{data, a}, {data + a, b - a}, {NULL, 0}, {data + b, n - b}};
            uint64_t whole = vssi_hash(data, n, s * 77);
            assert_true(vssi_hash_parts(parts, 4, s * 77) == whole);
            assert_true(vssi_hash_parts(&(vssi_hash_part){data, n}, 1, s * 77) == whole);
            assert_true(vssi_hash(data, n, s * 77 + 1) != whole);
        }
    /* XXH3-64 of no bytes, as the algorithm's authors publish it: stored hashes must never change. */
    assert_true(vssi_hash("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(vssi_hash_parts(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
}

/* ---- bitmaps ---- */

static void test_bitmap_against_single_bits(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (size_t bits = 0; bits <= 200; bits++) {
        uint64_t map[4] = {0}, other[4] = {0};
        uint32_t rows[200];
        vssi_bitmap_fill(map, bits);
        assert_int_equal(vssi_bitmap_count(map, bits), bits);
        for (size_t i = bits; i < 64 * vssi_bitmap_words(bits); i++)
            assert_false(vssi_bitmap_get(map, i));
        for (size_t i = 0; i < bits; i++)
            if (vssi_random_next(&seed) % 3 == 0)
                vssi_bitmap_set(other, i);
        vssi_bitmap_subtract(map, other, bits);
        size_t expected = 0;
        for (size_t i = 0; i < bits; i++) {
            assert_true(vssi_bitmap_get(map, i) != vssi_bitmap_get(other, i));
            expected += vssi_bitmap_get(map, i);
        }
        assert_int_equal(vssi_bitmap_count(map, bits), expected);
        size_t begin = bits / 5, end = bits - bits / 7, next = begin, n = 0;
        while (next < end) {
            size_t got = vssi_bitmap_rows(map, next, end, rows + n, 7, &next);
            assert_true(got <= 7);
            n += got;
        }
        assert_int_equal(next, end);
        size_t at = 0;
        for (size_t i = begin; i < end; i++)
            if (vssi_bitmap_get(map, i))
                assert_int_equal(rows[at++], i);
        assert_int_equal(at, n);
    }
}

static void test_bitmap_ignores_bits_past_the_end(void **state)
{
    (void)state;
    uint64_t map[2] = {UINT64_MAX, UINT64_MAX};
    uint32_t rows[128];
    size_t next;
    assert_int_equal(vssi_bitmap_count(map, 70), 70);
    assert_int_equal(vssi_bitmap_rows(map, 3, 70, rows, 128, &next), 67);
    assert_int_equal(next, 70);
    assert_int_equal(vssi_bitmap_rows(map, 5, 5, rows, 128, &next), 0);
    assert_int_equal(next, 5);
    assert_int_equal(vssi_bitmap_rows(map, 5, 9, rows, 0, &next), 0);
    assert_int_equal(next, 5);
}

/* ---- threads ---- */

typedef struct parallel_record {
    _Atomic uint32_t done[1000];
    _Atomic size_t order;
    size_t start[1000];
} parallel_record;

static void parallel_mark(void *arg, size_t i)
{
    parallel_record *r = arg;
    r->start[i] = atomic_fetch_add(&r->order, 1);
    atomic_fetch_add(&r->done[i], 1);
}

static void backward_run(void *state, size_t n_tasks, void (*task)(void *arg, size_t i), void *arg)
{
    *(size_t *)state = n_tasks;
    for (size_t i = n_tasks; i > 0; i--)
        task(arg, i - 1);
}

static void test_parallel_runs_each_task_once(void **state)
{
    (void)state;
    size_t workers = 0;
    vss_executor executor = VSS_INIT(vss_executor);
    executor.state = &workers;
    executor.run = backward_run;
    static const size_t counts[] = {0, 1, 2, 999, 1000};
    static const size_t threads[] = {0, 1, 2, 8, 5000};
    for (size_t c = 0; c < 5; c++)
        for (size_t t = 0; t < 5; t++)
            for (int with = 0; with < 2; with++) {
                static parallel_record r;
                memset(&r, 0, sizeof r);
                vssi_parallel_for(with ? &executor : NULL, threads[t], counts[c], parallel_mark, &r);
                for (size_t i = 0; i < 1000; i++)
                    assert_int_equal(atomic_load(&r.done[i]), i < counts[c] ? 1 : 0);
                for (size_t i = 0; i < counts[c] && (threads[t] <= 1 || with); i++)
                    assert_int_equal(r.start[i], i);
            }
    vssi_parallel_for(&executor, 3, 10, parallel_mark, &(parallel_record){0});
    assert_int_equal(workers, 3);
}

static void test_parallel_system(void **state)
{
    (void)state;
    uint64_t before = vssi_now_ns();
    assert_true(vssi_now_ns() >= before);
    assert_true(vssi_process_id() > 0);
    assert_true(vssi_random_name() != vssi_random_name());
}

typedef struct progress_record {
    int calls;
    int answer;
    const char *stage;
    uint64_t done, total;
} progress_record;

static int progress_note(void *state, const char *stage, uint64_t done, uint64_t total)
{
    progress_record *p = state;
    p->calls++;
    p->stage = stage;
    p->done = done;
    p->total = total;
    return p->answer;
}

static void test_control_cancels_and_stays_cancelled(void **state)
{
    (void)state;
    progress_record p = {0};
    vssi_control c;
    vssi_control_init(&c, 0, progress_note, &p);
    assert_false(vssi_control_report(&c, "build", 3, 9));
    assert_string_equal(p.stage, "build");
    assert_int_equal(p.done, 3);
    assert_int_equal(p.total, 9);
    assert_false(vssi_control_stopped(&c));
    p.answer = 1;
    atomic_store(&c.next_report_ns, UINT64_MAX); /* too soon for the host to be asked again, */
    assert_false(vssi_control_report(&c, "build", 4, 9));
    assert_int_equal(p.calls, 1);
    assert_true(vssi_control_report(&c, "build", 9, 9)); /* but for the end of a stage */
    assert_true(vssi_control_stopped(&c));
    assert_int_equal(atomic_load(&c.stop), VSS_ERR_CANCELLED);
    p.answer = 0;
    assert_true(vssi_control_report(&c, "build", 5, 9));
    assert_int_equal(p.calls, 2);
    vssi_control_destroy(&c);
    assert_false(vssi_control_report(NULL, "x", 0, 0));
    assert_false(vssi_control_stopped(NULL));
}

static void test_control_deadline(void **state)
{
    (void)state;
    progress_record p = {0};
    vssi_control c;
    vssi_control_init(&c, UINT64_MAX, progress_note, &p);
    assert_true(c.deadline_ns == UINT64_MAX);
    assert_false(vssi_control_stopped(&c));
    c.deadline_ns = vssi_now_ns();
    assert_true(vssi_control_report(&c, "x", 0, 0));
    assert_int_equal(p.calls, 0);
    assert_int_equal(atomic_load(&c.stop), VSS_ERR_DEADLINE);
    vssi_control_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_writes_one_line),
        cmocka_unit_test(test_fail_cuts_between_characters),
        cmocka_unit_test(test_heap_counts_and_aligns),
        cmocka_unit_test(test_heap_budget),
        cmocka_unit_test(test_heap_refuses_overflow),
        cmocka_unit_test(test_heap_realloc_and_strdup),
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_bytes_reader_stays_inside),
        cmocka_unit_test(test_bytes_writer_keeps_first_failure),
        cmocka_unit_test(test_hash_parts_equal_whole),
        cmocka_unit_test(test_bitmap_against_single_bits),
        cmocka_unit_test(test_bitmap_ignores_bits_past_the_end),
        cmocka_unit_test(test_parallel_runs_each_task_once),
        cmocka_unit_test(test_parallel_system),
        cmocka_unit_test(test_control_cancels_and_stays_cancelled),
        cmocka_unit_test(test_control_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
