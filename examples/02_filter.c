/*
 * 02_filter.c - a collection on disk with an index: the three books nearest to a taste, among those in print since 1900
 *
 * usage: 02_filter DIRECTORY    (made if it is missing; the collection must not be there yet)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vss.h>

enum { BOOKS = 5, TASTES = 3 };

static const char *const book_titles[BOOKS] = {"Emma", "Dracula", "Solaris", "Ubik", "Dune"};
static const int64_t book_years[BOOKS] = {1815, 1897, 1961, 1969, 1965};
static const float book_tastes[BOOKS][TASTES] = { /* romance, horror, space */
    {0.9f, 0.0f, 0.0f}, {0.3f, 0.9f, 0.0f}, {0.2f, 0.3f, 0.8f}, {0.1f, 0.5f, 0.5f}, {0.2f, 0.1f, 0.9f}};

static const char book_schema[] =
    "{\"fields\": ["
    "{\"name\": \"title\", \"type\": \"string\", \"primary\": true},"
    "{\"name\": \"year\", \"type\": \"int64\"},"
    "{\"name\": \"taste\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"cosine\"}]}";

static vss_status book_insert(vss_collection *col, vss_error *err)
{
    char text[256] = "";
    int64_t offsets[BOOKS + 1] = {0};
    for (size_t i = 0; i < BOOKS; i++) {
        strcat(text, book_titles[i]);
        offsets[i + 1] = (int64_t)strlen(text);
    }
    vss_column title = {sizeof title, VSS_TYPE_STRING, 0, BOOKS, NULL, offsets, text};
    vss_column year = {sizeof year, VSS_TYPE_INT64, 0, BOOKS, NULL, NULL, book_years};
    vss_column taste = {sizeof taste, VSS_TYPE_VECTOR_F32, TASTES, BOOKS, NULL, NULL, book_tastes};
    const char *const names[] = {"title", "year", "taste"};
    const vss_column *const columns[] = {&title, &year, &taste};
    vss_batch batch = {sizeof batch, 3, names, columns};
    return vss_collection_insert(col, &batch, NULL, err);
}

static vss_status book_search(vss_collection *col, vss_error *err)
{
    const float query[TASTES] = {0.0f, 0.2f, 1.0f};
    const char *const fields[] = {"year"};
    vss_result *hits;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = query;
    request.n_queries = 1;
    request.dim = TASTES;
    request.k = 3;
    request.filter = "year >= 1900";
    request.fields = fields;
    request.n_fields = 1;
    vss_status status = vss_collection_search(col, &request, &hits, err);
    if (status != VSS_OK)
        return status;
    const vss_column *titles = vss_result_keys(hits);
    const int64_t *years = vss_result_field(hits, "year")->data;
    for (size_t i = 0; i < vss_result_rows(hits); i++)
        printf("%.4f  %lld  %.*s\n", (double)vss_result_distances(hits)[i], (long long)years[i],
               (int)(titles->offsets[i + 1] - titles->offsets[i]), (const char *)titles->data + titles->offsets[i]);
    vss_result_free(hits);
    return VSS_OK;
}

/* Make the collection, fill and index it, search it. */
static vss_status book_run(vss_db *db, vss_error *err)
{
    vss_schema *schema;
    vss_collection *col = NULL;
    vss_status status = vss_schema_parse(book_schema, strlen(book_schema), &schema, err);
    if (status != VSS_OK)
        return status;
    status = vss_collection_create(db, "books", schema, &col, err);
    vss_schema_free(schema);
    if (status == VSS_OK)
        status = book_insert(col, err);
    if (status == VSS_OK)
        status = vss_collection_build_index(col, "taste", "hnsw", "m=16", NULL, err);
    if (status == VSS_OK)
        status = book_search(col, err);
    if (status != VSS_OK) {
        vss_collection_close(col, NULL); /* err tells what happened first */
        return status;
    }
    return vss_collection_close(col, err); /* the rows are durable once this is VSS_OK */
}

int main(int argc, char **argv)
{
    vss_db *db;
    vss_error err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    vss_status status = vss_db_open(argv[1], NULL, &db, &err);
    if (status == VSS_OK)
        status = book_run(db, &err);
    if (status != VSS_OK)
        fprintf(stderr, "%s: %s\n", vss_status_name(status), err.message);
    vss_db_close(db, NULL);
    return status == VSS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
