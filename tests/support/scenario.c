/*
 * scenario.c - see scenario.h
 */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 3, PLAIN_ROWS = 600, INDEXED_ROWS = 4200, NEW_KEY = 10000, NEW_ROWS = 20, QUERIES = 12, K = 5 };
enum { MAX_SCENARIOS = 48 };

static vss_storage models[MODELS];
static vssi_heap model_heap;
static float *model_vectors; /* [INDEXED_ROWS][DIM] */
static scenario scenarios[MAX_SCENARIOS];
static size_t n_scenarios;
static scenario_reference references[MAX_SCENARIOS];

/* ---- the allocator ---- */

static void *scenario_alloc(void *state, size_t size, size_t align)
{
    scenario_allocator *a = state;
    if (atomic_fetch_add(&a->calls, 1) + 1 == a->target)
        return NULL;
    atomic_fetch_add(&a->blocks, 1);
    uint64_t used = atomic_fetch_add(&a->used, size) + size;
    uint64_t peak = atomic_load(&a->peak);
    while (peak < used && !atomic_compare_exchange_weak(&a->peak, &peak, used))
        ;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void scenario_release(void *state, void *block, size_t size, size_t align)
{
    scenario_allocator *a = state;
    (void)align;
    atomic_fetch_sub(&a->blocks, 1);
    atomic_fetch_sub(&a->used, size);
    free(block);
}

/* ---- the calls ---- */

static vss_status run_create(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    vss_field id = VSS_INIT(vss_field), number = VSS_INIT(vss_field), v = VSS_INIT(vss_field);
    id.name = "id", id.type = VSS_TYPE_INT64, id.flags = VSS_FIELD_PRIMARY;
    number.name = "number", number.type = VSS_TYPE_INT64, number.default_json = "7";
    v.name = "v", v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.metric = VSS_METRIC_L2;
    const vss_field *fields[] = {&id, &number, &v};
    vss_schema schema = VSS_INIT(vss_schema);
    schema.n_fields = 3, schema.fields = fields;
    return vss_collection_create(w->db, "c", &schema, &w->col, err);
}

static vss_status run_open(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    return scenario_open(w, err);
}

static vss_status run_drop(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    return vss_collection_drop(w->db, "c", err);
}

static vss_status run_list(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    char **names;
    size_t count;
    vss_status status = vss_db_list(w->db, &names, &count, err);
    if (status == VSS_OK)
        w->answer = count;
    else
        assert_null(names);
    vss_names_free(names);
    return status;
}

static vss_status run_insert(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    int64_t keys[NEW_ROWS];
    for (int64_t i = 0; i < NEW_ROWS; i++)
        keys[i] = NEW_KEY + i;
    vss_column id = maker_keys(keys, NEW_ROWS), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.length = NEW_ROWS, v.dim = DIM, v.data = model_vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return vss_collection_insert(w->col, &batch, NULL, err);
}

/* Half of the keys are there already. */
static vss_status run_upsert(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    int64_t keys[NEW_ROWS];
    for (int64_t i = 0; i < NEW_ROWS; i++)
        keys[i] = i % 2 == 0 ? i : NEW_KEY + i;
    vss_column id = maker_keys(keys, NEW_ROWS), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.length = NEW_ROWS, v.dim = DIM, v.data = model_vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return vss_collection_upsert(w->col, &batch, NULL, err);
}

static vss_status run_compact(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    return vss_collection_compact(w->col, err);
}

static vss_status run_delete(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    int64_t keys[] = {1, 2, 3, 500};
    vss_column column = maker_keys(keys, 4);
    return vss_collection_delete(w->col, &column, NULL, err);
}

static vss_status run_delete_where(scenario_world *w, const char *filter, vss_error *err)
{
    return vss_collection_delete_where(w->col, filter, NULL, err);
}

static vss_status run_flush(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    return vss_collection_flush(w->col, err);
}

static vss_status run_build(scenario_world *w, const char *type, vss_error *err)
{
    const char *params = strcmp(type, "hnsw") == 0 ? "m=5,ef_construction=16" : NULL;
    return vss_collection_build_index(w->col, "v", type, params, NULL, err);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    for (const uint8_t *byte = data; size > 0; size--)
        hash = (hash ^ *byte++) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_result(const vss_result *result)
{
    const vss_column *keys = vss_result_keys(result);
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, keys->data, keys->length * sizeof(int64_t));
    if (vss_result_distances(result) != NULL)
        hash = hash_bytes(hash, vss_result_distances(result), vss_result_rows(result) * sizeof(float));
    return hash_bytes(hash, vss_result_offsets(result), (vss_result_queries(result) + 1) * sizeof(int64_t));
}

/* argument: the search's parameters, '/', its filter; either may be empty. */
static vss_status run_search(scenario_world *w, const char *argument, vss_error *err)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    const char *fields[] = {"name", "v"}, *slash = strchr(argument, '/');
    char params[64];
    vss_result *result;
    (void)snprintf(params, sizeof params, "%.*s", (int)(slash - argument), argument);
    request.queries = model_vectors, request.n_queries = QUERIES, request.dim = DIM, request.k = K;
    request.params = params[0] != '\0' ? params : NULL;
    request.filter = slash[1] != '\0' ? slash + 1 : NULL;
    request.fields = fields, request.n_fields = 2;
    request.threads = 2;
    request.explain = 1;
    vss_status status = vss_collection_search(w->col, &request, &result, err);
    if (status == VSS_OK) {
        assert_int_equal(vss_result_rows(result), QUERIES * K);
        w->answer = hash_result(result);
    } else {
        assert_null(result);
    }
    vss_result_free(result);
    return status;
}

