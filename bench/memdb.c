/*
 * memdb.c - loads a file of vectors into a collection in memory
 */
#include "memdb.h"

#include <stdlib.h>

#include "tool.h"

enum { MEMDB_BATCH = 16384 };

static vss_status memdb_create(cli_memdb *m, bool buckets, vss_error *err)
{
    vss_field id = VSS_INIT(vss_field), vector = VSS_INIT(vss_field), bucket = VSS_INIT(vss_field);
    id.name = "id";
    id.type = VSS_TYPE_INT64;
    id.flags = VSS_FIELD_PRIMARY | VSS_FIELD_AUTO_ID;
    vector.name = "vector";
    vector.type = m->type;
    vector.dim = m->dim;
    vector.metric = m->metric;
    bucket.name = "bucket";
    bucket.type = VSS_TYPE_INT64;
    const vss_field *const fields[] = {&id, &vector, &bucket};
    vss_schema schema = VSS_INIT(vss_schema);
    schema.n_fields = buckets ? 3 : 2;
    schema.fields = fields;
    CLI_TRY(vss_db_open("mem:", NULL, &m->db, err));
    return vss_collection_create(m->db, "base", &schema, &m->col, err);
}

/* Steele, Lea and Flood's splitmix64 of the row number. */
static int64_t memdb_bucket(uint64_t row)
{
    uint64_t z = row * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (int64_t)((z ^ z >> 31) % CLI_MEMDB_BUCKETS);
}

static vss_status memdb_insert(cli_memdb *m, uint64_t first, uint64_t n, void *block, int64_t *buckets, vss_error *err)
{
    vss_column vectors = VSS_INIT(vss_column), numbers = VSS_INIT(vss_column);
    vectors.type = cli_vectors_given(m->type);
    vectors.dim = m->dim;
    vectors.length = n;
    vectors.data = block;
    numbers.type = VSS_TYPE_INT64;
    numbers.length = n;
    numbers.data = buckets;
    for (uint64_t i = 0; buckets && i < n; i++)
        buckets[i] = memdb_bucket(first + i);
    static const char *const names[] = {"vector", "bucket"};
    const vss_column *const columns[] = {&vectors, &numbers};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = buckets ? 2 : 1;
    batch.names = names;
    batch.columns = columns;
    CLI_TRY(cli_vectors_read_as(&m->base, m->type, first, n, block, err));
    vss_status status = vss_collection_insert(m->col, &batch, NULL, err);
    return status == VSS_OK ? status : cli_prefix(err, "%s from row %llu", m->base.path, (unsigned long long)first);
}

vss_status cli_memdb_load(cli_memdb *m, const char *path, vss_type type, vss_metric metric, bool buckets,
                          cli_progress *progress, vss_error *err)
{
    *m = (cli_memdb){.type = type, .metric = metric};
    vss_status status = cli_vectors_open(path, &m->base, err);
    if (status == VSS_OK)
        status = cli_vectors_dim(&m->base, type, &m->dim, err);
    if (status == VSS_OK)
        status = memdb_create(m, buckets, err);
    if (status != VSS_OK)
        return status;
    m->query_size = cli_vector_size(cli_vectors_given(type), m->dim);
    void *block = cli_alloc(MEMDB_BATCH, m->query_size);
    int64_t *numbers = buckets ? cli_alloc(MEMDB_BATCH, sizeof *numbers) : NULL;
    for (uint64_t done = 0; status == VSS_OK && done < m->base.rows;) {
        uint64_t left = m->base.rows - done, n = left < MEMDB_BATCH ? left : MEMDB_BATCH;
        status = memdb_insert(m, done, n, block, numbers, err);
        done += n;
        cli_progress_step(progress, "loading", done, m->base.rows);
    }
    free(block);
    free(numbers);
    cli_progress_end(progress);
    return status == VSS_OK ? vss_collection_flush(m->col, err) : status;
}

vss_status cli_memdb_queries(cli_memdb *m, const char *path, uint64_t max, vss_error *err)
{
    cli_vectors file;
    uint32_t dim;
    vss_status status = cli_vectors_open(path, &file, err);
    if (status == VSS_OK)
        status = cli_vectors_dim(&file, m->type, &dim, err);
    if (status == VSS_OK && file.dim != m->base.dim)
        status = cli_fail(err, VSS_ERR_INVALID, "%s has %u columns, %s has %u", path, file.dim, m->base.path,
                          m->base.dim);
    if (status == VSS_OK && file.rows == 0)
        status = cli_fail(err, VSS_ERR_INVALID, "%s has no rows", path);
    if (status == VSS_OK) {
        m->n_queries = file.rows < max ? file.rows : max;
        m->queries = cli_alloc(m->n_queries, m->query_size);
        status = cli_vectors_read_as(&file, m->type, 0, m->n_queries, m->queries, err);
    }
    cli_vectors_close(&file);
    return status;
}

void cli_memdb_close(cli_memdb *m)
{
    vss_collection_close(m->col, NULL);
    vss_db_close(m->db, NULL);
    cli_vectors_close(&m->base);
    free(m->queries);
    *m = (cli_memdb){0};
}

bool cli_memdb_type(const cli_args *args, vss_type *type)
{
    const char *name = cli_args_text(args, "dtype");
    *type = cli_dtype_parse(name ? name : "f32");
    if (*type == VSS_TYPE_NONE)
        cli_usage(args->command->name, "--dtype %s: expected f32, f16, bf16, i8, u8 or binary", name);
    return *type != VSS_TYPE_NONE;
}

vss_search_request cli_memdb_request(const cli_memdb *m, uint64_t first, uint64_t n, uint32_t k)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = m->queries + first * m->query_size;
    request.query_type = cli_vectors_given(m->type);
    request.n_queries = n;
    request.dim = m->dim;
    request.k = k;
    return request;
}

uint64_t cli_memdb_block(uint32_t k)
{
    uint64_t n = (1u << 20) / k;
    return n < 1 ? 1 : n > VSS_MAX_QUERIES ? VSS_MAX_QUERIES : n;
}
