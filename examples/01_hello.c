/*
 * 01_hello.c - a collection in memory, three rows, one search
 */
#include <stdio.h>
#include <vss.h>

static const char fields[] =
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"auto_id\": true},"
    "             {\"name\": \"place\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"l2\"}]}";

int main(void)
{
    vss_db *db;  vss_schema *schema;  vss_collection *col;  vss_result *hits;  vss_error err;
    const float places[] = {0, 0, 3, 4, 6, 8}, query[] = {3, 3};
    vss_column column = {sizeof column, VSS_TYPE_VECTOR_F32, 2, 3, NULL, NULL, places};
    vss_batch batch = {sizeof batch, 1, (const char *[]){"place"}, (const vss_column *[]){&column}};
    vss_search_request request = {sizeof request, .queries = query, .n_queries = 1, .dim = 2, .k = 2};
    if (vss_db_open("mem:", NULL, &db, &err) || vss_schema_parse(fields, sizeof fields - 1, &schema, &err) ||
        vss_collection_create(db, "places", schema, &col, &err) || vss_collection_insert(col, &batch, NULL, &err) ||
        vss_collection_search(col, &request, &hits, &err))
        return puts(err.message), 1;
    const int64_t *ids = vss_result_keys(hits)->data;
    for (size_t i = 0; i < vss_result_rows(hits); i++)
        printf("row %d, squared distance %g\n", (int)ids[i], (double)vss_result_distances(hits)[i]);
    vss_result_free(hits), vss_schema_free(schema);
    return vss_db_close(db, &err);
}