static vss_status run_get(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    int64_t keys[] = {9, 400, -1};
    const char *fields[] = {"name", "number", "v"};
    vss_column column = maker_keys(keys, 3);
    vss_result *result;
    vss_status status = vss_collection_get(w->col, &column, fields, 3, &result, err);
    if (status == VSS_OK)
        w->answer = hash_result(result);
    else
        assert_null(result);
    vss_result_free(result);
    return status;
}

static vss_status run_count(scenario_world *w, const char *filter, vss_error *err)
{
    return vss_collection_count(w->col, filter, &w->answer, err);
}

static vss_status run_check(scenario_world *w, const char *argument, vss_error *err)
{
    (void)argument;
    return vss_collection_check(w->db, "c", NULL, NULL, NULL, NULL, NULL, err);
}

static const scenario fixed[] = {
    {"create", MODEL_EMPTY, .run = run_create, .closed = true},
    {"open", MODEL_INDEXED, .run = run_open, .opens = true},
    {"list", MODEL_INDEXED, .run = run_list},
    {"insert", MODEL_INDEXED, .run = run_insert},
    {"upsert", MODEL_INDEXED, .run = run_upsert},
    {"compact", MODEL_PLAIN, .run = run_compact, .growing = true},
    {"delete", MODEL_INDEXED, .run = run_delete},
    {"delete where", MODEL_INDEXED, .run = run_delete_where, .argument = "number in [5, 6] or name like \"n7%\""},
    {"flush", MODEL_INDEXED, .run = run_flush, .growing = true},
    {"search by scan", MODEL_PLAIN, .run = run_search, .argument = "/", .growing = true},
    {"search exact", MODEL_INDEXED, .run = run_search, .argument = "exact=1/"},
    {"search by index", MODEL_INDEXED, .run = run_search, .argument = "/", .growing = true},
    {"search by index, filtered", MODEL_INDEXED, .run = run_search, .argument = "/number < 90 and name is not null"},
    {"search few, filtered", MODEL_INDEXED, .run = run_search, .argument = "ef=20/number < 3"},
    {"get", MODEL_INDEXED, .run = run_get},
    {"count", MODEL_INDEXED, .run = run_count, .argument = "name == 'n3' and 10 < number <= 60"},
    {"check", MODEL_INDEXED, .run = run_check},
    {"drop", MODEL_INDEXED, .run = run_drop, .closed = true},
};

size_t scenario_count(void) { return n_scenarios; }
const scenario *scenario_get(size_t i) { return &scenarios[i]; }

/* ---- models ---- */

