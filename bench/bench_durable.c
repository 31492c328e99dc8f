/*
 * bench_durable.c - vss-bench-durable FOLDER [inserts|latency|replace|space]...: what durability, compaction and
 * deletes cost
 *
 * FOLDER should be on the disk that is meant; everything is made below it and removed. All four without a word.
 *
 * inserts   durable inserts of batches of 1,000 x 128 float32, each beside a plain write and fdatasync of as many bytes
 *           as its frame in the log has: alternating, medians of the batch times, and their quotient
 * latency   searches one after another, alone, and while a thread replaces rows as fast as it can and another compacts
 *           without end, at the lowest priority; percentiles, and the quotient of the p99
 * replace   recall@10 of an hnsw index (ef = 200), and of the same rows after every one was replaced twice
 * space     bytes on disk after nine rows in ten were deleted and compacted, against those of a fresh load of the rest
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vss.h>

enum { DIM = 128, BATCH = 1000, CENTRES = 500, K = 10 };
enum { INSERTS = 400, LATENCY_ROWS = 100000, SEARCHES = 20000, LOADED_MS = 12000, REPLACE_ROWS = 50000, QUERIES = 500 };

static vss_error err;
static char folder[3900];

static void must(vss_status status, const vss_error *why)
{
    if (status != VSS_OK) {
        fprintf(stderr, "vss-bench-durable: %s\n", why->message);
        exit(1);
    }
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *times, size_t n, double share)
{
    qsort(times, n, sizeof *times, compare_times);
    return times[(size_t)((double)(n - 1) * share)];
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Vectors around centres, so that an index has something to find. */
static void make_vectors(uint64_t seed, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t centre = 1 + next_random(&seed) % CENTRES;
        for (size_t d = 0; d < DIM; d++) {
            centre += d;
            uint64_t c = centre;
            out[i * DIM + d] = (float)(next_random(&c) % 64) + (float)(next_random(&seed) % 192);
        }
    }
}

/* ---- collections ---- */

static void path_of(const char *name, char *out, size_t size)
{
    if ((size_t)snprintf(out, size, "%s/%s", folder, name) >= size)
        exit(2);
}

static vss_db *open_db(const char *name)
{
    char path[4096];
    vss_db *db;
    path_of(name, path, sizeof path);
    must(vss_db_open(path, NULL, &db, &err), &err);
    return db;
}

static vss_collection *create(vss_db *db)
{
    static const char json[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
                               " {\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 128, \"metric\": \"l2\"}]}";
    vss_schema *schema;
    vss_collection *col;
    must(vss_schema_parse(json, sizeof json - 1, &schema, &err), &err);
    must(vss_collection_create(db, "c", schema, &col, &err), &err);
    vss_schema_free(schema);
    return col;
}

typedef vss_status (*write_fn)(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *why);

/* Rows of any keys [n] with their vectors. */
static void write_rows(vss_collection *col, write_fn write, const int64_t *keys, const float *vectors, size_t n)
{
    vss_error why;
    vss_column id = {.struct_size = sizeof id, .type = VSS_TYPE_INT64, .length = n, .data = keys};
    vss_column v = {.struct_size = sizeof v, .type = VSS_TYPE_VECTOR_F32, .dim = DIM, .length = n, .data = vectors};
    const char *names[] = {"id", "v"};
    const vss_column *columns[] = {&id, &v};
    vss_batch batch = {sizeof batch, 2, names, columns};
    must(write(col, &batch, NULL, &why), &why);
}

/* Rows first, first + step, ... of vectors [n * step], keys alike. */
static void load(vss_collection *col, const float *vectors, size_t n, size_t step)
{
    int64_t keys[BATCH];
    float *rows = malloc((size_t)BATCH * DIM * sizeof *rows);
    for (size_t done = 0; done < n; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            keys[i] = (int64_t)((done + i) * step);
            memcpy(rows + i * DIM, vectors + (done + i) * step * DIM, DIM * sizeof *rows);
        }
        write_rows(col, vss_collection_insert, keys, rows, BATCH);
    }
    free(rows);
}

