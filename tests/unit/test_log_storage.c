/*
 * test_log_storage.c - the log functions of vss/storage.h held against every storage that has them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../../lib/storage/storage.h"

typedef struct fixture {
    vssi_heap heap;
    vss_storage storage;
    char root[64]; /* "" for memory */
} fixture;

static int setup_memory(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    vssi_heap_init(&f->heap, NULL, 0);
    *state = f;
    return vssi_storage_memory(&f->heap, &f->storage, NULL);
}

static int setup_posix(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    vssi_heap_init(&f->heap, NULL, 0);
    *state = f;
    strcpy(f->root, "/tmp/vss-log-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        return -1;
    return vssi_storage_posix(&f->heap, f->root, true, false, &f->storage, NULL);
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[96];
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->root);
    if (f->root[0] != '\0')
        assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void *open_log(const vss_storage *s, const char *name)
{
    void *log;
    vss_error err;
    assert_int_equal(s->log_open(s->state, name, &log, &err), VSS_OK);
    return log;
}

static void append(const vss_storage *s, void *log, const char *first, const char *second)
{
    const vss_span parts[] = {{first, strlen(first)}, {NULL, 0}, {second, strlen(second)}};
    vss_error err;
    assert_int_equal(s->log_append(s->state, log, parts, 3, &err), VSS_OK);
}

static void expect(const vss_storage *s, const char *name, const char *text)
{
    char buffer[64] = "";
    uint64_t size;
    assert_int_equal(s->size(s->state, name, &size, NULL), VSS_OK);
    assert_int_equal(size, strlen(text));
    assert_int_equal(s->read(s->state, name, 0, buffer, strlen(text), NULL), VSS_OK);
    assert_string_equal(buffer, text);
}

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

static void log__grows_at_its_end(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    int names = 0;
    vss_error err;
    void *log = open_log(s, "c/w/1"), *other;
    expect(s, "c/w/1", "");
    append(s, log, "one", "two");
    expect(s, "c/w/1", "onetwo");
    append(s, log, "", "");
    append(s, log, "-", "three");
    expect(s, "c/w/1", "onetwo-three");
    assert_int_equal(s->log_sync(s->state, log, &err), VSS_OK);
    s->log_close(s->state, log);
    expect(s, "c/w/1", "onetwo-three");
    assert_int_equal(s->log_open(s->state, "c/w/1", &other, &err), VSS_ERR_EXISTS);
    assert_null(other);
    assert_non_null(strstr(err.message, "c/w/1"));
    assert_int_equal(s->list(s->state, "c/", 0, count_name, &names, &err), VSS_OK);
    assert_int_equal(names, 1);
    assert_int_equal(s->remove(s->state, "c/w/1", &err), VSS_OK);
    log = open_log(s, "c/w/1");
    s->log_close(s->state, log);
    expect(s, "c/w/1", "");
}

static void log__outlives_its_name(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    vss_error err;
    void *log = open_log(s, "w/1");
    append(s, log, "a", "b");
    assert_int_equal(s->remove(s->state, "w/1", &err), VSS_OK);
    append(s, log, "c", "d");
    assert_int_equal(s->put(s->state, "w/1", &(vss_span){"new", 3}, 1, &err), VSS_OK);
    append(s, log, "e", "f");
    expect(s, "w/1", "new");
    s->log_close(s->state, log);
    s->log_close(s->state, NULL);
    expect(s, "w/1", "new");
}

/* Past every spare room, with a mapping and a read of what was there. */
static void log__grows_large(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    enum { RECORD = 1000, RECORDS = 300 };
    uint8_t *record = malloc(RECORD), *all = malloc(RECORD * RECORDS);
    const void *early;
    vss_error err;
    void *log = open_log(s, "w/00000000000000000001");
    for (int i = 0; i < RECORDS; i++) {
        memset(record, i, RECORD);
        memcpy(all + i * RECORD, record, RECORD);
        assert_int_equal(s->log_append(s->state, log, &(vss_span){record, RECORD}, 1, &err), VSS_OK);
        if (i == 2)
            assert_int_equal(s->map(s->state, "w/00000000000000000001", 3 * RECORD, &early, &err), VSS_OK);
    }
    assert_int_equal(s->log_sync(s->state, log, &err), VSS_OK);
    assert_memory_equal(early, all, 3 * RECORD);
    s->unmap(s->state, early, 3 * RECORD);
    uint8_t *stored = malloc(RECORD * RECORDS);
    assert_int_equal(s->read(s->state, "w/00000000000000000001", 0, stored, RECORD * RECORDS, &err), VSS_OK);
    assert_memory_equal(stored, all, RECORD * RECORDS);
    s->log_close(s->state, log);
    free(record);
    free(all);
    free(stored);
}

static void log__names_are_checked(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    static const char *const wrong[] = {"", "/w", "w/", "../w", "w/.x", "W", "a b"};
    vss_error err;
    void *log;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(s->log_open(s->state, wrong[i], &log, &err), VSS_ERR_INVALID);
        assert_null(log);
    }
}

/* A write that the system takes in part is taken back. */
static void log__takes_a_failed_append_back(void **state)
{
    const vss_storage *s = &((fixture *)*state)->storage;
    struct rlimit before, small;
    char *large = calloc(1, 100000);
    vss_error err;
    void *log = open_log(s, "w/1");
    append(s, log, "kept", "");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(s->log_append(s->state, log, &(vss_span){large, 100000}, 1, &err), VSS_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect(s, "w/1", "kept");
    append(s, log, " and", " on");
    expect(s, "w/1", "kept and on");
    s->log_close(s->state, log);
    free(large);
}

static void log__is_refused_read_only(void **state)
{
    const fixture *f = *state;
    vss_storage reader;
    vssi_heap heap;
    vss_error err;
    void *log;
    vssi_heap_init(&heap, NULL, 0);
    assert_int_equal(vssi_storage_posix(&heap, f->root, false, true, &reader, &err), VSS_OK);
    assert_int_equal(reader.log_open(reader.state, "w/1", &log, &err), VSS_ERR_READ_ONLY);
    reader.close(reader.state);
}

#define TEST_ON(test, kind) {#test " on " #kind, test, setup_##kind, teardown, NULL}
#define TEST_ALL(test) TEST_ON(test, memory), TEST_ON(test, posix)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(log__grows_at_its_end),
        TEST_ALL(log__outlives_its_name),
        TEST_ALL(log__grows_large),
        TEST_ALL(log__names_are_checked),
        TEST_ON(log__takes_a_failed_append_back, posix),
        TEST_ON(log__is_refused_read_only, posix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