static void model_make(scenario_model which)
{
    vss_error err;
    vss_db *db;
    MUST(vssi_storage_memory(&model_heap, &models[which], &err));
    if (which == MODEL_EMPTY)
        return;
    vss_storage kept = models[which];
    kept.close = NULL;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.storage = &kept;
    MUST(vss_db_open("model", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_COSINE);
    if (which == MODEL_PLAIN) {
        maker_insert(col, model_vectors, PLAIN_ROWS / 2, DIM, 0, 1);
        MUST(vss_collection_flush(col, &err));
        maker_insert(col, model_vectors + PLAIN_ROWS / 2 * DIM, PLAIN_ROWS / 2, DIM, PLAIN_ROWS / 2, 1);
    } else {
        maker_insert(col, model_vectors, INDEXED_ROWS, DIM, 0, 1);
        MUST(vss_collection_build_index(col, "v", "hnsw", "m=4,ef_construction=16", NULL, &err));
        MUST(vss_collection_delete_where(col, "number == 0", NULL, &err));
    }
    MUST(vss_db_close(db, &err));
}

int scenario_setup(void **state)
{
    (void)state;
    maker_random r = {5};
    vssi_heap_init(&model_heap, NULL, 0);
    model_vectors = malloc(INDEXED_ROWS * DIM * sizeof *model_vectors);
    maker_vectors(&r, model_vectors, INDEXED_ROWS, DIM, false);
    for (int i = 0; i < MODELS; i++)
        model_make((scenario_model)i);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        scenarios[n_scenarios++] = fixed[i];
    for (size_t i = 0; vss_index_type(i) != NULL && n_scenarios < MAX_SCENARIOS; i++) {
        scenario *s = &scenarios[n_scenarios++];
        *s = (scenario){.model = MODEL_INDEXED, .run = run_build, .argument = vss_index_type(i), .growing = true};
        (void)snprintf(s->name, sizeof s->name, "build %s", vss_index_type(i));
    }
    return 0;
}

int scenario_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        models[i].close(models[i].state);
    free(model_vectors);
    return atomic_load(&model_heap.used) == 0 ? 0 : -1;
}

/* ---- worlds ---- */

typedef struct model_copy {
    const vss_storage *from;
    const vss_storage *to;
} model_copy;

