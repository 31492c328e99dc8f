/*
 * test_leftovers.c - what a call that failed or a process that was killed leaves behind is removed by the next one
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/storage/storage.h"
#include "../support/fault_storage.h"
#include "../support/maker.h"

enum { DIM = 3 };

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
    return 0;
}

static size_t objects(const vss_storage *storage)
{
    size_t n = 0;
    vss_error err;
    MUST(storage->list(storage->state, "", 0, count_name, &n, &err));
    return n;
}

static vss_db *open_db(const vss_storage *from)
{
    vss_storage storage = *from;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    storage.close = NULL;
    options.storage = &storage;
    MUST(vss_db_open("leftovers", &options, &db, &err));
    return db;
}

static void make(vss_db *db)
{
    static const float vectors[8 * DIM] = {1, 2, 3};
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    vss_error err;
    maker_insert(col, vectors, 8, DIM, 0, 1);
    MUST(vss_collection_flush(col, &err));
    maker_insert(col, vectors, 8, DIM, 8, 1);
    MUST(vss_collection_close(col, &err));
}

typedef struct fixture {
    vssi_heap heap;
    vss_storage inside, storage;
    fault_storage faults;
    vss_db *db;
} fixture;

static void begin(fixture *f)
{
    vss_error err;
    memset(f, 0, sizeof *f);
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &f->inside, &err));
    fault_storage_wrap(&f->faults, &f->inside, &f->storage);
    f->db = open_db(&f->storage);
    make(f->db);
}

static void end(fixture *f)
{
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
}

/* Every removal of a drop fails in turn: dropped again, or made again and dropped, nothing is left. */
static void a_failed_drop(bool create)
{
    size_t failures = 0;
    for (uint64_t n = 1;; n++) {
        fixture f;
        vss_error err;
        vss_collection *col;
        begin(&f);
        fault_storage_fail(&f.faults, FAULT_REMOVE, n, VSS_ERR_IO, FAULT_FOREVER);
        const vss_status status = vss_collection_drop(f.db, "c", &err);
        fault_storage_fail(&f.faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
        if (status == VSS_OK) {
            end(&f);
            break;
        }
        failures++;
        assert_int_equal(status, VSS_ERR_IO);
        assert_int_equal(vss_collection_open(f.db, "c", &col, &err), VSS_ERR_NOT_FOUND);
        if (create) {
            col = maker_create(f.db, DIM, VSS_METRIC_L2);
            assert_int_equal(objects(&f.inside), 1); /* a manifest */
            MUST(vss_collection_close(col, &err));
        }
        MUST(vss_collection_drop(f.db, "c", &err));
        assert_int_equal(objects(&f.inside), 0);
        assert_int_equal(vss_collection_drop(f.db, "c", &err), VSS_ERR_NOT_FOUND);
        end(&f);
    }
    print_message("%zu drops failed on the way\n", failures);
    assert_true(failures >= 4);
}

static void leftovers__of_a_drop_go_with_the_next(void **state)
{
    (void)state;
    a_failed_drop(false);
}

static void leftovers__of_a_drop_go_with_a_new_one(void **state)
{
    (void)state;
    a_failed_drop(true);
}

static void touch(const char *folder, const char *name)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
}

static bool there(const char *folder, const char *name)
{
    char path[200];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &info) == 0;
}

/* Hidden files of puts that were killed go when a writer comes, and only those. */
static void leftovers__of_a_killed_put(void **state)
{
    static const char *const lost[] = {"c/.tmp-1-00000000000000aa", "c/s/.tmp-2-00000000000000bb", "c/m/.tmp-3-cc"};
    static const char *const kept[] = {"c/.other", "c/s/.tmpx", "c/x/y/.tmp-4-dd", ".tmp-5-ee", "d/s/.tmp-6-ff"};
    char folder[] = "/tmp/vss-leftovers-XXXXXX", path[200], command[96];
    vss_db *db;
    vss_collection *col;
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    (void)state;
    assert_non_null(mkdtemp(folder));
    MUST(vss_db_open(folder, NULL, &db, &err));
    make(db);
    MUST(vss_db_close(db, &err));
    static const char *const folders[] = {"c/x", "c/x/y", "d", "d/s"};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    for (size_t i = 0; i < 3; i++)
        touch(folder, lost[i]);
    for (size_t i = 0; i < 5; i++)
        touch(folder, kept[i]);
    (void)snprintf(path, sizeof path, "%s/c/i", folder);
    assert_int_equal(symlink("../d/s", path), 0); /* a link is not followed */
    options.mode = VSS_OPEN_READ_ONLY;
    MUST(vss_db_open(folder, &options, &db, &err));
    MUST(vss_collection_open(db, "c", &col, &err));
    MUST(vss_db_close(db, &err));
    for (size_t i = 0; i < 3; i++)
        assert_true(there(folder, lost[i]));
    MUST(vss_db_open(folder, NULL, &db, &err));
    MUST(vss_collection_open(db, "c", &col, &err));
    MUST(vss_db_close(db, &err));
    for (size_t i = 0; i < 3; i++)
        assert_false(there(folder, lost[i]));
    for (size_t i = 0; i < 5; i++)
        assert_true(there(folder, kept[i]));
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leftovers__of_a_drop_go_with_the_next),
        cmocka_unit_test(leftovers__of_a_drop_go_with_a_new_one),
        cmocka_unit_test(leftovers__of_a_killed_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
