/*
 * test_storage.c - the contract of vss/storage.h held against every storage, and the fault storage itself
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/base/hash.h"
#include "../../lib/base/parallel.h"
#include "../../lib/storage/storage.h"
#include "../support/storage_fixture.h"

/* ---- every storage ---- */

static void test_put_read_size(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    vss_error err;
    char buffer[8] = "";
    uint64_t size;
    assert_int_equal(storage_put_text(s, "a/b/object.1", "hello", &err), VSS_OK);
    assert_int_equal(storage_put_text(s, "top", "x", &err), VSS_OK);
    storage_expect_text(s, "a/b/object.1", "hello");
    storage_expect_text(s, "top", "x");
    assert_int_equal(s->read(s->state, "a/b/object.1", 1, buffer, 3, &err), VSS_OK);
    assert_string_equal(buffer, "ell");
    assert_int_equal(s->read(s->state, "a/b/object.1", 5, buffer, 0, &err), VSS_OK);
    assert_int_equal(s->read(s->state, "a/b/object.1", 3, buffer, 3, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "a/b/object.1"));
    assert_int_equal(s->read(s->state, "a/b/object.1", 6, buffer, 0, &err), VSS_ERR_CORRUPT);
    assert_int_equal(s->read(s->state, "a/b/object.1", UINT64_MAX, buffer, 2, &err), VSS_ERR_CORRUPT);
    assert_int_equal(s->read(s->state, "a/b", 0, buffer, 0, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(s->read(s->state, "nothing", 0, buffer, 0, &err), VSS_ERR_NOT_FOUND);
    assert_string_equal(err.message, "no object \"nothing\"");
    assert_int_equal(s->size(s->state, "a/c/d", &size, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(s->size(s->state, "a/b", &size, &err), VSS_ERR_NOT_FOUND);
}

static void test_put_refuses_a_taken_name(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    vss_error err;
    assert_int_equal(storage_put_text(s, "a/x", "one", &err), VSS_OK);
    assert_int_equal(storage_put_text(s, "a/x", "two", &err), VSS_ERR_EXISTS);
    assert_non_null(strstr(err.message, "a/x"));
    storage_expect_text(s, "a/x", "one");
    assert_int_equal(s->remove(s->state, "a/x", &err), VSS_OK);
    assert_int_equal(s->remove(s->state, "a/x", &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(storage_put_text(s, "a/x", "two", &err), VSS_OK);
    storage_expect_text(s, "a/x", "two");
}

static void test_put_many_parts(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    enum { PARTS = 500 };
    static uint8_t data[PARTS * 997], back[sizeof data];
    static vss_span parts[PARTS];
    uint64_t seed = 3;
    size_t size = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)vssi_random_next(&seed);
    for (size_t i = 0; i < PARTS; i++) {
        /* Runs of empty parts longer than one writev takes. */
        size_t part = i % 200 < 120 ? 0 : vssi_random_next(&seed) % 997;
        parts[i] = (vss_span){part != 0 ? data + size : NULL, part};
        size += part;
    }
    assert_int_equal(s->put(s->state, "parts", parts, PARTS, NULL), VSS_OK);
    assert_int_equal(s->read(s->state, "parts", 0, back, size, NULL), VSS_OK);
    assert_memory_equal(back, data, size);
    uint64_t held;
    assert_int_equal(s->size(s->state, "parts", &held, NULL), VSS_OK);
    assert_int_equal(held, size);
    assert_int_equal(s->put(s->state, "empty", NULL, 0, NULL), VSS_OK);
    assert_int_equal(s->put(s->state, "empty2", parts, 100, NULL), VSS_OK);
    assert_int_equal(s->size(s->state, "empty2", &held, NULL), VSS_OK);
    assert_int_equal(held, 0);
}

static void test_names_are_checked(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    static const char *const bad[] = {"", "/etc/passwd", "a/../b", "..", "a//b", "a/", ".hidden", "A", "a/LOCK", "a b"};
    vss_error err;
    uint8_t byte;
    uint64_t size;
    const void *data = &byte;
    void *lock = &byte;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(storage_put_text(s, bad[i], "x", &err), VSS_ERR_INVALID);
        assert_int_equal(s->read(s->state, bad[i], 0, &byte, 1, &err), VSS_ERR_INVALID);
        assert_int_equal(s->size(s->state, bad[i], &size, &err), VSS_ERR_INVALID);
        assert_int_equal(s->remove(s->state, bad[i], &err), VSS_ERR_INVALID);
        assert_int_equal(s->map(s->state, bad[i], 1, &data, &err), VSS_ERR_INVALID);
        assert_null(data);
    }
    static const char *const bad_locks[] = {"", "a", "a/lock", "/LOCK", "../LOCK", "a//LOCK", "LOCK/LOCK"};
    for (size_t i = 0; i < sizeof bad_locks / sizeof *bad_locks; i++) {
        assert_int_equal(s->lock(s->state, bad_locks[i], &lock, &err), VSS_ERR_INVALID);
        assert_null(lock);
    }
}

static void test_list(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    static const char *const names[] = {"b", "a/1", "a/2", "a/x/1", "a/x/y/1", "ab/1", "a-b"};
    void *lock;
    storage_expect_list(s, "", 0, "");
    storage_expect_list(s, "", 1, "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(storage_put_text(s, names[i], "x", NULL), VSS_OK);
    assert_int_equal(s->lock(s->state, "a/LOCK", &lock, NULL), VSS_OK);
    storage_expect_list(s, "", 0, "a-b a/1 a/2 a/x/1 a/x/y/1 ab/1 b ");
    storage_expect_list(s, "", 1, "a-b a/ ab/ b ");
    storage_expect_list(s, "a/", 0, "a/1 a/2 a/x/1 a/x/y/1 ");
    storage_expect_list(s, "a/", 1, "a/1 a/2 a/x/ ");
    storage_expect_list(s, "a/x/", 1, "a/x/1 a/x/y/ ");
    storage_expect_list(s, "a/nothing/here/", 0, "");
    storage_expect_list(s, "b/", 1, "");
    storage_listing l = {{0}, 0, 2};
    assert_int_equal(s->list(s->state, "", 0, storage_listing_add, &l, NULL), VSS_OK);
    assert_int_equal(l.calls, 2);
    l = (storage_listing){{0}, 0, 1};
    assert_int_equal(s->list(s->state, "", 1, storage_listing_add, &l, NULL), VSS_OK);
    assert_int_equal(l.calls, 1);
    vss_error err;
    assert_int_equal(s->list(s->state, "a", 0, storage_listing_add, &l, &err), VSS_ERR_INVALID);
    assert_int_equal(s->list(s->state, "../", 0, storage_listing_add, &l, &err), VSS_ERR_INVALID);
    s->unlock(s->state, lock);
}

static int listing_remove(void *arg, const char *name)
{
    const vss_storage *s = arg;
    assert_int_equal(s->remove(s->state, name, NULL), VSS_OK);
    return 0;
}

static void test_list_while_removing(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    char name[32];
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof name, "d%d/%d/o", i % 5, i);
        assert_int_equal(storage_put_text(s, name, "x", NULL), VSS_OK);
    }
    assert_int_equal(s->list(s->state, "", 0, listing_remove, (void *)(uintptr_t)s, NULL), VSS_OK);
    storage_expect_list(s, "", 0, "");
    storage_expect_list(s, "", 1, "");
}

static void test_map(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    const void *data, *empty;
    vss_error err;
    assert_int_equal(storage_put_text(s, "m/a", "mapped bytes", NULL), VSS_OK);
    assert_int_equal(storage_put_text(s, "m/e", "", NULL), VSS_OK);
    assert_int_equal(s->map(s->state, "m/a", 11, &data, &err), VSS_ERR_CORRUPT);
    assert_null(data);
    assert_int_equal(s->map(s->state, "m/a", 13, &data, &err), VSS_ERR_CORRUPT);
    assert_int_equal(s->map(s->state, "m/b", 13, &data, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(s->map(s->state, "m/e", 0, &empty, &err), VSS_OK);
    assert_int_equal(s->map(s->state, "m/a", 12, &data, &err), VSS_OK);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_int_equal(s->remove(s->state, "m/a", &err), VSS_OK);
    assert_int_equal(storage_put_text(s, "m/a", "other bytes!", NULL), VSS_OK);
    assert_memory_equal(data, "mapped bytes", 12);
    s->unmap(s->state, data, 12);
    s->unmap(s->state, empty, 0);
}

static void test_view(void **state)
{
    storage_fixture *f = *state;
    vss_storage without = f->storage;
    without.map = NULL;
    without.unmap = NULL;
    vss_error err;
    assert_int_equal(storage_put_text(&f->storage, "v", "twelve bytes", NULL), VSS_OK);
    assert_int_equal(storage_put_text(&f->storage, "e", "", NULL), VSS_OK);
    const vss_storage *storages[] = {&f->storage, &without};
    for (size_t i = 0; i < 2; i++) {
        vssi_view view, empty;
        assert_int_equal(vssi_view_open(storages[i], &f->heap, "v", 12, &view, &err), VSS_OK);
        assert_memory_equal(view.data, "twelve bytes", 12);
        assert_int_equal((uintptr_t)view.data % 64, 0);
        assert_int_equal(view.mapped, i == 0);
        vssi_view_close(storages[i], &f->heap, &view);
        assert_null(view.data);
        vssi_view_close(storages[i], &f->heap, &view);
        assert_int_equal(vssi_view_open(storages[i], &f->heap, "e", 0, &empty, &err), VSS_OK);
        assert_non_null(empty.data);
        assert_int_equal(empty.size, 0);
        vssi_view_close(storages[i], &f->heap, &empty);
        assert_int_equal(vssi_view_open(storages[i], &f->heap, "v", 0, &view, &err), VSS_ERR_CORRUPT);
        assert_int_equal(vssi_view_open(storages[i], &f->heap, "v", (uint64_t)1 << 60, &view, &err), VSS_ERR_CORRUPT);
        assert_null(view.data);
        assert_int_equal(vssi_view_open(storages[i], &f->heap, "none", 12, &view, &err), VSS_ERR_NOT_FOUND);
    }
}

static void test_lock(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    void *lock, *other, *second;
    vss_error err;
    char expected[64];
    assert_int_equal(s->lock(s->state, "coll/LOCK", &lock, &err), VSS_OK);
    assert_int_equal(s->lock(s->state, "coll/LOCK", &second, &err), VSS_ERR_BUSY);
    assert_null(second);
    (void)snprintf(expected, sizeof expected, "\"coll\" is held by process %lld on host ", (long long)getpid());
    assert_memory_equal(err.message, expected, strlen(expected));
    assert_true(strlen(err.message) > strlen(expected));
    assert_int_equal(s->lock(s->state, "other/LOCK", &other, &err), VSS_OK);
    s->unlock(s->state, lock);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s->lock(s->state, "coll/LOCK", &lock, &err), VSS_OK);
        assert_int_equal(s->lock(s->state, "coll/LOCK", &second, &err), VSS_ERR_BUSY);
        s->unlock(s->state, lock);
    }
    s->unlock(s->state, other);
    s->unlock(s->state, NULL);
}

typedef struct race {
    const vss_storage *storage;
    int round;
    _Atomic int wins;
    _Atomic int losses;
    _Atomic int others;
    _Atomic int winner;
} race;

static void race_put(void *arg, size_t i)
{
    race *r = arg;
    char name[32], text[32];
    (void)snprintf(name, sizeof name, "race/%d/object", r->round);
    (void)snprintf(text, sizeof text, "writer %zu", i);
    vss_status status = storage_put_text(r->storage, name, text, NULL);
    if (status == VSS_OK) {
        atomic_fetch_add(&r->wins, 1);
        atomic_store(&r->winner, (int)i);
    } else {
        atomic_fetch_add(status == VSS_ERR_EXISTS ? &r->losses : &r->others, 1);
    }
}

static void test_one_of_many_puts_wins(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    for (int round = 0; round < 20; round++) {
        race r = {.storage = s, .round = round};
        vssi_parallel_for(NULL, 8, 8, race_put, &r);
        assert_int_equal(r.wins, 1);
        assert_int_equal(r.losses, 7);
        char name[32], text[32];
        (void)snprintf(name, sizeof name, "race/%d/object", round);
        (void)snprintf(text, sizeof text, "writer %d", r.winner);
        storage_expect_text(s, name, text);
    }
}

/* Puts and removes in one folder, which comes and goes: none may fail for that. */
static void race_put_remove(void *arg, size_t i)
{
    race *r = arg;
    char name[32];
    (void)snprintf(name, sizeof name, "deep/folder/%zu", i);
    for (int round = 0; round < 25; round++) {
        if (storage_put_text(r->storage, name, "x", NULL) != VSS_OK)
            atomic_fetch_add(&r->others, 1);
        if (r->storage->remove(r->storage->state, name, NULL) != VSS_OK)
            atomic_fetch_add(&r->others, 1);
    }
}

static void race_lock(void *arg, size_t i)
{
    race *r = arg;
    (void)i;
    for (int round = 0; round < 100; round++) {
        void *lock;
        vss_status status = r->storage->lock(r->storage->state, "race/LOCK", &lock, NULL);
        if (status == VSS_OK) {
            if (atomic_fetch_add(&r->wins, 1) != 0)
                atomic_fetch_add(&r->others, 1);
            atomic_fetch_sub(&r->wins, 1);
            r->storage->unlock(r->storage->state, lock);
        } else if (status != VSS_ERR_BUSY) {
            atomic_fetch_add(&r->others, 1);
        }
    }
}

static void test_races(void **state)
{
    race r = {.storage = &((storage_fixture *)*state)->storage};
    vssi_parallel_for(NULL, 4, 4, race_put_remove, &r);
    assert_int_equal(r.others, 0);
    vssi_parallel_for(NULL, 4, 4, race_lock, &r);
    assert_int_equal(r.others, 0);
    storage_expect_list(r.storage, "", 1, "");
}

/* ---- memory failing ---- */

typedef struct failing_hook {
    size_t left; /* allocations that succeed */
} failing_hook;

static void *failing_alloc(void *state, size_t size, size_t align)
{
    failing_hook *h = state;
    if (h->left == 0)
        return NULL;
    h->left--;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_release(void *state, void *block, size_t size, size_t align)
{
    (void)state;
    (void)size;
    (void)align;
    free(block);
}

static int listing_ignore(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static vss_status every_call(vssi_heap *heap, const char *root, vss_error *err)
{
    vss_storage s;
    void *lock = NULL;
    vssi_view view = {0};
    vss_status status =
        root != NULL ? vssi_storage_posix(heap, root, true, false, &s, err) : vssi_storage_memory(heap, &s, err);
    if (status != VSS_OK)
        return status;
    (void)s.remove(s.state, "a/b", NULL);
    status = storage_put_text(&s, "a/b", "bytes", err);
    if (status == VSS_OK)
        status = s.list(s.state, "", 0, listing_ignore, NULL, err);
    if (status == VSS_OK)
        status = s.lock(s.state, "a/LOCK", &lock, err);
    s.unlock(s.state, lock);
    if (status == VSS_OK)
        status = vssi_view_open(&s, heap, "a/b", 5, &view, err);
    if (status == VSS_OK)
        vssi_view_close(&s, heap, &view);
    s.close(s.state);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    char root[] = "/tmp/vss-storage-XXXXXX";
    assert_non_null(mkdtemp(root));
    const char *roots[] = {NULL, root};
    for (size_t i = 0; i < 2; i++) {
        vss_status status = VSS_ERR_NO_MEMORY;
        for (size_t n = 0; status != VSS_OK; n++) {
            assert_true(n < 20);
            failing_hook h = {n};
            vss_allocator hook = VSS_INIT(vss_allocator);
            hook.state = &h;
            hook.alloc = failing_alloc;
            hook.release = failing_release;
            vssi_heap heap;
            vss_error err;
            vssi_heap_init(&heap, &hook, 0);
            status = every_call(&heap, roots[i], &err);
            assert_true(status == VSS_OK || status == VSS_ERR_NO_MEMORY);
            assert_int_equal(atomic_load(&heap.used), 0);
        }
    }
    storage_remove_tree(root);
}

/* ---- the fault storage itself ---- */

static void test_fault_storage(void **state)
{
    storage_fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    uint64_t size;
    assert_int_equal(storage_put_text(s, "a", "0123456789", &err), VSS_OK);
    fault_storage_fail(&f->fault, FAULT_PUT, 2, VSS_ERR_NO_SPACE, FAULT_ONCE);
    assert_int_equal(storage_put_text(s, "b", "x", &err), VSS_OK);
    assert_int_equal(storage_put_text(s, "c", "x", &err), VSS_ERR_NO_SPACE);
    assert_string_equal(err.message, "injected fault: put \"c\"");
    assert_int_equal(storage_put_text(s, "c", "x", &err), VSS_OK);
    fault_storage_fail(&f->fault, FAULT_ANY, 1, VSS_ERR_IO, FAULT_FOREVER);
    assert_int_equal(s->size(s->state, "a", &size, &err), VSS_ERR_IO);
    assert_int_equal(s->remove(s->state, "a", &err), VSS_ERR_IO);
    fault_storage_fail(&f->fault, FAULT_PUT, 1, VSS_ERR_UNKNOWN_COMMIT, FAULT_AFTER);
    assert_int_equal(storage_put_text(s, "d", "there", &err), VSS_ERR_UNKNOWN_COMMIT);
    fault_storage_fail(&f->fault, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    storage_expect_text(s, "d", "there");
    assert_int_equal(fault_storage_calls(&f->fault, FAULT_PUT), 5);
    assert_int_equal(atomic_load(&f->fault.failed), 4);
    fault_storage_flip(&f->fault, "a", 3, 0x80);
    char buffer[10];
    assert_int_equal(s->read(s->state, "a", 2, buffer, 8, &err), VSS_OK);
    assert_memory_equal(buffer, "2\xb3" "456789", 8);
    assert_int_equal(s->read(s->state, "a", 4, buffer, 6, &err), VSS_OK);
    assert_memory_equal(buffer, "456789", 6);
    const void *data;
    assert_int_equal(s->map(s->state, "a", 10, &data, &err), VSS_OK);
    assert_memory_equal(data, "012\xb3" "456789", 10);
    s->unmap(s->state, data, 10);
    fault_storage_flip(&f->fault, NULL, 0, 0);
    storage_expect_text(s, "a", "0123456789");
}

/* One test a storage. */
#define TEST_ON(test, kind) {#test " on " #kind, test, storage_setup_##kind, storage_teardown, NULL}
#define TEST_ALL(test) TEST_ON(test, memory), TEST_ON(test, posix), TEST_ON(test, wrapped)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(test_put_read_size),
        TEST_ALL(test_put_refuses_a_taken_name),
        TEST_ALL(test_put_many_parts),
        TEST_ALL(test_names_are_checked),
        TEST_ALL(test_list),
        TEST_ALL(test_list_while_removing),
        TEST_ALL(test_map),
        TEST_ALL(test_view),
        TEST_ALL(test_lock),
        TEST_ALL(test_one_of_many_puts_wins),
        TEST_ALL(test_races),
        cmocka_unit_test(test_every_allocation_may_fail),
        TEST_ON(test_fault_storage, wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
