/*
 * refusal.c - judge refused calls
 */
#include "refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"

void refusal_accept(const char *call, vss_status status, const vss_error *err)
{
    if (status != VSS_OK)
        fail_msg("%s: %s: %s", call, vss_status_name(status), err->message);
}

/* Every row, in the order of a scan. */
static uint64_t refusal_digest(vss_collection *col)
{
    const vss_schema *schema = vss_collection_schema(col);
    vss_search_request request = VSS_INIT(vss_search_request);
    const float query[8] = {1, 0.5f, -0.25f, 0.125f, 1, 1, 1, 1};
    vss_result *result;
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i]->type == VSS_TYPE_VECTOR_F32) {
            request.field = schema->fields[i]->name;
            request.dim = schema->fields[i]->dim;
        }
    request.queries = query;
    request.n_queries = 1;
    request.k = 100;
    request.params = "exact=1";
    ACCEPT(vss_collection_search(col, &request, &result, e));
    const size_t rows = vss_result_rows(result);
    const vss_column *keys = vss_result_keys(result);
    uint64_t digest = vssi_hash(vss_result_distances(result), rows * sizeof(float), rows);
    if (keys->type == VSS_TYPE_INT64)
        digest = vssi_hash(keys->data, rows * sizeof(int64_t), digest);
    else
        digest = vssi_hash(keys->data, (size_t)keys->offsets[rows], digest);
    vss_result_free(result);
    return digest;
}

void refusal_keep(vss_collection *col, refusal_state *state)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    uint64_t count;
    ACCEPT(vss_collection_stats_get(col, &stats, e));
    ACCEPT(vss_collection_count(col, NULL, &count, e));
    assert_int_equal(count, stats.rows);
    *state = (refusal_state){stats.rows,    stats.deleted, stats.sequence,
                             stats.version, stats.growing, refusal_digest(col)};
}

void refusal_begin(refusal_stage *stage, specimen_kind kind)
{
    *stage = (refusal_stage){0};
    ACCEPT(vss_db_open("mem:", NULL, &stage->db, e));
    stage->col = specimen_create(stage->db, specimen_name(kind), specimen_schema(kind));
    specimen_insert(stage->col, 0, 20);
    ACCEPT(vss_collection_flush(stage->col, e));
    specimen_insert(stage->col, 20, 5);
    refusal_keep(stage->col, &stage->state);
    assert_int_equal(stage->state.rows, 25);
}

void refusal_end(refusal_stage *stage)
{
    ACCEPT(vss_db_close(stage->db, e));
    print_message("%zu cases\n", stage->cases);
}

void refusal_judge(refusal_stage *stage, const char *call, vss_status first, vss_status second, vss_status wanted,
                   const char *says, const vss_error *err)
{
    if (first != wanted || second != wanted)
        fail_msg("%s: %s, without vss_error %s; %s is right; \"%s\"", call, vss_status_name(first),
                 vss_status_name(second), vss_status_name(wanted), err->message);
    if (err->status != wanted)
        fail_msg("%s: status %d in vss_error, %d returned", call, (int)err->status, (int)first);
    if (err->message[0] == '\0' || memchr(err->message, '\0', sizeof err->message) == NULL)
        fail_msg("%s: no line, or one without an end", call);
    for (const char *c = err->message; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            fail_msg("%s: control character %d in \"%s\"", call, *c, err->message);
    if (strstr(err->message, says) == NULL)
        fail_msg("%s: \"%s\" doesn't say \"%s\"", call, err->message, says);
    if (stage == NULL)
        return;
    stage->cases++;
    refusal_state now;
    refusal_keep(stage->col, &now);
    if (memcmp(&now, &stage->state, sizeof now) != 0)
        fail_msg("%s: refused, but the collection has changed", call);
}
