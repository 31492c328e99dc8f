/*
 * test_syscalls.c - what the posix storage asks of the system, in which order, and what it does when the system fails
 *
 * Calls are caught by the linker (--wrap). The order: a put has its bytes synced before the name appears and the folder
 * synced after it; whatever folder is made is synced in the one above; a log's name is synced when it is opened and its
 * bytes when it is synced. Then every call of each operation fails in turn with EIO, ENOSPC and EINTR, and every write
 * takes one byte less than it was given: an operation that fails leaves nothing, one that says UNKNOWN_COMMIT the whole
 * or nothing, and a short write is no failure at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../lib/storage/storage.h"
#include "../support/maker.h"

typedef enum call_kind {
    CALL_OPEN,
    CALL_MKDIR,
    CALL_WRITE,
    CALL_SYNC,
    CALL_LINK,
    CALL_UNLINK,
    CALL_TRUNCATE
} call_kind;

typedef struct call {
    call_kind kind;
    char path[160]; /* below the root; of a folder ending in '/' */
} call;

enum { CALLS = 256 };

static struct {
    bool on;
    char root[64];
    size_t n;
    call calls[CALLS];
    uint64_t fail_at; /* the call of that number; 0: none */
    uint64_t made;
    int reason;
    bool short_writes, met;
} trace;

int __real_openat(int folder, const char *path, int flags, mode_t mode);
int __real_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __real_writev(int fd, const struct iovec *parts, int n);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags);
int __real_unlinkat(int folder, const char *path, int flags);
int __real_ftruncate(int fd, off_t size);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags);
int __wrap_unlinkat(int folder, const char *path, int flags);
int __wrap_ftruncate(int fd, off_t size);

/* The path of a descriptor, below the root. */
static void trace_path(int fd, const char *leaf, char out[160])
{
    char link[64], path[512] = "";
    struct stat info;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    const char *below = strncmp(path, trace.root, strlen(trace.root)) == 0 ? path + strlen(trace.root) : path;
    below += *below == '/';
    const bool folder = leaf != NULL || (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode));
    (void)snprintf(out, 160, "%.100s%s%.50s", below, folder ? "/" : "", leaf == NULL ? "" : leaf);
}

/* Note a call. True: it must fail, errno is set. */
static bool trace_call(call_kind kind, int fd, const char *leaf)
{
    if (!trace.on)
        return false;
    assert_true(trace.n < CALLS);
    trace.calls[trace.n].kind = kind;
    trace_path(fd, leaf, trace.calls[trace.n++].path);
    if (++trace.made != trace.fail_at)
        return false;
    trace.met = true;
    errno = trace.reason;
    return true;
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const mode_t mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
    va_end(args);
    if ((flags & O_CREAT) && trace_call(CALL_OPEN, folder, path))
        return -1;
    return __real_openat(folder, path, flags, mode);
}

int __wrap_mkdirat(int folder, const char *path, mode_t mode)
{
    return trace_call(CALL_MKDIR, folder, path) ? -1 : __real_mkdirat(folder, path, mode);
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int n)
{
    if (trace_call(CALL_WRITE, fd, NULL))
        return -1;
    if (trace.on && trace.short_writes && n > 0 && parts[0].iov_len > 1) {
        const struct iovec first = {parts[0].iov_base, parts[0].iov_len - 1};
        return __real_writev(fd, &first, 1);
    }
    return __real_writev(fd, parts, n);
}

int __wrap_fsync(int fd) { return trace_call(CALL_SYNC, fd, NULL) ? -1 : __real_fsync(fd); }
int __wrap_fdatasync(int fd) { return trace_call(CALL_SYNC, fd, NULL) ? -1 : __real_fdatasync(fd); }

int __wrap_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    return trace_call(CALL_LINK, to_folder, to) ? -1 : __real_linkat(from_folder, from, to_folder, to, flags);
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
    return trace_call(CALL_UNLINK, folder, path) ? -1 : __real_unlinkat(folder, path, flags);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return trace_call(CALL_TRUNCATE, fd, NULL) ? -1 : __real_ftruncate(fd, size);
}