static void build_index(vss_collection *col)
{
    vss_build_options options = {.struct_size = sizeof options, .threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)};
    must(vss_collection_build_index(col, "v", "hnsw", NULL, &options, &err), &err);
}

static uint64_t stored_bytes(vss_collection *col)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    must(vss_collection_stats_get(col, &stats, &err), &err);
    return stats.bytes;
}

/* ---- inserts ---- */

static double plain_write(int fd, const uint8_t *bytes, size_t size)
{
    double begin = now_ms();
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n <= 0)
            exit(1);
        done += (size_t)n;
    }
    if (fdatasync(fd) != 0)
        exit(1);
    return now_ms() - begin;
}

static void measure_inserts(void)
{
    static double plain[INSERTS], durable[INSERTS];
    const size_t size = (BATCH * (DIM * sizeof(float) + sizeof(int64_t)) + 64 + 128) / 64 * 64; /* a frame */
    char path[4096];
    int64_t keys[BATCH];
    float *vectors = malloc((size_t)BATCH * DIM * sizeof *vectors);
    vss_db *db = open_db("inserts");
    vss_collection *col = create(db);
    path_of("plain", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (fd < 0)
        exit(1);
    make_vectors(1, vectors, BATCH);
    uint8_t *bytes = malloc(size);
    memset(bytes, 1, size);
    memcpy(bytes, vectors, (size_t)BATCH * DIM * sizeof *vectors);
    for (size_t i = 0; i < INSERTS; i++) {
        for (size_t k = 0; k < BATCH; k++)
            keys[k] = (int64_t)(i * BATCH + k);
        plain[i] = plain_write(fd, bytes, size);
        double begin = now_ms();
        write_rows(col, vss_collection_insert, keys, vectors, BATCH);
        durable[i] = now_ms() - begin;
    }
    close(fd);
    free(bytes);
    must(vss_db_close(db, &err), &err);
    double p = percentile(plain, INSERTS, 0.5), d = percentile(durable, INSERTS, 0.5);
    printf("inserts: plain %.3f ms, durable %.3f ms a batch (medians of %d): share %.3f; p99 %.3f and %.3f ms\n", p, d,
           INSERTS, p / d, percentile(plain, INSERTS, 0.99), percentile(durable, INSERTS, 0.99));
    free(vectors);
}

/* ---- latency ---- */

typedef struct latency {
    vss_collection *col;
    const float *vectors; /* [LATENCY_ROWS] */
    _Atomic bool stop;
    _Atomic size_t written, compactions;
} latency;

static void *latency_write(void *arg)
{
    latency *l = arg;
    uint64_t seed = 7;
    int64_t keys[BATCH];
    while (!atomic_load(&l->stop)) {
        const size_t first = next_random(&seed) % (LATENCY_ROWS - BATCH);
        for (size_t i = 0; i < BATCH; i++)
            keys[i] = (int64_t)(first + i);
        write_rows(l->col, vss_collection_upsert, keys, l->vectors + first * DIM, BATCH);
        atomic_fetch_add(&l->written, BATCH);
    }
    return NULL;
}

/* As a host should: work behind its back runs where nothing else wants to (vss/executor.h). */
static void yield_to_all(void)
{
    if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19) != 0)
        exit(1);
}

static void *latency_compact(void *arg)
{
    latency *l = arg;
    vss_error why;
    yield_to_all();
    while (!atomic_load(&l->stop)) {
        must(vss_collection_compact(l->col, &why), &why);
        atomic_fetch_add(&l->compactions, 1);
    }
    return NULL;
}

