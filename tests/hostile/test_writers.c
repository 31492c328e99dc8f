/*
 * test_writers.c - who may write, and in which process: read-only handles, a second writer, a handle after a fork
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/refusal.h"

static vss_status writer_open(vss_db *db, const char *name, vss_error *e)
{
    vss_collection *col = (vss_collection *)(uintptr_t)64;
    const vss_status status = vss_collection_open(db, name, &col, e);
    assert_true((status == VSS_OK) == (col != NULL));
    (void)vss_collection_close(col, NULL);
    return status;
}

static vss_status writer_create(vss_db *db, const char *name, const vss_schema *schema, vss_error *e)
{
    vss_collection *col = (vss_collection *)(uintptr_t)64;
    const vss_status status = vss_collection_create(db, name, schema, &col, e);
    assert_true((status == VSS_OK) == (col != NULL));
    (void)vss_collection_close(col, NULL);
    return status;
}

static vss_status writer_check(vss_db *db, const char *name, vss_error *e)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    const vss_status status = vss_collection_check(db, name, NULL, NULL, NULL, NULL, &report, e);
    assert_int_equal(report.errors, 0);
    return status;
}

static const vss_field writer_key = {.struct_size = sizeof(vss_field), .name = "id", .type = VSS_TYPE_INT64,
                                       .flags = VSS_FIELD_PRIMARY};
static const vss_field writer_vector = {.struct_size = sizeof(vss_field), .name = "v",
                                          .type = VSS_TYPE_VECTOR_F32, .dim = 3};

static size_t writer_collections(vss_db *db)
{
    char **names;
    size_t count;
    ACCEPT(vss_db_list(db, &names, &count, e));
    vss_names_free(names);
    return count;
}

static vss_status writer_write(vss_collection *col, vss_error *e)
{
    const int64_t key = 500;
    const float v[3] = {1, 2, 3};
    const vss_column keys = {.struct_size = sizeof keys, .type = VSS_TYPE_INT64, .length = 1, .data = &key};
    const vss_column vectors = {.struct_size = sizeof vectors, .type = VSS_TYPE_VECTOR_F32, .dim = 3, .length = 1,
                                .data = v};
    const char *const names[] = {"id", "v"};
    const vss_column *const columns[] = {&keys, &vectors};
    const vss_batch batch = {sizeof batch, 2, names, columns};
    return vss_collection_insert(col, &batch, NULL, e);
}

static vss_status writer_delete(vss_collection *col, vss_error *e)
{
    const int64_t key = 1;
    const vss_column keys = {.struct_size = sizeof keys, .type = VSS_TYPE_INT64, .length = 1, .data = &key};
    return vss_collection_delete(col, &keys, NULL, e);
}

#define WRITER_SCHEMA                                                                    \
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"            \
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"l2\"}]}"

typedef struct writer_folder {
    char path[64];
    vss_db *db;
    vss_collection *col;
} writer_folder;

/* A collection "c" of 5 flushed rows in a new directory, open for writing. */
static void writer_folder_begin(writer_folder *f)
{
    strcpy(f->path, "/tmp/vss-writers-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    ACCEPT(vss_db_open(f->path, NULL, &f->db, e));
    f->col = specimen_create(f->db, "c", WRITER_SCHEMA);
    specimen_insert(f->col, 0, 5);
    ACCEPT(vss_collection_flush(f->col, e));
}

static void writer_folder_end(writer_folder *f)
{
    vss_db *db;
    ACCEPT(vss_db_close(f->db, e));
    ACCEPT(vss_db_open(f->path, NULL, &db, e));
    ACCEPT(vss_collection_drop(db, "c", e));
    assert_int_equal(writer_collections(db), 0);
    ACCEPT(vss_db_close(db, e));
    assert_int_equal(rmdir(f->path), 0);
}

static void test_read_only(void **state)
{
    writer_folder f;
    vss_db_options o = VSS_INIT(vss_db_options);
    const vss_field *fields[] = {&writer_key, &writer_vector};
    const vss_schema schema = {sizeof schema, 2, fields};
    refusal_stage s = {0};
    (void)state;
    writer_folder_begin(&f);
    o.mode = VSS_OPEN_READ_ONLY;
    ACCEPT(vss_db_open(f.path, &o, &s.db, e));
    ACCEPT(vss_collection_open(s.db, "c", &s.col, e));
    refusal_keep(s.col, &s.state);
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", writer_write(s.col, e));
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", writer_delete(s.col, e));
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", vss_collection_delete_where(s.col, "id > 2", NULL, e));
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", vss_collection_build_index(s.col, "v", "hnsw", NULL, NULL, e));
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", writer_create(s.db, "d", &schema, e));
    REFUSE(&s, VSS_ERR_READ_ONLY, "read-only", vss_collection_drop(s.db, "c", e));
    refusal_end(&s);
    writer_folder_end(&f);
}

/* A second handle of the directory, in this process and in another. */
static void test_second_writer(void **state)
{
    writer_folder f;
    refusal_stage s = {0};
    char pid[32];
    (void)state;
    writer_folder_begin(&f);
    s.col = f.col;
    refusal_keep(s.col, &s.state);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    ACCEPT(vss_db_open(f.path, NULL, &s.db, e));
    REFUSE(&s, VSS_ERR_BUSY, pid, writer_open(s.db, "c", e));
    REFUSE(&s, VSS_ERR_BUSY, pid, vss_collection_drop(s.db, "c", e));
    const pid_t child = fork();
    if (child == 0) {
        vss_db *db;
        vss_error err = {VSS_OK};
        _exit(vss_db_open(f.path, NULL, &db, &err) == VSS_OK && writer_open(db, "c", &err) == VSS_ERR_BUSY &&
                      strstr(err.message, pid) != NULL
                  ? 0
                  : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    refusal_end(&s);
    writer_folder_end(&f);
}

/* All calls that take a handle, in a child of the process that opened it. Returns the number that were not refused. */
static int writer_forked(refusal_stage *s)
{
    vss_error err = {VSS_OK}, *e = &err;
    vss_result *result;
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    vss_search_request request = VSS_INIT(vss_search_request);
    const vss_column keys = {.struct_size = sizeof keys, .type = VSS_TYPE_INT64};
    char **names;
    size_t n;
    uint64_t count;
    request.k = 1;
    const vss_status got[] = {writer_open(s->db, "numbers", e),
                              writer_create(s->db, "x", vss_collection_schema(s->col), e),
                              vss_collection_drop(s->db, "x", e),
                              writer_check(s->db, "numbers", e),
                              vss_db_list(s->db, &names, &n, e),
                              vss_db_memory(s->db, &count, NULL, e),
                              writer_write(s->col, e),
                              vss_collection_upsert(s->col, NULL, NULL, e),
                              vss_collection_compact(s->col, e),
                              vss_collection_purge(s->col, e),
                              writer_delete(s->col, e),
                              vss_collection_delete_where(s->col, "id > 2", NULL, e),
                              vss_collection_get(s->col, &keys, NULL, 0, &result, e),
                              vss_collection_count(s->col, NULL, &count, e),
                              vss_collection_search(s->col, &request, &result, e),
                              vss_collection_stats_get(s->col, &stats, e),
                              vss_collection_flush(s->col, e),
                              vss_collection_build_index(s->col, "v", "hnsw", NULL, NULL, e),
                              vss_collection_close(s->col, e),
                              vss_db_close(s->db, e)};
    int wrong = strchr(err.message, '\n') != NULL || err.message[0] == '\0';
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        if (got[i] != VSS_ERR_FORKED) {
            fprintf(stderr, "after fork, call %zu: %s\n", i, vss_status_name(got[i]));
            wrong++;
        }
    return wrong;
}

static void test_forked(void **state)
{
    refusal_stage s;
    refusal_state after;
    int result;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    const pid_t child = fork();
    if (child == 0)
        _exit(writer_forked(&s) == 0 ? 0 : 1);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    refusal_keep(s.col, &after);
    assert_memory_equal(&after, &s.state, sizeof after);
    refusal_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_second_writer),
        cmocka_unit_test(test_forked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
