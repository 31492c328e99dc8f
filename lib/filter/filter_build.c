/*
 * filter_build.c - the nodes of a plan: leaves, groups with their constants folded, sets of literals
 */
#include "../base/checked.h"
#include "../base/text.h"
#include "filter_stages.h"

vss_status vssi_filter_build_leaf(vssi_filter_job *job, vssi_filter_plan_kind kind, size_t field, bool negate,
                                  unsigned cost, vssi_filter_plan **out)
{
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, 1, sizeof **out, out, job->err));
    (*out)->kind = kind;
    (*out)->field = field;
    (*out)->negate = negate;
    (*out)->cost = cost;
    return VSS_OK;
}

vss_status vssi_filter_build_const(vssi_filter_job *job, bool value, vssi_filter_plan **out)
{
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_CONST, 0, false, 0, out));
    (*out)->value = value;
    return VSS_OK;
}

/* Children by cost, the order within a cost kept: the cheap ones settle rows that the dear ones then skip. Constants
 * that change nothing go; *settled when one decides the whole. */
static vssi_filter_plan *filter_build_order(vssi_filter_plan *children, bool decides, bool *settled)
{
    vssi_filter_plan *first[VSSI_FILTER_COSTS] = {NULL}, **tail[VSSI_FILTER_COSTS];
    for (unsigned c = 0; c < VSSI_FILTER_COSTS; c++)
        tail[c] = &first[c];
    *settled = false;
    for (vssi_filter_plan *next, *child = children; child != NULL; child = next) {
        next = child->next;
        child->next = NULL;
        if (child->kind == VSSI_PLAN_CONST) {
            *settled |= child->value == decides;
            continue;
        }
        *tail[child->cost] = child;
        tail[child->cost] = &child->next;
    }
    vssi_filter_plan *all = NULL;
    for (unsigned c = VSSI_FILTER_COSTS; c-- > 0;) {
        *tail[c] = all;
        all = first[c];
    }
    return all;
}

vss_status vssi_filter_build_group(vssi_filter_job *job, vssi_filter_plan_kind kind, vssi_filter_plan *children,
                                   vssi_filter_plan **out)
{
    bool decides = kind == VSSI_PLAN_OR, settled;
    children = filter_build_order(children, decides, &settled);
    if (settled || children == NULL)
        return vssi_filter_build_const(job, settled == decides, out);
    if (children->next == NULL) {
        *out = children;
        return VSS_OK;
    }
    VSSI_TRY(vssi_filter_build_leaf(job, kind, 0, false, 0, out));
    (*out)->first = children;
    for (const vssi_filter_plan *child = children; child != NULL; child = child->next) {
        (*out)->cost = child->cost > (*out)->cost ? child->cost : (*out)->cost;
        (*out)->levels = child->levels > (*out)->levels ? child->levels : (*out)->levels;
    }
    (*out)->levels += kind == VSSI_PLAN_OR;
    return VSS_OK;
}

/* ---- literals ---- */

static bool filter_build_is_number(vss_type type) { return type >= VSS_TYPE_INT8 && type <= VSS_TYPE_FLOAT64; }

static bool filter_build_fits(vss_type type, vssi_filter_literal_kind kind)
{
    bool number = kind == VSSI_LITERAL_INT || kind == VSSI_LITERAL_FLOAT;
    if (type == VSS_TYPE_BOOL)
        return kind == VSSI_LITERAL_BOOL;
    if (type == VSS_TYPE_STRING)
        return kind == VSSI_LITERAL_STRING;
    if (type == VSS_TYPE_TIMESTAMP)
        return number || kind == VSSI_LITERAL_STRING || kind == VSSI_LITERAL_TIME;
    return number && filter_build_is_number(type);
}

vss_status vssi_filter_build_literal(vssi_filter_job *job, const vssi_field *field, vss_type type,
                                     const vssi_filter_literal *literal, vssi_filter_literal *out)
{
    static const char *const names[] = {"a bool", "a number", "a number", "a string", "a time"};
    char shown[VSSI_FILTER_SHOWN], value[VSSI_FILTER_SHOWN];
    vssi_filter_show(shown, field->name, strlen(field->name));
    *out = *literal;
    if (!filter_build_fits(type, literal->kind))
        return vssi_filter_fail(job, literal->at, "field \"%s\" is %s%s, compared with %s", shown,
                                field->type == VSS_TYPE_ARRAY ? "an array of " : "", vss_type_name(type),
                                names[literal->kind]);
    if (type != VSS_TYPE_TIMESTAMP || literal->kind != VSSI_LITERAL_STRING)
        return VSS_OK;
    out->kind = VSSI_LITERAL_TIME;
    if (!vssi_time_parse(literal->text.data, literal->text.size, &out->number))
        return vssi_filter_fail(job, literal->at, "field \"%s\" is timestamp, and \"%s\" is not an ISO 8601 time",
                                shown, vssi_filter_show(value, literal->text.data, literal->text.size));
    return VSS_OK;
}

vss_status vssi_filter_build_set(vssi_filter_job *job, vss_type type, const vssi_filter_literal *list, size_t n,
                                 vssi_filter_set **out, bool *impossible)
{
    vssi_filter_entry *entries;
    size_t kept = 0;
    *impossible = false;
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, n, sizeof *entries, &entries, job->err));
    for (size_t i = 0; i < n; i++) {
        vssi_filter_point point;
        vssi_filter_entry *entry = &entries[kept];
        if (type == VSS_TYPE_STRING) {
            char *copy;
            size_t size = list[i].text.size;
            VSSI_TRY(vssi_filter_arena_alloc(job->keep, size, 1, &copy, job->err));
            memcpy(copy, list[i].text.data, size);
            entry->text = (vssi_filter_text){copy, size};
            entry->code = vssi_filter_code_text(entry->text);
        } else if (vssi_filter_point_of(type, &list[i], &point) && point.exact) {
            entry->code = vssi_filter_code_key(point.floor);
        } else {
            *impossible = true;
            continue;
        }
        kept++;
    }
    return vssi_filter_set_build(job, entries, kept, out);
}
