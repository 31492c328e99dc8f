/*
 * bench_open.c - vss-bench-open [rows] [dim]: how long a stored collection takes to open and to give its first answer
 *
 * Makes a collection with an hnsw index in a temporary directory, then opens it ROUNDS times in this process, each time
 * with fresh handles and mappings (the page cache stays warm). Prints medians and the bytes of memory held after the
 * open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vss.h>

enum { ROUNDS = 15, BATCH = 50000 };

static vss_error err;

static void must(vss_status status)
{
    if (status != VSS_OK) {
        fprintf(stderr, "vss-bench-open: %s\n", err.message);
        exit(1);
    }
}

static double open_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int open_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void open_make(const char *folder, size_t rows, uint32_t dim)
{
    vss_db *db;
    vss_collection *col;
    vss_schema *schema;
    char json[256];
    float *vectors = malloc((size_t)BATCH * dim * sizeof *vectors);
    snprintf(json, sizeof json,
             "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"auto_id\": true},"
             " {\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": %u, \"metric\": \"l2\"}]}", dim);
    must(vss_schema_parse(json, strlen(json), &schema, &err));
    must(vss_db_open(folder, NULL, &db, &err));
    must(vss_collection_create(db, "c", schema, &col, &err));
    vss_schema_free(schema);
    srand(1);
    for (size_t done = 0; done < rows;) {
        size_t n = rows - done < BATCH ? rows - done : BATCH;
        for (size_t i = 0; i < n * dim; i++)
            vectors[i] = (float)(rand() % 256);
        vss_column column = {.struct_size = sizeof column, .type = VSS_TYPE_VECTOR_F32, .dim = dim, .length = n,
                             .data = vectors};
        const char *names[] = {"v"};
        const vss_column *columns[] = {&column};
        vss_batch batch = {sizeof batch, 1, names, columns};
        must(vss_collection_insert(col, &batch, NULL, &err));
        done += n;
    }
    vss_build_options build = {.struct_size = sizeof build, .threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)};
    must(vss_collection_build_index(col, NULL, "hnsw", NULL, &build, &err));
    must(vss_db_close(db, &err));
    free(vectors);
}

/* One round: milliseconds to open, and from there to the first answer. */
static uint64_t open_once(const char *folder, uint32_t dim, double *opened, double *answered)
{
    vss_db *db;
    vss_collection *col;
    vss_result *result;
    uint64_t used;
    float *query = calloc(dim, sizeof *query);
    vss_db_options options = {.struct_size = sizeof options, .mode = VSS_OPEN_READ_ONLY};
    vss_search_request request = {.struct_size = sizeof request, .queries = query, .n_queries = 1, .dim = dim, .k = 10};
    double begin = open_now();
    must(vss_db_open(folder, &options, &db, &err));
    must(vss_collection_open(db, "c", &col, &err));
    double middle = open_now();
    must(vss_db_memory(db, &used, NULL, &err));
    must(vss_collection_search(col, &request, &result, &err));
    *opened = middle - begin;
    *answered = open_now() - middle;
    vss_result_free(result);
    must(vss_db_close(db, &err));
    free(query);
    return used;
}

int main(int argc, char **argv)
{
    size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    uint32_t dim = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 128;
    double opened[ROUNDS], answered[ROUNDS];
    uint64_t used = 0;
    char folder[] = "/tmp/vss-bench-XXXXXX", command[64];
    if (rows == 0 || dim == 0 || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: vss-bench-open [rows] [dim]\n");
        return 2;
    }
    open_make(folder, rows, dim);
    for (int i = 0; i < ROUNDS; i++)
        used = open_once(folder, dim, &opened[i], &answered[i]);
    qsort(opened, ROUNDS, sizeof *opened, open_compare);
    qsort(answered, ROUNDS, sizeof *answered, open_compare);
    printf("%zu rows of %u: open %.3f ms, first answer after %.3f ms more (medians of %d), %llu bytes held after"
           " open\n", rows, dim, opened[ROUNDS / 2], answered[ROUNDS / 2], ROUNDS, (unsigned long long)used);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 1;
}
