/*
 * consumer.c - an outside C program: a collection on disk is made, filled, closed, opened, indexed and searched
 *
 * Sees only what is installed. consumer FOLDER; prints one line; exit status 0 when everything was right.
 */
#include <stdio.h>
#include <string.h>

#include <vss.h>

enum { DIM = 4, ROWS = 5000 };

static const char fields[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
                             "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 4, \"metric\": \"l2\"}]}";

static int64_t keys[ROWS];
static float vectors[ROWS][DIM];

static int failed(const char *what, const vss_error *err)
{
    fprintf(stderr, "consumer: %s: %s\n", what, err->message);
    return 1;
}

/* Row i is the digits of i in base 9: no two rows are equal. */
static void make_rows(void)
{
    for (int i = 0; i < ROWS; i++) {
        keys[i] = i * 10;
        for (int d = 0, rest = i; d < DIM; d++, rest /= 9)
            vectors[i][d] = (float)(rest % 9);
    }
}

static int fill(const char *folder)
{
    vss_db *db;
    vss_schema *schema;
    vss_collection *col;
    vss_error err;
    vss_column id = VSS_INIT(vss_column), v = VSS_INIT(vss_column);
    const char *names[] = {"id", "v"};
    const vss_column *columns[] = {&id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    id.type = VSS_TYPE_INT64, id.length = ROWS, id.data = keys;
    v.type = VSS_TYPE_VECTOR_F32, v.length = ROWS, v.dim = DIM, v.data = vectors;
    batch.n_columns = 2, batch.names = names, batch.columns = columns;
    if (vss_schema_parse(fields, strlen(fields), &schema, &err) != VSS_OK)
        return failed("schema", &err);
    if (vss_db_open(folder, NULL, &db, &err) != VSS_OK)
        return failed("open", &err);
    if (vss_collection_create(db, "things", schema, &col, &err) != VSS_OK ||
        vss_collection_insert(col, &batch, NULL, &err) != VSS_OK)
        return failed("fill", &err);
    vss_schema_free(schema);
    return vss_db_close(db, &err) == VSS_OK ? 0 : failed("close", &err);
}

static int search(const char *folder)
{
    vss_db *db;
    vss_collection *col;
    vss_result *hits;
    vss_error err;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = vectors[4321], request.n_queries = 1, request.dim = DIM, request.k = 3;
    if (vss_db_open(folder, NULL, &db, &err) != VSS_OK || vss_collection_open(db, "things", &col, &err) != VSS_OK ||
        vss_collection_build_index(col, "v", "hnsw", "m=8", NULL, &err) != VSS_OK ||
        vss_collection_search(col, &request, &hits, &err) != VSS_OK)
        return failed("search", &err);
    const int64_t *found = vss_result_keys(hits)->data;
    int right = vss_result_rows(hits) == 3 && found[0] == 43210 && !(vss_result_distances(hits)[0] > 0);
    vss_result_free(hits);
    if (vss_db_close(db, &err) != VSS_OK)
        return failed("close", &err);
    if (!right)
        fprintf(stderr, "consumer: the nearest row to row 4321 is another one\n");
    return !right;
}

int main(int argc, char **argv)
{
    char version[32];
    (void)snprintf(version, sizeof version, "%d.%d.%d", VSS_VERSION_MAJOR, VSS_VERSION_MINOR, VSS_VERSION_PATCH);
    if (argc != 2 || strcmp(version, vss_version()) != 0) {
        fprintf(stderr, "consumer FOLDER; headers %s, library %s\n", version, vss_version());
        return 2;
    }
    make_rows();
    if (fill(argv[1]) != 0 || search(argv[1]) != 0)
        return 1;
    printf("consumer: %d rows stored, indexed and searched by libvss %s, %s\n", ROWS, vss_version(), vss_simd_level());
    return 0;
}