/* Searches until so many or so long; returns how many. */
static size_t latency_search(vss_collection *col, const float *queries, double *times, size_t most, double ms)
{
    size_t n = 0;
    for (double begin = now_ms(); n < most && now_ms() - begin < ms; n++) {
        vss_result *result;
        vss_search_request request = {.struct_size = sizeof request, .queries = queries + n % QUERIES * DIM,
                                      .n_queries = 1, .dim = DIM, .k = K};
        double start = now_ms();
        must(vss_collection_search(col, &request, &result, &err), &err);
        times[n] = now_ms() - start;
        vss_result_free(result);
    }
    return n;
}

static void latency_print(const char *what, bool index, double *times, size_t n)
{
    printf("latency, %s, %s: p50 %.3f, p99 %.3f ms of %zu searches", index ? "hnsw" : "no index", what,
           percentile(times, n, 0.5), percentile(times, n, 0.99), n);
}

static void measure_latency(bool index)
{
    static double idle[SEARCHES], loaded[4 * SEARCHES];
    latency l = {0};
    pthread_t threads[2];
    float *vectors = malloc((size_t)LATENCY_ROWS * DIM * sizeof *vectors);
    float *queries = malloc((size_t)QUERIES * DIM * sizeof *queries);
    vss_db *db = open_db(index ? "latency-index" : "latency");
    make_vectors(1, vectors, LATENCY_ROWS);
    make_vectors(2, queries, QUERIES);
    l.col = create(db);
    l.vectors = vectors;
    load(l.col, vectors, LATENCY_ROWS, 1);
    if (index)
        build_index(l.col);
    must(vss_collection_compact(l.col, &err), &err);
    size_t n = latency_search(l.col, queries, idle, SEARCHES, LOADED_MS / 2);
    latency_print("alone", index, idle, n);
    double alone = percentile(idle, n, 0.99);
    pthread_create(&threads[0], NULL, latency_write, &l);
    pthread_create(&threads[1], NULL, latency_compact, &l);
    n = latency_search(l.col, queries, loaded, 4 * SEARCHES, LOADED_MS);
    atomic_store(&l.stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    printf("\n");
    latency_print("beside", index, loaded, n);
    printf("; %zu rows replaced, %zu compactions; p99 %.2f times\n", atomic_load(&l.written),
           atomic_load(&l.compactions), percentile(loaded, n, 0.99) / alone);
    must(vss_db_close(db, &err), &err);
    free(vectors);
    free(queries);
}

/* ---- replace ---- */

/* Hits no farther than the true k-th, of all. */
static double recall(vss_collection *col, const float *queries)
{
    vss_result *found, *truth;
    vss_search_request request = {.struct_size = sizeof request, .queries = queries, .n_queries = QUERIES, .dim = DIM,
                                  .k = K, .threads = 2};
    size_t right = 0;
    request.params = "ef=200";
    must(vss_collection_search(col, &request, &found, &err), &err);
    request.params = "exact=1";
    must(vss_collection_search(col, &request, &truth, &err), &err);
    const float *a = vss_result_distances(found), *b = vss_result_distances(truth);
    for (size_t q = 0; q < QUERIES; q++)
        for (size_t i = 0; i < K; i++)
            right += a[q * K + i] <= b[q * K + K - 1];
    vss_result_free(found);
    vss_result_free(truth);
    return (double)right / (QUERIES * K);
}

/* Every row once, in a random order, the n-th time with vectors that are another row's but for the last time. */
static void replace_all(vss_collection *col, const float *vectors, bool last, uint64_t seed)
{
    int64_t *order = malloc(REPLACE_ROWS * sizeof *order);
    float *rows = malloc((size_t)BATCH * DIM * sizeof *rows);
    for (size_t i = 0; i < REPLACE_ROWS; i++) {
        size_t j = next_random(&seed) % (i + 1);
        order[i] = order[j];
        order[j] = (int64_t)i;
    }
    for (size_t done = 0; done < REPLACE_ROWS; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            size_t from = ((size_t)order[done + i] + (last ? 0 : 1)) % REPLACE_ROWS;
            memcpy(rows + i * DIM, vectors + from * DIM, DIM * sizeof *rows);
        }
        write_rows(col, vss_collection_upsert, order + done, rows, BATCH);
        if (done % (REPLACE_ROWS / 5) == 0)
            must(vss_collection_flush(col, &err), &err);
    }
    free(order);
    free(rows);
}