/* ---- operations ---- */

typedef struct fixture {
    vssi_heap heap;
    vss_storage storage;
    void *log;
} fixture;

static const char bytes[3000] = "bytes";

static void begin(fixture *f, bool with_log)
{
    vss_error err;
    memset(f, 0, sizeof *f);
    memset(&trace, 0, sizeof trace);
    vssi_heap_init(&f->heap, NULL, 0);
    strcpy(trace.root, "/tmp/vss-syscalls-XXXXXX");
    assert_non_null(mkdtemp(trace.root));
    MUST(vssi_storage_posix(&f->heap, trace.root, true, false, &f->storage, &err));
    const vss_span part = {bytes, 500};
    if (with_log) {
        MUST(f->storage.log_open(f->storage.state, "c/w/1", &f->log, &err));
        MUST(f->storage.log_append(f->storage.state, f->log, &part, 1, &err));
    }
}

static void end(fixture *f)
{
    char command[96];
    trace.on = false;
    if (f->log != NULL)
        f->storage.log_close(f->storage.state, f->log);
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", trace.root);
    assert_int_equal(system(command), 0);
}

typedef vss_status (*operation)(fixture *f, vss_error *err);

static vss_status do_put(fixture *f, vss_error *err)
{
    const vss_span parts[] = {{bytes, 1000}, {NULL, 0}, {bytes, 2000}};
    return f->storage.put(f->storage.state, "c/s/x", parts, 3, err);
}

static vss_status do_open(fixture *f, vss_error *err)
{
    return f->storage.log_open(f->storage.state, "c/w/2", &f->log, err);
}

static vss_status do_append(fixture *f, vss_error *err)
{
    const vss_span parts[] = {{bytes, 64}, {bytes, 700}};
    return f->storage.log_append(f->storage.state, f->log, parts, 2, err);
}

static vss_status do_sync(fixture *f, vss_error *err) { return f->storage.log_sync(f->storage.state, f->log, err); }

static vss_status run(fixture *f, operation op, vss_error *err)
{
    trace.on = true;
    const vss_status status = op(f, err);
    trace.on = false;
    return status;
}

/* The place of the last call of a kind whose path begins and ends so; -1: none. */
static int last(call_kind kind, const char *first, const char *end_text)
{
    for (size_t i = trace.n; i-- > 0;) {
        const size_t size = strlen(trace.calls[i].path), tail = strlen(end_text);
        if (trace.calls[i].kind == kind && strncmp(trace.calls[i].path, first, strlen(first)) == 0 && size >= tail &&
            strcmp(trace.calls[i].path + size - tail, end_text) == 0)
            return (int)i;
    }
    return -1;
}

static void in_order(int earlier, int later)
{
    assert_true(earlier >= 0);
    assert_true(later > earlier);
}

static void syscalls__of_a_put(void **state)
{
    fixture f;
    vss_error err;
    (void)state;
    begin(&f, false);
    MUST(run(&f, do_put, &err));
    const int link = last(CALL_LINK, "c/s/x", "");
    in_order(last(CALL_WRITE, "c/s/.tmp-", ""), last(CALL_SYNC, "c/s/.tmp-", "")); /* the bytes, */
    in_order(last(CALL_SYNC, "c/s/.tmp-", ""), link);                             /* then the name, */
    in_order(link, last(CALL_SYNC, "c/s/", "/"));                                 /* then its folder */
    in_order(last(CALL_MKDIR, "c/s", ""), last(CALL_SYNC, "c/", "c/"));
    in_order(last(CALL_MKDIR, "/c", ""), last(CALL_SYNC, "/", "/"));
    in_order(last(CALL_SYNC, "c/", "c/"), link);
    end(&f);
}

static void syscalls__of_a_log(void **state)
{
    fixture f;
    vss_error err;
    (void)state;
    begin(&f, false);
    MUST(run(&f, do_open, &err));
    in_order(last(CALL_OPEN, "c/w/2", ""), last(CALL_SYNC, "c/w/", "/"));
    in_order(last(CALL_MKDIR, "c/w", ""), last(CALL_SYNC, "c/", "c/"));
    in_order(last(CALL_MKDIR, "/c", ""), last(CALL_SYNC, "/", "/"));
    MUST(run(&f, do_append, &err));
    MUST(run(&f, do_sync, &err));
    in_order(last(CALL_WRITE, "c/w/2", ""), last(CALL_SYNC, "c/w/2", ""));
    end(&f);
}

