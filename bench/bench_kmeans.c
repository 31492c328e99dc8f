/*
 * bench_kmeans.c - k-means on bytes: seconds, and the inertia of its centers by float64
 *
 * vss-bench-kmeans FILE CLUSTERS ROUNDS THREADS. FILE holds bytes (.u8bin), which are the grid: bench/compare_ivf.py
 * hands both engines the same rows. One JSON line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../index/quant/kmeans.h"

static double kmeans_inertia(const vssi_kmeans *job, const uint8_t *centers, const uint32_t *where)
{
    double inertia = 0;
    for (size_t i = 0; i < job->rows; i++) {
        const uint8_t *row = job->codes + i * job->size, *center = centers + where[i] * job->size;
        for (size_t j = 0; j < job->size; j++)
            inertia += (double)(row[j] - center[j]) * (row[j] - center[j]);
    }
    return inertia;
}

static int kmeans_run(const vssi_kmeans *job)
{
    uint8_t *centers = malloc(job->clusters * job->size);
    uint32_t *where = malloc(job->rows * sizeof *where);
    vss_error err;
    uint64_t begin = vssi_now_ns();
    vss_status status = centers && where ? vssi_kmeans_train(job, centers, NULL, &err) : VSS_ERR_NO_MEMORY;
    double seconds = (double)(vssi_now_ns() - begin) * 1e-9;
    if (status == VSS_OK)
        status = vssi_kmeans_assign(job, centers, where, NULL, &err);
    if (status == VSS_OK)
        printf("{\"rows\": %zu, \"clusters\": %zu, \"rounds\": %zu, \"threads\": %zu, \"seconds\": %.3f, "
               "\"inertia\": %.6g}\n", job->rows, job->clusters, job->rounds, job->threads, seconds,
               kmeans_inertia(job, centers, where));
    else
        fprintf(stderr, "vss-bench-kmeans: %s\n", vss_status_name(status));
    free(centers);
    free(where);
    return status == VSS_OK ? 0 : 1;
}

/* The rows of a .u8bin file: int32 rows, int32 columns, bytes. NULL: it can't be read. */
static uint8_t *kmeans_read(const char *path, int32_t shape[2])
{
    FILE *file = fopen(path, "rb");
    uint8_t *codes = NULL;
    if (file == NULL)
        return NULL;
    if (fread(shape, sizeof *shape, 2, file) == 2 && shape[0] > 0 && shape[1] > 0) {
        size_t size = (size_t)shape[0] * (size_t)shape[1];
        codes = malloc(size);
        if (codes != NULL && fread(codes, 1, size, file) != size) {
            free(codes);
            codes = NULL;
        }
    }
    fclose(file);
    return codes;
}

int main(int argc, char **argv)
{
    int32_t shape[2];
    if (argc != 5) {
        fprintf(stderr, "usage: vss-bench-kmeans FILE.u8bin CLUSTERS ROUNDS THREADS\n");
        return 2;
    }
    uint8_t *codes = kmeans_read(argv[1], shape);
    vssi_kmeans job = {.heap = vssi_heap_default(), .threads = (size_t)strtoul(argv[4], NULL, 10), .codes = codes,
                       .clusters = (size_t)strtoul(argv[2], NULL, 10), .rounds = (size_t)strtoul(argv[3], NULL, 10),
                       .helpings = 8, .seed = 1};
    int done = 1;
    if (codes != NULL && shape[1] % 4 == 0 && job.clusters > 0 && job.rounds > 0 && job.threads > 0) {
        job.rows = (size_t)shape[0];
        job.size = (size_t)shape[1];
        done = kmeans_run(&job);
    } else {
        fprintf(stderr, "vss-bench-kmeans: %s: expected a .u8bin file, rows a multiple of 4 bytes, counts above 0\n",
                argv[1]);
    }
    free(codes);
    return done;
}