static void measure_replace(void)
{
    float *vectors = malloc((size_t)REPLACE_ROWS * DIM * sizeof *vectors);
    float *queries = malloc((size_t)QUERIES * DIM * sizeof *queries);
    vss_db *db = open_db("replace");
    vss_collection *col = create(db);
    make_vectors(1, vectors, REPLACE_ROWS);
    make_vectors(2, queries, QUERIES);
    load(col, vectors, REPLACE_ROWS, 1);
    build_index(col);
    double fresh = recall(col, queries);
    replace_all(col, vectors, false, 3);
    replace_all(col, vectors, true, 4);
    must(vss_collection_flush(col, &err), &err);
    double replaced = recall(col, queries);
    must(vss_collection_compact(col, &err), &err);
    double compacted = recall(col, queries);
    printf("replace: recall@%d %.4f fresh, %.4f after every row was replaced twice, %.4f compacted: %.2f and %.2f "
           "points lost\n", K, fresh, replaced, compacted, (fresh - replaced) * 100, (fresh - compacted) * 100);
    must(vss_db_close(db, &err), &err);
    free(vectors);
    free(queries);
}

/* ---- space ---- */

static void measure_space(void)
{
    float *vectors = malloc((size_t)LATENCY_ROWS * DIM * sizeof *vectors);
    vss_db *db = open_db("space"), *fresh_db = open_db("space-fresh");
    vss_collection *col = create(db), *fresh = create(fresh_db);
    make_vectors(1, vectors, LATENCY_ROWS);
    load(col, vectors, LATENCY_ROWS, 1);
    build_index(col);
    uint64_t full = stored_bytes(col);
    int64_t *gone = malloc(LATENCY_ROWS * sizeof *gone);
    size_t n = 0;
    for (size_t i = 0; i < LATENCY_ROWS; i++)
        if (i % 10 != 0)
            gone[n++] = (int64_t)i;
    vss_column keys = {.struct_size = sizeof keys, .type = VSS_TYPE_INT64, .length = n, .data = gone};
    must(vss_collection_delete(col, &keys, NULL, &err), &err);
    must(vss_collection_compact(col, &err), &err);
    load(fresh, vectors, LATENCY_ROWS / 10, 10);
    build_index(fresh);
    printf("space: %llu bytes, %llu after deleting nine in ten and compacting, a fresh load of the rest %llu: "
           "%.4f times\n",
           (unsigned long long)full, (unsigned long long)stored_bytes(col), (unsigned long long)stored_bytes(fresh),
           (double)stored_bytes(col) / (double)stored_bytes(fresh));
    must(vss_db_close(db, &err), &err);
    must(vss_db_close(fresh_db, &err), &err);
    free(gone);
    free(vectors);
}

static bool wanted(int argc, char **argv, const char *what)
{
    bool any = argc == 2;
    for (int i = 2; i < argc; i++)
        any = any || strcmp(argv[i], what) == 0;
    return any;
}

int main(int argc, char **argv)
{
    char command[4096];
    if (argc < 2 || (size_t)snprintf(folder, sizeof folder, "%s/vss-bench-XXXXXX", argv[1]) >= sizeof folder ||
        mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: vss-bench-durable FOLDER [inserts|latency|replace|space]...\n");
        return 2;
    }
    if (wanted(argc, argv, "inserts"))
        measure_inserts();
    if (wanted(argc, argv, "latency")) {
        measure_latency(false);
        measure_latency(true);
    }
    if (wanted(argc, argv, "replace"))
        measure_replace();
    if (wanted(argc, argv, "space"))
        measure_space();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
