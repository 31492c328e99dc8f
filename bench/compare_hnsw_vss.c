/*
 * compare_hnsw_vss.c - libvss answering compare_hnsw.py, a line a command
 *
 * usage: PROGRAM BASE.fbin QUERIES.fbin DATABASE PARAMS THREADS IDS
 * Builds an hnsw index with PARAMS in the directory DATABASE, or opens what is there. All through the public interface.
 * commands:  search EF BATCH THREADS   one pass over all queries, BATCH of them a call (more than one thread: THREADS
 *                                      callers, or with a batch one caller's threads); answers the seconds it took; row
 *                                      numbers go to IDS
 *            distances EF              answers distances computed a query
 *            memory                    answers resident bytes beyond those before the collection was open
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vss.h>

enum { HITS = 10, BLOCK = 16384, CALLERS = 64 };

typedef struct server {
    FILE *base;
    int32_t rows, dim, n_queries;
    float *queries;    /* [n_queries][dim] */
    int32_t *ids;      /* [n_queries][HITS] */
    vss_db *db;
    vss_collection *col;
    char params[32];   /* of the searches */
} server;

/* Queries [first, end) of a pass, `batch` a call. */
typedef struct caller {
    server *s;
    size_t first, end, batch;
    uint32_t threads;
    int explain;
    uint64_t distances;
    pthread_t thread;
} caller;

static void server_fail(const char *line)
{
    fprintf(stderr, "compare_hnsw_vss: %s\n", line);
    exit(1);
}

static void server_try(vss_status status, const vss_error *err)
{
    if (status != VSS_OK)
        server_fail(err->message);
}

static void *server_alloc(size_t n, size_t size)
{
    void *memory = calloc(n, size);
    if (memory == NULL)
        server_fail("out of memory");
    return memory;
}

static FILE *server_file(const char *path, int32_t *rows, int32_t *dim)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(rows, 4, 1, file) != 1 || fread(dim, 4, 1, file) != 1 || *rows < 1 || *dim < 1)
        server_fail(path);
    return file;
}

static double server_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static long server_resident(void)
{
    long total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &total, &pages) != 2)
        server_fail("/proc/self/statm can't be read");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void server_insert(server *s)
{
    vss_error err;
    float *block = server_alloc((size_t)BLOCK * (size_t)s->dim, sizeof *block);
    vss_column column = {sizeof column, VSS_TYPE_VECTOR_F32, (uint32_t)s->dim, 0, NULL, NULL, block};
    vss_batch batch = {sizeof batch, 1, (const char *[]){"vector"}, (const vss_column *[]){&column}};
    for (int32_t done = 0; done < s->rows; done += (int32_t)column.length) {
        column.length = (size_t)(s->rows - done < BLOCK ? s->rows - done : BLOCK);
        if (fread(block, (size_t)s->dim * sizeof *block, column.length, s->base) != column.length)
            server_fail("the base is shorter than its header says");
        server_try(vss_collection_insert(s->col, &batch, NULL, &err), &err);
    }
    server_try(vss_collection_flush(s->col, &err), &err);
    free(block);
}

/* Returns the seconds the index took. */
static double server_build(server *s, const char *path, const char *params, uint32_t threads)
{
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_field id = VSS_INIT(vss_field), vector = VSS_INIT(vss_field);
    vss_schema schema = VSS_INIT(vss_schema);
    vss_build_options build = VSS_INIT(vss_build_options);
    options.sync = VSS_SYNC_OFF;
    server_try(vss_db_open(path, &options, &s->db, &err), &err);
    id.name = "id";
    id.type = VSS_TYPE_INT64;
    id.flags = VSS_FIELD_PRIMARY | VSS_FIELD_AUTO_ID;
    vector.name = "vector";
    vector.type = VSS_TYPE_VECTOR_F32;
    vector.dim = (uint32_t)s->dim;
    vector.metric = VSS_METRIC_L2;
    schema.n_fields = 2;
    schema.fields = (const vss_field *const[]){&id, &vector};
    server_try(vss_collection_create(s->db, "base", &schema, &s->col, &err), &err);
    server_insert(s);
    build.threads = threads;
    double begin = server_seconds();
    server_try(vss_collection_build_index(s->col, "vector", "hnsw", params, &build, &err), &err);
    double taken = server_seconds() - begin;
    server_try(vss_collection_close(s->col, &err), &err);
    server_try(vss_db_close(s->db, &err), &err);
    return taken;
}