static int model_copy_object(void *arg, const char *name)
{
    const model_copy *copy = arg;
    uint64_t size;
    vss_error err;
    MUST(copy->from->size(copy->from->state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(copy->from->read(copy->from->state, name, 0, bytes, (size_t)size, &err));
    vss_span span = {bytes, (size_t)size};
    MUST(copy->to->put(copy->to->state, name, &span, 1, &err));
    free(bytes);
    return 0;
}

void scenario_begin(scenario_world *w, const scenario *s, const scenario_options *options)
{
    vss_error err;
    vss_storage to;
    memset(w, 0, sizeof *w);
    w->options = *options;
    vssi_heap_init(&w->storage_heap, NULL, 0);
    if (options->folder != NULL)
        MUST(vssi_storage_posix(&w->storage_heap, options->folder, true, false, &to, &err));
    else
        MUST(vssi_storage_memory(&w->storage_heap, &to, &err));
    model_copy copy = {&models[s->model], &to};
    MUST(copy.from->list(copy.from->state, "", 0, model_copy_object, &copy, &err));
    fault_storage_wrap(&w->faults, &to, &w->storage);
    if (options->unmapped)
        w->storage.map = NULL, w->storage.unmap = NULL;
}

void scenario_end(scenario_world *w)
{
    w->storage.close(w->storage.state);
    assert_int_equal(atomic_load(&w->storage_heap.used), 0);
}

static vss_status scenario_open_db(scenario_world *w, vss_error *err)
{
    vss_allocator allocator = {sizeof allocator, &w->allocator, scenario_alloc, scenario_release};
    vss_storage storage = w->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    if (w->db != NULL)
        return VSS_OK;
    storage.close = NULL; /* it outlives the database */
    options.allocator = &allocator;
    options.memory_budget = w->options.budget;
    options.storage = w->options.folder == NULL ? &storage : NULL;
    return vss_db_open(w->options.folder != NULL ? w->options.folder : "world", &options, &w->db, err);
}

vss_status scenario_open(scenario_world *w, vss_error *err)
{
    vss_status status = scenario_open_db(w, err);
    return status != VSS_OK || w->col != NULL ? status : vss_collection_open(w->db, "c", &w->col, err);
}

vss_status scenario_prepare(scenario_world *w, const scenario *s, vss_error *err)
{
    vss_status status = s->opens ? VSS_OK : s->closed ? scenario_open_db(w, err) : scenario_open(w, err);
    if (status == VSS_OK && s->growing)
        status = run_insert(w, NULL, err);
    return status == VSS_OK && s->growing ? run_delete(w, NULL, err) : status;
}

vss_status scenario_run(scenario_world *w, const scenario *s, vss_error *err)
{
    vss_collection *open = s->closed ? w->col : NULL;
    if (open != NULL)
        w->col = NULL;
    vss_status status = vss_collection_close(open, err);
    return status == VSS_OK ? s->run(w, s->argument, err) : status;
}

void scenario_close(scenario_world *w)
{
    fault_storage_fail(&w->faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    w->allocator.target = 0;
    (void)vss_db_close(w->db, NULL);
    w->db = NULL;
    w->col = NULL;
    if (atomic_load(&w->allocator.blocks) != 0)
        fail_msg("%ld blocks leaked", atomic_load(&w->allocator.blocks));
}

/* ---- states ---- */

typedef struct state_text {
    char *text;
    size_t size;
    size_t room;
} state_text;

static int state_index(void *state, const vss_index_info *info)
{
    state_text *t = state;
    t->size += (size_t)snprintf(t->text + t->size, t->room - t->size, ", index %s of %s (%s): %llu rows in %llu",
                                info->type, info->field, info->params, (unsigned long long)info->rows,
                                (unsigned long long)info->segments);
    return 0;
}

void scenario_describe(scenario_world *w, scenario_state out)
{
    int64_t keys[] = {1, 2, 3, 4, 500, NEW_KEY, NEW_KEY + NEW_ROWS - 1};
    vss_column column = maker_keys(keys, sizeof keys / sizeof *keys);
    uint64_t rows, matching;
    vss_result *found;
    vss_error err;
    state_text t = {out, 0, sizeof(scenario_state)};
    vss_status status = scenario_open(w, &err);
    if (status == VSS_ERR_NOT_FOUND) {
        (void)snprintf(out, t.room, "no collection");
        return;
    }
    MUST(status);
    MUST(vss_collection_count(w->col, NULL, &rows, &err));
    MUST(vss_collection_count(w->col, "number in [5, 6, 57, 10003]", &matching, &err));
    MUST(vss_collection_get(w->col, &column, NULL, 0, &found, &err));
    t.size = (size_t)snprintf(out, t.room, "%llu rows, %llu matching, keys", (unsigned long long)rows,
                              (unsigned long long)matching);
    const int64_t *present = vss_result_keys(found)->data;
    for (size_t i = 0; i < vss_result_rows(found); i++)
        t.size += (size_t)snprintf(out + t.size, t.room - t.size, " %lld", (long long)present[i]);
    vss_result_free(found);
    MUST(vss_collection_indexes(w->col, state_index, &t, &err));
    assert_true(t.size < t.room);
}

void scenario_check(scenario_world *w)
{
    vss_error err;
    vss_status status = vss_collection_check(w->db, "c", NULL, NULL, NULL, NULL, NULL, &err);
    if (status != VSS_OK && status != VSS_ERR_NOT_FOUND)
        fail_msg("check: %s: %s", vss_status_name(status), err.message);
}

const scenario_reference *scenario_reference_get(size_t i)
{
    const scenario *s = &scenarios[i];
    scenario_reference *r = &references[i];
    scenario_options none = {.budget = 0};
    scenario_world w;
    vss_error err;
    if (r->after[0] != '\0')
        return r;
    scenario_begin(&w, s, &none);
    scenario_describe(&w, r->stored);
    memcpy(r->half, r->stored, sizeof r->half);
    if (s->growing) {
        MUST(run_insert(&w, NULL, &err));
        scenario_describe(&w, r->half);
        scenario_close(&w);
        scenario_end(&w);
        scenario_begin(&w, s, &none);
    }
    MUST(scenario_prepare(&w, s, &err));
    scenario_describe(&w, r->before);
    scenario_close(&w);
    scenario_end(&w);
    scenario_begin(&w, s, &none);
    MUST(scenario_prepare(&w, s, &err));
    MUST(scenario_run(&w, s, &err));
    MUST(vss_db_memory(w.db, NULL, &r->peak, &err));
    r->answer = w.answer;
    scenario_describe(&w, r->after);
    scenario_close(&w);
    scenario_end(&w);
    return r;
}
