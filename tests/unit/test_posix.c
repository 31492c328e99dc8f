/*
 * test_posix.c - what only the POSIX storage does: links, others' files, folders, short files, locks of processes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/storage_fixture.h"

static char *path_in(const storage_fixture *f, const char *rest)
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
    storage_fixture *f = *state;
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
    assert_int_equal(storage_put_text(s, "dir/new", "x", &err), VSS_ERR_IO);
    assert_int_equal(storage_put_text(s, "file", "x", &err), VSS_ERR_EXISTS);
    assert_int_equal(s->remove(s->state, "dir/secret", &err), VSS_ERR_IO);
    assert_int_equal(s->lock(s->state, "dir/LOCK", &lock, &err), VSS_ERR_IO);
    storage_expect_list(s, "", 0, "");
    storage_expect_list(s, "", 1, "");
    storage_expect_list(s, "dir/", 0, "");
    assert_int_equal(access(secret, F_OK), 0);
    (void)snprintf(secret, sizeof secret, "%s/new", outside);
    assert_int_not_equal(access(secret, F_OK), 0);
    storage_remove_tree(outside);
}

static void test_posix_passes_over_others(void **state)
{
    storage_fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    uint8_t byte;
    assert_int_equal(storage_put_text(s, "c/o", "x", NULL), VSS_OK);
    make_file(path_in(f, "c/.tmp-1-2"), "left over");
    make_file(path_in(f, "c/README"), "a stranger's");
    assert_int_equal(mkfifo(path_in(f, "c/pipe"), 0600), 0);
    assert_int_equal(mkdir(path_in(f, "empty"), 0700), 0);
    assert_int_equal(mkdir(path_in(f, "empty/deeper"), 0700), 0);
    storage_expect_list(s, "", 0, "c/o ");
    storage_expect_list(s, "", 1, "c/ ");
    assert_int_equal(s->read(s->state, "c/pipe", 0, &byte, 1, &err), VSS_ERR_IO);
    assert_string_equal(err.message, "can't open \"c/pipe\": not a regular file");
}

static void test_posix_list_of_deep_folders(void **state)
{
    const vss_storage *s = &((storage_fixture *)*state)->storage;
    char name[513] = "";
    for (int i = 0; i < 200; i++)
        strcat(name, "d/");
    strcat(name, "o");
    char expected[600];
    (void)snprintf(expected, sizeof expected, "%s ", name);
    assert_int_equal(storage_put_text(s, name, "x", NULL), VSS_OK);
    storage_expect_list(s, "", 0, expected);
    storage_expect_list(s, "", 1, "d/ ");
    assert_int_equal(s->remove(s->state, name, NULL), VSS_OK);
    assert_int_not_equal(access(path_in(*state, "d"), F_OK), 0);
}

static void test_posix_files(void **state)
{
    storage_fixture *f = *state;
    const vss_storage *s = &f->storage;
    struct stat info;
    void *lock;
    assert_int_equal(storage_put_text(s, "a/b/o", "x", NULL), VSS_OK);
    assert_int_equal(stat(path_in(f, "a/b/o"), &info), 0);
    assert_int_equal(info.st_mode & 0222, 0);
    assert_int_equal(info.st_nlink, 1);
    assert_int_equal(storage_put_text(s, "a/b/o", "x", NULL), VSS_ERR_EXISTS);
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
    storage_fixture *f = *state;
    const vss_storage *s = &f->storage;
    vss_error err;
    char buffer[8];
    assert_int_equal(storage_put_text(s, "o", "12345678", NULL), VSS_OK);
    assert_int_equal(truncate(path_in(f, "o"), 5), 0);
    assert_int_equal(s->read(s->state, "o", 0, buffer, 8, &err), VSS_ERR_CORRUPT);
    assert_string_equal(err.message, "\"o\" has 5 bytes, 8 wanted at byte 0");
    vssi_view view;
    assert_int_equal(vssi_view_open(s, &f->heap, "o", 8, &view, &err), VSS_ERR_CORRUPT);
    assert_string_equal(err.message, "\"o\" has 5 bytes, expected 8");
}

static void test_posix_read_only(void **state)
{
    storage_fixture *f = *state;
    vss_storage s;
    vss_error err;
    void *lock;
    assert_int_equal(storage_put_text(&f->storage, "a/o", "x", NULL), VSS_OK);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none"), true, true, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none"), false, false, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "none/deep"), true, false, &s, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vssi_storage_posix(&f->heap, path_in(f, "a/o"), true, false, &s, &err), VSS_ERR_IO);
    assert_int_equal(vssi_storage_posix(&f->heap, f->root, false, true, &s, &err), VSS_OK);
    storage_expect_text(&s, "a/o", "x");
    storage_expect_list(&s, "", 1, "a/ ");
    assert_int_equal(storage_put_text(&s, "a/p", "x", &err), VSS_ERR_READ_ONLY);
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
    storage_fixture *f = *state;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_posix_follows_no_link, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_passes_over_others, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_list_of_deep_folders, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_files, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_short_file_is_corrupt, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_read_only, storage_setup_posix, storage_teardown),
        cmocka_unit_test_setup_teardown(test_posix_lock_between_processes, storage_setup_posix, storage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