static void server_open(server *s, const char *path)
{
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.mode = VSS_OPEN_READ_ONLY;
    server_try(vss_db_open(path, &options, &s->db, &err), &err);
    server_try(vss_collection_open(s->db, "base", &s->col, &err), &err);
}

static void *server_call(void *state)
{
    caller *c = state;
    server *s = c->s;
    vss_error err;
    for (size_t q = c->first; q < c->end; q += c->batch) {
        vss_search_request request = VSS_INIT(vss_search_request);
        vss_result *result;
        request.n_queries = c->end - q < c->batch ? c->end - q : c->batch;
        request.queries = s->queries + q * (size_t)s->dim;
        request.dim = (uint32_t)s->dim;
        request.k = HITS;
        request.params = s->params;
        request.threads = c->threads;
        request.explain = c->explain;
        server_try(vss_collection_search(s->col, &request, &result, &err), &err);
        const int64_t *offsets = vss_result_offsets(result), *keys = vss_result_keys(result)->data;
        for (size_t i = 0; i < request.n_queries; i++)
            for (int64_t j = offsets[i]; j < offsets[i + 1]; j++)
                s->ids[(q + i) * HITS + (size_t)(j - offsets[i])] = (int32_t)keys[j];
        if (c->explain)
            c->distances += vss_result_explain(result)->segments[0].distances;
        vss_result_free(result);
    }
    return NULL;
}

static double server_search(server *s, size_t batch, uint32_t threads, const char *path)
{
    caller callers[CALLERS];
    size_t n = (size_t)s->n_queries, n_callers = batch > 1 ? 1 : threads;
    memset(s->ids, 0xff, n * HITS * sizeof *s->ids);
    for (size_t i = 0; i < n_callers; i++)
        callers[i] = (caller){.s = s, .first = n * i / n_callers, .end = n * (i + 1) / n_callers, .batch = batch,
                              .threads = batch > 1 ? threads : 1};
    double begin = server_seconds();
    for (size_t i = 1; i < n_callers; i++)
        if (pthread_create(&callers[i].thread, NULL, server_call, &callers[i]) != 0)
            server_fail("a thread could not be started");
    server_call(&callers[0]);
    for (size_t i = 1; i < n_callers; i++)
        pthread_join(callers[i].thread, NULL);
    double taken = server_seconds() - begin;
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(s->ids, HITS * sizeof *s->ids, n, file) != n || fclose(file) != 0)
        server_fail(path);
    return taken;
}

static void server_answer(server *s, const char *line, long before, const char *ids)
{
    unsigned ef = 0, batch = 0, threads = 0;
    if (sscanf(line, "search %u %u %u", &ef, &batch, &threads) == 3 && batch > 0 && threads > 0 && threads <= CALLERS) {
        snprintf(s->params, sizeof s->params, "ef=%u", ef);
        printf("%.9f\n", server_search(s, batch, threads, ids));
    } else if (sscanf(line, "distances %u", &ef) == 1) {
        caller all = {.s = s, .end = (size_t)s->n_queries, .batch = 1, .threads = 1, .explain = 1};
        snprintf(s->params, sizeof s->params, "ef=%u", ef);
        server_call(&all);
        printf("%.1f\n", (double)all.distances / (double)s->n_queries);
    } else {
        printf("%ld\n", server_resident() - before);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    server s = {0};
    char line[128];
    double build_s = 0;
    int32_t dim;
    if (argc != 7)
        server_fail("expected BASE QUERIES DATABASE PARAMS THREADS IDS");
    s.base = server_file(argv[1], &s.rows, &s.dim);
    FILE *file = server_file(argv[2], &s.n_queries, &dim);
    if (dim != s.dim)
        server_fail("base and queries have different dimensions");
    s.queries = server_alloc((size_t)s.n_queries * (size_t)dim, sizeof *s.queries);
    s.ids = server_alloc((size_t)s.n_queries * HITS, sizeof *s.ids);
    if (fread(s.queries, (size_t)dim * sizeof *s.queries, (size_t)s.n_queries, file) != (size_t)s.n_queries)
        server_fail(argv[2]);
    fclose(file);
    if (access(argv[3], F_OK) != 0)
        build_s = server_build(&s, argv[3], argv[4], (uint32_t)strtoul(argv[5], NULL, 10));
    fclose(s.base);
    long before = server_resident();
    server_open(&s, argv[3]);
    printf("ready %.3f\n", build_s);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        server_answer(&s, line, before, argv[6]);
    vss_collection_close(s.col, NULL);
    vss_db_close(s.db, NULL);
    free(s.queries);
    free(s.ids);
    return 0;
}
