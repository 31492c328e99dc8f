/*
 * host.c - a program that uses OpenBLAS with its own number of threads, and libvss beside it
 *
 * libvss must never touch the host's setting: it is 1, then 3, read before and after every index is built and searched,
 * with 1 and 2 threads asked of libvss. host; exit status 0 when it stayed.
 */
#include <cblas.h>
#include <stdio.h>

#include <vss.h>

enum { DIM = 8, ROWS = 5000 };

static float vectors[ROWS][DIM];

static vss_status fill(vss_collection *col, vss_error *err)
{
    vss_column v = VSS_INIT(vss_column);
    const char *names[] = {"v"};
    const vss_column *columns[] = {&v};
    vss_batch batch = VSS_INIT(vss_batch);
    uint32_t random = 1;
    for (int i = 0; i < ROWS * DIM; i++) {
        random = random * 1664525u + 1013904223u;
        vectors[i / DIM][i % DIM] = (float)(random >> 8) / 16777216.0f;
    }
    v.type = VSS_TYPE_VECTOR_F32, v.length = ROWS, v.dim = DIM, v.data = vectors;
    batch.n_columns = 1, batch.names = names, batch.columns = columns;
    return vss_collection_insert(col, &batch, NULL, err);
}

static vss_status create(vss_db *db, vss_collection **col, vss_error *err)
{
    vss_field id = VSS_INIT(vss_field), v = VSS_INIT(vss_field);
    const vss_field *fields[] = {&id, &v};
    vss_schema schema = VSS_INIT(vss_schema);
    id.name = "id", id.type = VSS_TYPE_INT64, id.flags = VSS_FIELD_PRIMARY | VSS_FIELD_AUTO_ID;
    v.name = "v", v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.metric = VSS_METRIC_L2;
    schema.n_fields = 2, schema.fields = fields;
    return vss_collection_create(db, "c", &schema, col, err);
}

/* Build every type of index and search with it. */
static vss_status work(vss_collection *col, uint32_t threads, vss_error *err)
{
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_search_request request = VSS_INIT(vss_search_request);
    build.threads = threads;
    request.queries = vectors, request.n_queries = 100, request.dim = DIM, request.k = 10, request.threads = threads;
    for (size_t i = 0; vss_index_type(i) != NULL; i++) {
        vss_result *hits;
        vss_status status = vss_collection_build_index(col, "v", vss_index_type(i), NULL, &build, err);
        if (status == VSS_OK)
            status = vss_collection_search(col, &request, &hits, err);
        if (status != VSS_OK)
            return status;
        vss_result_free(hits);
    }
    return VSS_OK;
}

/* 0 when the setting was kept. */
static int keeps(vss_collection *col, int threads, vss_error *err)
{
    openblas_set_num_threads(threads);
    const int before = openblas_get_num_threads();
    if (work(col, 1, err) != VSS_OK || work(col, 2, err) != VSS_OK)
        return 1;
    const int after = openblas_get_num_threads();
    (void)snprintf(err->message, sizeof err->message, "OpenBLAS had %d threads before libvss worked, %d after", before,
                   after);
    return after != before;
}

int main(void)
{
    vss_db *db;
    vss_collection *col;
    vss_error err;
    if (vss_db_open("mem:", NULL, &db, &err) != VSS_OK || create(db, &col, &err) != VSS_OK ||
        fill(col, &err) != VSS_OK || keeps(col, 1, &err) != 0 || keeps(col, 3, &err) != 0) {
        fprintf(stderr, "host: %s\n", err.message);
        return 1;
    }
    (void)vss_db_close(db, NULL);
    printf("host: %s\n", err.message);
    return 0;
}