/* ---- failures ---- */

static uint64_t size_of(fixture *f, const char *name)
{
    uint64_t size;
    vss_error err;
    return f->storage.size(f->storage.state, name, &size, &err) == VSS_OK ? size : UINT64_MAX;
}

typedef struct subject {
    const char *name, *object;
    operation op;
    bool with_log;
    uint64_t before, after; /* size of the object; UINT64_MAX: absent */
} subject;

static const subject subjects[] = {
    {"put", "c/s/x", do_put, false, UINT64_MAX, 3000},
    {"log_open", "c/w/2", do_open, false, UINT64_MAX, 0},
    {"log_append", "c/w/1", do_append, true, 500, 1264},
    {"log_sync", "c/w/1", do_sync, true, 500, 500},
};

/* False: the operation makes fewer calls. */
static bool fail_once(const subject *s, uint64_t nth, int reason, bool short_writes)
{
    fixture f;
    vss_error err = {.status = VSS_OK};
    begin(&f, s->with_log);
    trace.fail_at = nth;
    trace.reason = reason;
    trace.short_writes = short_writes;
    const vss_status status = run(&f, s->op, &err);
    const bool met = trace.met;
    const uint64_t size = size_of(&f, s->object);
    if (status == VSS_OK)
        assert_int_equal(size, s->after);
    else if (status == VSS_ERR_UNKNOWN_COMMIT)
        assert_true(size == s->before || size == s->after || s->op == do_append);
    else
        assert_int_equal(size, s->before);
    if (status != VSS_OK && reason == ENOSPC && status != VSS_ERR_NO_SPACE && status != VSS_ERR_UNKNOWN_COMMIT)
        assert_true(status == VSS_ERR_IO && s->op == do_sync);
    if (!met)
        assert_int_equal(status, VSS_OK);
    trace.fail_at = 0;
    if (met && status != VSS_OK && status != VSS_ERR_UNKNOWN_COMMIT && s->op != do_sync) {
        MUST(s->op(&f, &err)); /* made again it succeeds */
        assert_int_equal(size_of(&f, s->object), s->after);
    }
    end(&f);
    return met;
}

static void syscalls__that_fail(void **state)
{
    static const int reasons[] = {EIO, ENOSPC, EINTR};
    size_t failed = 0;
    (void)state;
    for (size_t s = 0; s < sizeof subjects / sizeof *subjects; s++)
        for (size_t r = 0; r < 3; r++)
            for (int cut = 0; cut < 2; cut++)
                for (uint64_t nth = 1; fail_once(&subjects[s], nth, reasons[r], cut != 0); nth++)
                    failed++;
    print_message("%zu system calls failed\n", failed);
    assert_true(failed > 60);
}

/* A failed sync is a failure of the operation, never passed over. */
static void syscalls__whose_sync_fails(void **state)
{
    static const vss_status told[] = {VSS_ERR_IO, VSS_ERR_IO, VSS_OK, VSS_ERR_IO};
    (void)state;
    for (size_t s = 0; s < sizeof subjects / sizeof *subjects; s++)
        for (uint64_t nth = 1;; nth++) {
            fixture f;
            vss_error err;
            begin(&f, subjects[s].with_log);
            trace.fail_at = nth;
            trace.reason = EIO;
            const vss_status status = run(&f, subjects[s].op, &err);
            const bool met = trace.met, sync = met && trace.calls[nth - 1].kind == CALL_SYNC;
            if (sync)
                assert_true(status == told[s] || status == VSS_ERR_UNKNOWN_COMMIT);
            end(&f);
            if (!met)
                break;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syscalls__of_a_put),
        cmocka_unit_test(syscalls__of_a_log),
        cmocka_unit_test(syscalls__that_fail),
        cmocka_unit_test(syscalls__whose_sync_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
