/*
 * test_storage.c - the contract of vss/storage.h held against every storage, then what only the POSIX one does
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/base/hash.h"
#include "../../lib/base/parallel.h"
#include "../../lib/storage/storage.h"
#include "../support/fault_storage.h"

typedef struct fixture {
    vssi_heap heap;
    vss_storage storage;
    fault_storage fault; /* of the "wrapped" kind */
    char root[64];       /* "" for memory */
} fixture;

static void remove_tree(const char *path)
{
    char command[128];
    assert_true(snprintf(command, sizeof command, "rm -rf '%s'", path) < (int)sizeof command);
    assert_int_equal(system(command), 0);
}

static fixture *fixture_new(void)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    vssi_heap_init(&f->heap, NULL, 0);
    return f;
}

static int setup_memory(void **state)
{
    fixture *f = fixture_new();
    *state = f;
    return vssi_storage_memory(&f->heap, &f->storage, NULL);
}

static int setup_posix(void **state)
{
    fixture *f = fixture_new();
    *state = f;
    strcpy(f->root, "/tmp/vss-storage-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        return -1;
    return vssi_storage_posix(&f->heap, f->root, true, false, &f->storage, NULL);
}

static int setup_wrapped(void **state)
{
    fixture *f = fixture_new();
    *state = f;
    vss_storage inner;
    if (vssi_storage_memory(&f->heap, &inner, NULL) != VSS_OK)
        return -1;
    fault_storage_wrap(&f->fault, &inner, &f->storage);
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    if (f->root[0] != '\0')
        remove_tree(f->root);
    free(f);
    return 0;
}

static vss_status put_text(const vss_storage *s, const char *name, const char *text, vss_error *err)
{
    return s->put(s->state, name, &(vss_span){text, strlen(text)}, 1, err);
}

static void expect_text(const vss_storage *s, const char *name, const char *text)
{
    char buffer[64] = "";
    uint64_t size = 0;
    assert_int_equal(s->size(s->state, name, &size, NULL), VSS_OK);
    assert_int_equal(size, strlen(text));
    assert_int_equal(s->read(s->state, name, 0, buffer, strlen(text), NULL), VSS_OK);
    assert_string_equal(buffer, text);
}

/* ---- every storage ---- */

static void test_put_read_size(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    vss_error err;
    char buffer[8] = "";
    uint64_t size;
    assert_int_equal(put_text(s, "a/b/object.1", "hello", &err), VSS_OK);
    assert_int_equal(put_text(s, "top", "x", &err), VSS_OK);
    expect_text(s, "a/b/object.1", "hello");
    expect_text(s, "top", "x");
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
    const vss_storage *s = &((fixture *)*state)->storage;
    vss_error err;
    assert_int_equal(put_text(s, "a/x", "one", &err), VSS_OK);
    assert_int_equal(put_text(s, "a/x", "two", &err), VSS_ERR_EXISTS);
    assert_non_null(strstr(err.message, "a/x"));
    expect_text(s, "a/x", "one");
    assert_int_equal(s->remove(s->state, "a/x", &err), VSS_OK);
    assert_int_equal(s->remove(s->state, "a/x", &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(put_text(s, "a/x", "two", &err), VSS_OK);
    expect_text(s, "a/x", "two");
}

static void test_put_many_parts(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
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
    const vss_storage *s = &((fixture *)*state)->storage;
    static const char *const bad[] = {"", "/etc/passwd", "a/../b", "..", "a//b", "a/", ".hidden", "A", "a/LOCK", "a b"};
    vss_error err;
    uint8_t byte;
    uint64_t size;
    const void *data = &byte;
    void *lock = &byte;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(put_text(s, bad[i], "x", &err), VSS_ERR_INVALID);
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

typedef struct listing {
    char text[512];
    size_t calls;
    size_t stop_after; /* 0: never */
} listing;

static int listing_add(void *arg, const char *name)
{
    listing *l = arg;
    assert_true(strlen(l->text) + strlen(name) + 2 <= sizeof l->text);
    strcat(l->text, name);
    strcat(l->text, " ");
    return ++l->calls == l->stop_after;
}

static int compare_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names listed, sorted, each followed by a blank. */
static void expect_list(const vss_storage *s, const char *prefix, int shallow, const char *expected)
{
    listing l = {{0}, 0, 0};
    vss_error err = {0};
    assert_int_equal(s->list(s->state, prefix, shallow, listing_add, &l, &err), VSS_OK);
    char *names[64];
    size_t n = 0;
    for (char *p = strtok(l.text, " "); p != NULL; p = strtok(NULL, " "))
        names[n++] = p;
    qsort(names, n, sizeof *names, compare_text);
    char sorted[512] = "";
    for (size_t i = 0; i < n; i++) {
        strcat(sorted, names[i]);
        strcat(sorted, " ");
    }
    assert_string_equal(sorted, expected);
}

static void test_list(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    static const char *const names[] = {"b", "a/1", "a/2", "a/x/1", "a/x/y/1", "ab/1", "a-b"};
    void *lock;
    expect_list(s, "", 0, "");
    expect_list(s, "", 1, "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(put_text(s, names[i], "x", NULL), VSS_OK);
    assert_int_equal(s->lock(s->state, "a/LOCK", &lock, NULL), VSS_OK);
    expect_list(s, "", 0, "a-b a/1 a/2 a/x/1 a/x/y/1 ab/1 b ");
    expect_list(s, "", 1, "a-b a/ ab/ b ");
    expect_list(s, "a/", 0, "a/1 a/2 a/x/1 a/x/y/1 ");
    expect_list(s, "a/", 1, "a/1 a/2 a/x/ ");
    expect_list(s, "a/x/", 1, "a/x/1 a/x/y/ ");
    expect_list(s, "a/nothing/here/", 0, "");
    expect_list(s, "b/", 1, "");
    listing l = {{0}, 0, 2};
    assert_int_equal(s->list(s->state, "", 0, listing_add, &l, NULL), VSS_OK);
    assert_int_equal(l.calls, 2);
    l = (listing){{0}, 0, 1};
    assert_int_equal(s->list(s->state, "", 1, listing_add, &l, NULL), VSS_OK);
    assert_int_equal(l.calls, 1);
    vss_error err;
    assert_int_equal(s->list(s->state, "a", 0, listing_add, &l, &err), VSS_ERR_INVALID);
    assert_int_equal(s->list(s->state, "../", 0, listing_add, &l, &err), VSS_ERR_INVALID);
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
    const vss_storage *s = &((fixture *)*state)->storage;
    char name[32];
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof name, "d%d/%d/o", i % 5, i);
        assert_int_equal(put_text(s, name, "x", NULL), VSS_OK);
    }
    assert_int_equal(s->list(s->state, "", 0, listing_remove, (void *)(uintptr_t)s, NULL), VSS_OK);
    expect_list(s, "", 0, "");
    expect_list(s, "", 1, "");
}

static void test_map(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    const void *data, *empty;
    vss_error err;
    assert_int_equal(put_text(s, "m/a", "mapped bytes", NULL), VSS_OK);
    assert_int_equal(put_text(s, "m/e", "", NULL), VSS_OK);
    assert_int_equal(s->map(s->state, "m/a", 11, &data, &err), VSS_ERR_CORRUPT);
    assert_null(data);
    assert_int_equal(s->map(s->state, "m/a", 13, &data, &err), VSS_ERR_CORRUPT);
    assert_int_equal(s->map(s->state, "m/b", 13, &data, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(s->map(s->state, "m/e", 0, &empty, &err), VSS_OK);
    assert_int_equal(s->map(s->state, "m/a", 12, &data, &err), VSS_OK);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_int_equal(s->remove(s->state, "m/a", &err), VSS_OK);
    assert_int_equal(put_text(s, "m/a", "other bytes!", NULL), VSS_OK);
    assert_memory_equal(data, "mapped bytes", 12);
    s->unmap(s->state, data, 12);
    s->unmap(s->state, empty, 0);
}

static void test_view(void **state)
{
    fixture *f = *state;
    vss_storage without = f->storage;
    without.map = NULL;
    without.unmap = NULL;
    vss_error err;
    assert_int_equal(put_text(&f->storage, "v", "twelve bytes", NULL), VSS_OK);
    assert_int_equal(put_text(&f->storage, "e", "", NULL), VSS_OK);
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
    const vss_storage *s = &((fixture *)*state)->storage;
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
    vss_status status = put_text(r->storage, name, text, NULL);
    if (status == VSS_OK) {
        atomic_fetch_add(&r->wins, 1);
        atomic_store(&r->winner, (int)i);
    } else {
        atomic_fetch_add(status == VSS_ERR_EXISTS ? &r->losses : &r->others, 1);
    }
}

static void test_one_of_many_puts_wins(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    for (int round = 0; round < 20; round++) {
        race r = {.storage = s, .round = round};
        vssi_parallel_for(NULL, 8, 8, race_put, &r);
        assert_int_equal(r.wins, 1);
        assert_int_equal(r.losses, 7);
        char name[32], text[32];
        (void)snprintf(name, sizeof name, "race/%d/object", round);
        (void)snprintf(text, sizeof text, "writer %d", r.winner);
        expect_text(s, name, text);
    }
}

/* Puts and removes in one folder, which comes and goes: none may fail for that. */
static void race_put_remove(void *arg, size_t i)
{
    race *r = arg;
    char name[32];
    (void)snprintf(name, sizeof name, "deep/folder/%zu", i);
    for (int round = 0; round < 25; round++) {
        if (put_text(r->storage, name, "x", NULL) != VSS_OK)
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
    race r = {.storage = &((fixture *)*state)->storage};
    vssi_parallel_for(NULL, 4, 4, race_put_remove, &r);
    assert_int_equal(r.others, 0);
    vssi_parallel_for(NULL, 4, 4, race_lock, &r);
    assert_int_equal(r.others, 0);
    expect_list(r.storage, "", 1, "");
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
    status = put_text(&s, "a/b", "bytes", err);
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
    remove_tree(root);
}

/* ---- POSIX only ---- */

static char *path_in(const fixture *f, const char *rest)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", f->root, rest);
    return path;
}

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_posix_follows_no_link(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    char outside[] = "/tmp/vss-outside-XXXXXX";
    char secret[64];
    vss_error err;
    uint8_t byte;
    uint64_t size;
    const void *data;
    void *lock;
    assert_non_null(mkdtemp(outside));
    (void)snprintf(secret, sizeof secret, "%s/secret", outside);
    make_file(secret, "secret");
    assert_int_equal(symlink(outside, path_in(f, "dir")), 0);
    assert_int_equal(symlink(secret, path_in(f, "file")), 0);
    static const char *const names[] = {"dir/secret", "file"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s->read(s->state, names[i], 0, &byte, 1, &err), VSS_ERR_IO);
        assert_int_equal(s->size(s->state, names[i], &size, &err), VSS_ERR_IO);
        assert_int_equal(s->map(s->state, names[i], 6, &data, &err), VSS_ERR_IO);
    }
    assert_int_equal(put_text(s, "dir/new", "x", &err), VSS_ERR_IO);
    assert_int_equal(put_text(s, "file", "x", &err), VSS_ERR_EXISTS);
    assert_int_equal(s->remove(s->state, "dir/secret", &err), VSS_ERR_IO);
    assert_int_equal(s->lock(s->state, "dir/LOCK", &lock, &err), VSS_ERR_IO);
    expect_list(s, "", 0, "");
    expect_list(s, "", 1, "");
    expect_list(s, "dir/", 0, "");
    assert_int_equal(access(secret, F_OK), 0);
    (void)snprintf(secret, sizeof secret, "%s/new", outside);
    assert_int_not_equal(access(secret, F_OK), 0);
    remove_tree(outside);
}

static void test_posix_passes_over_what_is_no_object(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    uint8_t byte;
    assert_int_equal(put_text(s, "c/o", "x", NULL), VSS_OK);
    make_file(path_in(f, "c/.tmp-1-2"), "left over");
    make_file(path_in(f, "c/README"), "a stranger's");
    assert_int_equal(mkfifo(path_in(f, "c/pipe"), 0600), 0);
    assert_int_equal(mkdir(path_in(f, "empty"), 0700), 0);
    assert_int_equal(mkdir(path_in(f, "empty/deeper"), 0700), 0);
    expect_list(s, "", 0, "c/o ");
    expect_list(s, "", 1, "c/ ");
    assert_int_equal(s->read(s->state, "c/pipe", 0, &byte, 1, &err), VSS_ERR_IO);
    assert_string_equal(err.message, "can't open \"c/pipe\": not a regular file");
}

static void test_posix_list_of_deep_folders(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    char name[513] = "";
    for (int i = 0; i < 200; i++)
        strcat(name, "d/");
    strcat(name, "o");
    char expected[600];
    (void)snprintf(expected, sizeof expected, "%s ", name);
    assert_int_equal(put_text(s, name, "x", NULL), VSS_OK);
    expect_list(s, "", 0, expected);
    expect_list(s, "", 1, "d/ ");
    assert_int_equal(s->remove(s->state, name, NULL), VSS_OK);
    assert_int_not_equal(access(path_in(*state, "d"), F_OK), 0);
}

static void test_posix_files(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    struct stat info;
    void *lock;
    assert_int_equal(put_text(s, "a/b/o", "x", NULL), VSS_OK);
    assert_int_equal(stat(path_in(f, "a/b/o"), &info), 0);
    assert_int_equal(info.st_mode & 0222, 0);
    assert_int_equal(info.st_nlink, 1);
    assert_int_equal(put_text(s, "a/b/o", "x", NULL), VSS_ERR_EXISTS);
    assert_int_equal(s->lock(s->state, "a/LOCK", &lock, NULL), VSS_OK);
    assert_int_equal(s->remove(s->state, "a/b/o", NULL), VSS_OK);
    /* Nothing hidden was left, or the folder could not have gone. */
    assert_int_not_equal(access(path_in(f, "a/b"), F_OK), 0);
    assert_int_equal(access(path_in(f, "a/LOCK"), F_OK), 0);
    s->unlock(s->state, lock);
    assert_int_not_equal(access(path_in(f, "a"), F_OK), 0);
}

static void test_posix_short_file_is_corrupt(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    char buffer[8];
    assert_int_equal(put_text(s, "o", "12345678", NULL), VSS_OK);
    assert_int_equal(truncate(path_in(f, "o"), 5), 0);
    assert_int_equal(s->read(s->state, "o", 0, buffer, 8, &err), VSS_ERR_CORRUPT);
    assert_string_equal(err.message, "\"o\" has 5 bytes, 8 wanted at byte 0");
    vssi_view view;
    assert_int_equal(vssi_view_open(s, &f->heap, "o", 8, &view, &err), VSS_ERR_CORRUPT);
    assert_string_equal(err.message, "\"o\" has 5 bytes, expected 8");
}

static void test_posix_read_only(void **state)
{
    fixture *f = *state;
    vss_storage s;
    vss_error err;
    void *lock;
    assert_int_equal(put_text(&f->storage, "a/o", "x", NULL), VSS_OK);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none"), true, true, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none"), false, false, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none/deep"), true, false, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "a/o"), true, false, &s, &err), VSS_ERR_IO);
    assert_int_equal(vssi_storage_posix(&f->heap, f->root, false, true, &s, &err), VSS_OK);
    expect_text(&s, "a/o", "x");
    expect_list(&s, "", 1, "a/ ");
    assert_int_equal(put_text(&s, "a/p", "x", &err), VSS_ERR_READ_ONLY);
    assert_int_equal(s.remove(s.state, "a/o", &err), VSS_ERR_READ_ONLY);
    assert_int_equal(s.lock(s.state, "a/LOCK", &lock, &err), VSS_ERR_READ_ONLY);
    s.close(s.state);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "new"), true, false, &s, &err), VSS_OK);
    s.close(s.state);
    assert_int_equal(access(path_in(f, "new"), F_OK), 0);
}

