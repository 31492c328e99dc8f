/*
 * storage_fixture.c - storage_fixture.h
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

#include "storage_fixture.h"

void storage_remove_tree(const char *path)
{
    char command[128];
    assert_true(snprintf(command, sizeof command, "rm -rf '%s'", path) < (int)sizeof command);
    assert_int_equal(system(command), 0);
}

static storage_fixture *fixture_new(void)
{
    storage_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    vssi_heap_init(&f->heap, NULL, 0);
    return f;
}

int storage_setup_memory(void **state)
{
    storage_fixture *f = fixture_new();
    *state = f;
    return vssi_storage_memory(&f->heap, &f->storage, NULL);
}

int storage_setup_posix(void **state)
{
    storage_fixture *f = fixture_new();
    *state = f;
    strcpy(f->root, "/tmp/vss-storage-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        return -1;
    return vssi_storage_posix(&f->heap, f->root, true, false, &f->storage, NULL);
}

int storage_setup_wrapped(void **state)
{
    storage_fixture *f = fixture_new();
    *state = f;
    vss_storage inner;
    if (vssi_storage_memory(&f->heap, &inner, NULL) != VSS_OK)
        return -1;
    fault_storage_wrap(&f->fault, &inner, &f->storage);
    return 0;
}

int storage_teardown(void **state)
{
    storage_fixture *f = *state;
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    if (f->root[0] != '\0')
        storage_remove_tree(f->root);
    free(f);
    return 0;
}

vss_status storage_put_text(const vss_storage *s, const char *name, const char *text, vss_error *err)
{
    return s->put(s->state, name, &(vss_span){text, strlen(text)}, 1, err);
}

void storage_expect_text(const vss_storage *s, const char *name, const char *text)
{
    char buffer[64] = "";
    uint64_t size = 0;
    assert_int_equal(s->size(s->state, name, &size, NULL), VSS_OK);
    assert_int_equal(size, strlen(text));
    assert_int_equal(s->read(s->state, name, 0, buffer, strlen(text), NULL), VSS_OK);
    assert_string_equal(buffer, text);
}

int storage_listing_add(void *arg, const char *name)
{
    storage_listing *l = arg;
    assert_true(strlen(l->text) + strlen(name) + 2 <= sizeof l->text);
    strcat(l->text, name);
    strcat(l->text, " ");
    return ++l->calls == l->stop_after;
}

static int compare_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names listed, sorted, each followed by a blank. */
void storage_expect_list(const vss_storage *s, const char *prefix, int shallow, const char *expected)
{
    storage_listing l = {{0}, 0, 0};
    vss_error err = {0};
    assert_int_equal(s->list(s->state, prefix, shallow, storage_listing_add, &l, &err), VSS_OK);
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
