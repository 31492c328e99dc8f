// consumer.cpp - an outside C++17 program: the whole header, VSS_INIT, handles in unique_ptr, an exact search in memory
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <vss.h>

namespace {

struct close_db {
    void operator()(vss_db *db) const { (void)vss_db_close(db, nullptr); }
};
struct free_result {
    void operator()(vss_result *result) const { vss_result_free(result); }
};

int failed(const vss_error &err)
{
    std::fprintf(stderr, "consumer: %s: %s\n", vss_status_name(err.status), err.message);
    return 1;
}

} // namespace

int main()
{
    vss_error err;
    vss_db *opened = nullptr;
    if (vss_db_open("mem:", nullptr, &opened, &err) != VSS_OK)
        return failed(err);
    const std::unique_ptr<vss_db, close_db> db(opened);

    vss_field id = VSS_INIT(vss_field), v = VSS_INIT(vss_field);
    id.name = "id", id.type = VSS_TYPE_STRING, id.flags = VSS_FIELD_PRIMARY;
    v.name = "v", v.type = VSS_TYPE_VECTOR_F32, v.dim = 2, v.metric = VSS_METRIC_COSINE;
    const std::vector<const vss_field *> fields{&id, &v};
    vss_schema schema = VSS_INIT(vss_schema);
    schema.n_fields = fields.size(), schema.fields = fields.data();
    vss_collection *col = nullptr;
    if (vss_collection_create(db.get(), "words", &schema, &col, &err) != VSS_OK)
        return failed(err);

    const std::string texts = "eastnorthwest";
    const std::vector<int64_t> offsets{0, 4, 9, 13};
    const std::vector<float> vectors{1, 0, 0, 1, -1, 0};
    vss_column names = VSS_INIT(vss_column), places = VSS_INIT(vss_column);
    names.type = VSS_TYPE_STRING, names.length = 3, names.offsets = offsets.data(), names.data = texts.data();
    places.type = VSS_TYPE_VECTOR_F32, places.length = 3, places.dim = 2, places.data = vectors.data();
    const char *const column_names[] = {"id", "v"};
    const vss_column *const columns[] = {&names, &places};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 2, batch.names = column_names, batch.columns = columns;
    if (vss_collection_insert(col, &batch, nullptr, &err) != VSS_OK)
        return failed(err);

    const float query[] = {0.1f, 2};
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = query, request.n_queries = 1, request.dim = 2, request.k = 1;
    vss_result *found = nullptr;
    if (vss_collection_search(col, &request, &found, &err) != VSS_OK)
        return failed(err);
    const std::unique_ptr<vss_result, free_result> hits(found);
    const vss_column *keys = vss_result_keys(hits.get());
    const std::string nearest(static_cast<const char *>(keys->data) + keys->offsets[0],
                              static_cast<const char *>(keys->data) + keys->offsets[1]);
    std::printf("consumer: nearest is %s, by libvss %s from C++\n", nearest.c_str(), vss_version());
    return nearest == "north" ? 0 : 1;
}