/* What another process is told: the status, and whether the line names us. */
static int child_lock_status(const char *root, long long holder)
{
    vssi_heap heap;
    vss_storage s;
    vss_error err;
    void *lock;
    char expected[64];
    vssi_heap_init(&heap, NULL, 0);
    if (vssi_storage_posix(&heap, root, false, false, &s, &err) != VSS_OK)
        return 100;
    vss_status status = s.lock(s.state, "coll/LOCK", &lock, &err);
    (void)snprintf(expected, sizeof expected, "\"coll\" is held by process %lld on host ", holder);
    if (status == VSS_ERR_BUSY && strncmp(err.message, expected, strlen(expected)) != 0)
        return 101;
    /* Whoever gets the lock dies with it. */
    return -(int)status;
}

static int child_wait(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_posix_lock_between_processes(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    void *lock;
    long long self = getpid();
    assert_int_equal(s->lock(s->state, "coll/LOCK", &lock, NULL), VSS_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(child_lock_status(f->root, self));
    assert_int_equal(child_wait(child), -VSS_ERR_BUSY);
    /* A child that gives back what its parent holds takes nothing from the parent. */
    child = fork();
    if (child == 0) {
        s->unlock(s->state, lock);
        _exit(child_lock_status(f->root, self));
    }
    assert_int_equal(child_wait(child), -VSS_ERR_BUSY);
    s->unlock(s->state, lock);
    child = fork();
    if (child == 0)
        _exit(child_lock_status(f->root, self));
    assert_int_equal(child_wait(child), 0);
    /* The file that the dead child left is no lock. */
    assert_int_equal(access(path_in(f, "coll/LOCK"), F_OK), 0);
    assert_int_equal(s->lock(s->state, "coll/LOCK", &lock, NULL), VSS_OK);
    s->unlock(s->state, lock);
}

/* ---- the fault storage itself ---- */

static void test_fault_storage(void **state)
{
    fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    uint64_t size;
    assert_int_equal(put_text(s, "a", "0123456789", &err), VSS_OK);
    fault_storage_fail(&f->fault, FAULT_PUT, 2, VSS_ERR_NO_SPACE, FAULT_ONCE);
    assert_int_equal(put_text(s, "b", "x", &err), VSS_OK);
    assert_int_equal(put_text(s, "c", "x", &err), VSS_ERR_NO_SPACE);
    assert_string_equal(err.message, "injected fault: put \"c\"");
    assert_int_equal(put_text(s, "c", "x", &err), VSS_OK);
    fault_storage_fail(&f->fault, FAULT_ANY, 1, VSS_ERR_IO, FAULT_FOREVER);
    assert_int_equal(s->size(s->state, "a", &size, &err), VSS_ERR_IO);
    assert_int_equal(s->remove(s->state, "a", &err), VSS_ERR_IO);
    fault_storage_fail(&f->fault, FAULT_PUT, 1, VSS_ERR_UNKNOWN_COMMIT, FAULT_AFTER);
    assert_int_equal(put_text(s, "d", "there", &err), VSS_ERR_UNKNOWN_COMMIT);
    fault_storage_fail(&f->fault, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    expect_text(s, "d", "there");
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
    expect_text(s, "a", "0123456789");
}

/* One test a storage. */
#define TEST_ON(test, kind) {#test " on " #kind, test, setup_##kind, teardown, NULL}
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
        TEST_ON(test_posix_follows_no_link, posix),
        TEST_ON(test_posix_passes_over_what_is_no_object, posix),
        TEST_ON(test_posix_list_of_deep_folders, posix),
        TEST_ON(test_posix_files, posix),
        TEST_ON(test_posix_short_file_is_corrupt, posix),
        TEST_ON(test_posix_read_only, posix),
        TEST_ON(test_posix_lock_between_processes, posix),
        TEST_ON(test_fault_storage, wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
