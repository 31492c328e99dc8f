/*
 * filter_check.c - the tree against the schema: names resolved, types compared, a plan made
 *
 * Every `not` is carried down to the leaves: by De Morgan's laws, which hold with unknowns too, `and` and `or` change
 * places under it, and a leaf tests for the opposite. A plan so made is never asked which rows are false, only which
 * are true, so one bit a row is enough for three truth values.
 */
#include "filter_stages.h"

static vss_status filter_check_node(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                    vssi_filter_plan **out);

/* ---- fields ---- */

static vss_status filter_check_field(vssi_filter_job *job, const vssi_filter_tree *tree, size_t *index)
{
    char shown[VSSI_FILTER_SHOWN];
    *index = vssi_schema_find(job->schema, tree->name.data, tree->name.size);
    vssi_filter_show(shown, tree->name.data, tree->name.size);
    if (*index == SIZE_MAX)
        return vssi_filter_fail(job, tree->at, "unknown field \"%s\"", shown);
    vss_type type = job->schema->fields[*index].type;
    if (vssi_type_is_vector(type))
        return vssi_filter_fail(job, tree->at, "field \"%s\" is %s: a vector can't be in a filter", shown,
                                vss_type_name(type));
    return VSS_OK;
}

/* A field whose values can be compared. */
static vss_status filter_check_scalar(vssi_filter_job *job, const vssi_filter_tree *tree, size_t *index)
{
    char shown[VSSI_FILTER_SHOWN];
    VSSI_TRY(filter_check_field(job, tree, index));
    vss_type type = job->schema->fields[*index].type;
    vssi_filter_show(shown, tree->name.data, tree->name.size);
    if (type == VSS_TYPE_JSON)
        return vssi_filter_fail(job, tree->at, "field \"%s\" is json: comparing json is not supported", shown);
    if (type == VSS_TYPE_ARRAY)
        return vssi_filter_fail(job, tree->at, "field \"%s\" is an array: it takes array_contains, not a comparison",
                                shown);
    return VSS_OK;
}

static vss_status filter_check_operand(vssi_filter_job *job, const vssi_filter_tree *tree)
{
    if (tree->kind == VSSI_TREE_FIELD || tree->kind == VSSI_TREE_LITERAL)
        return VSS_OK;
    return vssi_filter_fail(job, tree->at, "a condition can't be compared: a field or a literal is expected");
}

/* Left of in, like and is: a field. */
static vss_status filter_check_left(vssi_filter_job *job, const vssi_filter_tree *tree, const char *word)
{
    if (tree->first->kind == VSSI_TREE_FIELD)
        return VSS_OK;
    return vssi_filter_fail(job, tree->first->at, "\"%s\" takes a field on its left", word);
}

/* ---- comparisons ---- */

static vssi_filter_op filter_check_flip(vssi_filter_op op)
{
    unsigned ends = (unsigned)op & (VSSI_OP_LT | VSSI_OP_GT);
    if (ends == VSSI_OP_LT || ends == VSSI_OP_GT)
        ends ^= VSSI_OP_LT | VSSI_OP_GT;
    return (vssi_filter_op)(((unsigned)op & ~(unsigned)(VSSI_OP_LT | VSSI_OP_GT)) | ends);
}

static vss_status filter_check_bool_op(vssi_filter_job *job, const vssi_filter_tree *tree, const char *what)
{
    if (tree->op == VSSI_OP_EQ || tree->op == VSSI_OP_NE)
        return VSS_OK;
    return vssi_filter_fail(job, tree->at, "%s has no order: it takes \"==\" and \"!=\" only", what);
}

static vss_status filter_check_literals(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                        vssi_filter_plan **out)
{
    const vssi_filter_literal *a = &tree->first->literal, *b = &tree->second->literal;
    int outcome;
    if (!vssi_filter_order_literals(a, b, &outcome))
        return vssi_filter_fail(job, b->at, "literals of different types are compared");
    if (a->kind == VSSI_LITERAL_BOOL)
        VSSI_TRY(filter_check_bool_op(job, tree, "a bool"));
    return vssi_filter_build_const(job, vssi_filter_op_holds(tree->op, outcome) != negate, out);
}

/* field op literal */
static vss_status filter_check_literal(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                       vssi_filter_plan **out)
{
    bool flip = tree->first->kind == VSSI_TREE_LITERAL;
    const vssi_filter_tree *side = flip ? tree->second : tree->first;
    vssi_filter_op op = flip ? filter_check_flip(tree->op) : tree->op;
    vssi_filter_literal literal;
    vssi_filter_point point;
    size_t index;
    VSSI_TRY(filter_check_scalar(job, side, &index));
    const vssi_field *field = &job->schema->fields[index];
    VSSI_TRY(vssi_filter_build_literal(job, field, field->type, flip ? &tree->first->literal : &tree->second->literal,
                                       &literal));
    if (field->type == VSS_TYPE_BOOL) {
        VSSI_TRY(filter_check_bool_op(job, tree, "a bool"));
        VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_BOOL, index, negate != (op == VSSI_OP_NE), 0, out));
        (*out)->truth.on_true = literal.truth;
        (*out)->truth.on_false = !literal.truth;
    } else if (field->type == VSS_TYPE_STRING) {
        char *copy;
        VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_TEXT, index, negate, 2, out));
        VSSI_TRY(vssi_filter_arena_alloc(job->keep, literal.text.size, 1, &copy, job->err));
        memcpy(copy, literal.text.data, literal.text.size);
        (*out)->compare.op = op;
        (*out)->compare.text = (vssi_filter_text){copy, literal.text.size};
    } else {
        VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_RANGE, index, negate != (op == VSSI_OP_NE), 0, out));
        vssi_filter_point_of(field->type, &literal, &point);
        vssi_filter_range(field->type, op == VSSI_OP_NE ? VSSI_OP_EQ : op, point, &(*out)->range.lo,
                          &(*out)->range.hi);
    }
    (*out)->type = field->type;
    return VSS_OK;
}

static bool filter_check_is_number(vss_type type) { return type >= VSS_TYPE_INT8 && type <= VSS_TYPE_FLOAT64; }

/* field op field */
static vss_status filter_check_fields(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                      vssi_filter_plan **out)
{
    size_t a, b;
    char shown_a[VSSI_FILTER_SHOWN], shown_b[VSSI_FILTER_SHOWN];
    VSSI_TRY(filter_check_scalar(job, tree->first, &a));
    VSSI_TRY(filter_check_scalar(job, tree->second, &b));
    vss_type type_a = job->schema->fields[a].type, type_b = job->schema->fields[b].type;
    if (type_a != type_b && !(filter_check_is_number(type_a) && filter_check_is_number(type_b)))
        return vssi_filter_fail(job, tree->at, "field \"%s\" is %s, compared with field \"%s\", which is %s",
                                vssi_filter_show(shown_a, tree->first->name.data, tree->first->name.size),
                                vss_type_name(type_a),
                                vssi_filter_show(shown_b, tree->second->name.data, tree->second->name.size),
                                vss_type_name(type_b));
    if (type_a == VSS_TYPE_BOOL)
        VSSI_TRY(filter_check_bool_op(job, tree, "a bool"));
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_FIELDS, a, negate, type_a == VSS_TYPE_STRING ? 2 : 1, out));
    (*out)->type = type_a;
    (*out)->fields.op = tree->op;
    (*out)->fields.other = b;
    (*out)->fields.other_type = type_b;
    return VSS_OK;
}

static vss_status filter_check_compare(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                       vssi_filter_plan **out)
{
    VSSI_TRY(filter_check_operand(job, tree->first));
    VSSI_TRY(filter_check_operand(job, tree->second));
    bool a = tree->first->kind == VSSI_TREE_LITERAL, b = tree->second->kind == VSSI_TREE_LITERAL;
    if (a && b)
        return filter_check_literals(job, tree, negate, out);
    return a || b ? filter_check_literal(job, tree, negate, out) : filter_check_fields(job, tree, negate, out);
}

/* ---- in, like, is null, array_contains ---- */

/* tree->list as literals of the type. */
static vss_status filter_check_list(vssi_filter_job *job, const vssi_filter_tree *tree, const vssi_field *field,
                                    vss_type type, vssi_filter_literal **out)
{
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, tree->n, sizeof **out, out, job->err));
    for (size_t i = 0; i < tree->n; i++)
        VSSI_TRY(vssi_filter_build_literal(job, field, type, &tree->list[i], &(*out)[i]));
    return VSS_OK;
}

static vss_status filter_check_in(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                  vssi_filter_plan **out)
{
    vssi_filter_literal *list;
    size_t index;
    VSSI_TRY(filter_check_left(job, tree, "in"));
    VSSI_TRY(filter_check_scalar(job, tree->first, &index));
    const vssi_field *field = &job->schema->fields[index];
    VSSI_TRY(filter_check_list(job, tree, field, field->type, &list));
    if (field->type == VSS_TYPE_BOOL) {
        VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_BOOL, index, negate, 0, out));
        for (size_t i = 0; i < tree->n; i++) {
            (*out)->truth.on_true |= list[i].truth;
            (*out)->truth.on_false |= !list[i].truth;
        }
    } else {
        vssi_filter_set *set;
        unsigned cost = field->type == VSS_TYPE_STRING ? 2 : 1;
        VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_IN, index, negate, cost, out));
        VSSI_TRY(vssi_filter_build_set(job, field->type, list, tree->n, &set, &(*out)->member.impossible));
        (*out)->member.set = set;
    }
    (*out)->type = field->type;
    return VSS_OK;
}

static vss_status filter_check_contains(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                        vssi_filter_plan **out)
{
    vssi_filter_literal *list;
    vssi_filter_set *set;
    char shown[VSSI_FILTER_SHOWN];
    size_t index;
    VSSI_TRY(filter_check_field(job, tree->first, &index));
    const vssi_field *field = &job->schema->fields[index];
    vssi_filter_show(shown, tree->first->name.data, tree->first->name.size);
    if (field->type != VSS_TYPE_ARRAY)
        return vssi_filter_fail(job, tree->first->at, "field \"%s\" is %s, not an array", shown,
                                vss_type_name(field->type));
    if (field->element == VSS_TYPE_JSON)
        return vssi_filter_fail(job, tree->first->at,
                                "field \"%s\" is an array of json: comparing json is not supported", shown);
    VSSI_TRY(filter_check_list(job, tree, field, field->element, &list));
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_CONTAINS, index, negate, 3, out));
    VSSI_TRY(vssi_filter_build_set(job, field->element, list, tree->n, &set, &(*out)->member.impossible));
    (*out)->member.set = set;
    (*out)->member.all = tree->all;
    (*out)->type = field->element;
    return VSS_OK;
}

static vss_status filter_check_like(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                    vssi_filter_plan **out)
{
    vssi_filter_pattern *pattern;
    char shown[VSSI_FILTER_SHOWN];
    size_t index;
    VSSI_TRY(filter_check_left(job, tree, "like"));
    VSSI_TRY(filter_check_field(job, tree->first, &index));
    vss_type type = job->schema->fields[index].type;
    if (type != VSS_TYPE_STRING)
        return vssi_filter_fail(job, tree->first->at, "field \"%s\" is %s; \"like\" takes a string field",
                                vssi_filter_show(shown, tree->first->name.data, tree->first->name.size),
                                vss_type_name(type));
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_LIKE, index, negate, 3, out));
    VSSI_TRY(vssi_filter_pattern_compile(job, &tree->literal, &pattern));
    (*out)->pattern = pattern;
    (*out)->type = type;
    return VSS_OK;
}

/* A field that can't be null needs no look. */
static vss_status filter_check_null(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                    vssi_filter_plan **out)
{
    size_t index;
    VSSI_TRY(filter_check_left(job, tree, "is null"));
    VSSI_TRY(filter_check_field(job, tree->first, &index));
    if ((job->schema->fields[index].flags & VSS_FIELD_NULLABLE) == 0)
        return vssi_filter_build_const(job, negate, out);
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_NULL, index, negate, 0, out));
    (*out)->type = job->schema->fields[index].type;
    return VSS_OK;
}

/* ---- conditions ---- */

/* A field or a literal that stands alone. */
static vss_status filter_check_alone(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                     vssi_filter_plan **out)
{
    char shown[VSSI_FILTER_SHOWN];
    size_t index;
    if (tree->kind == VSSI_TREE_LITERAL) {
        if (tree->literal.kind != VSSI_LITERAL_BOOL)
            return vssi_filter_fail(job, tree->at, "a literal alone is no condition");
        return vssi_filter_build_const(job, tree->literal.truth != negate, out);
    }
    VSSI_TRY(filter_check_field(job, tree, &index));
    vss_type type = job->schema->fields[index].type;
    if (type != VSS_TYPE_BOOL)
        return vssi_filter_fail(job, tree->at, "field \"%s\" is %s: alone it is no condition",
                                vssi_filter_show(shown, tree->name.data, tree->name.size), vss_type_name(type));
    VSSI_TRY(vssi_filter_build_leaf(job, VSSI_PLAN_BOOL, index, negate, 0, out));
    (*out)->truth.on_true = true;
    (*out)->type = type;
    return VSS_OK;
}

static vss_status filter_check_group(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                     vssi_filter_plan **out)
{
    vssi_filter_plan *children = NULL, **tail = &children;
    for (const vssi_filter_tree *part = tree->first; part != NULL; part = part->next) {
        VSSI_TRY(filter_check_node(job, part, negate, tail));
        tail = &(*tail)->next;
    }
    bool and = (tree->kind == VSSI_TREE_AND) != negate;
    return vssi_filter_build_group(job, and ? VSSI_PLAN_AND : VSSI_PLAN_OR, children, out);
}

static vss_status filter_check_node(vssi_filter_job *job, const vssi_filter_tree *tree, bool negate,
                                    vssi_filter_plan **out)
{
    switch (tree->kind) {
    case VSSI_TREE_NOT: return filter_check_node(job, tree->first, !negate, out);
    case VSSI_TREE_AND:
    case VSSI_TREE_OR: return filter_check_group(job, tree, negate, out);
    case VSSI_TREE_COMPARE: return filter_check_compare(job, tree, negate, out);
    case VSSI_TREE_IN: return filter_check_in(job, tree, negate, out);
    case VSSI_TREE_LIKE: return filter_check_like(job, tree, negate, out);
    case VSSI_TREE_NULL: return filter_check_null(job, tree, negate, out);
    case VSSI_TREE_CONTAINS: return filter_check_contains(job, tree, negate, out);
    default: return filter_check_alone(job, tree, negate, out);
    }
}

vss_status vssi_filter_check(vssi_filter_job *job, const vssi_filter_tree *tree, vssi_filter_plan **out)
{
    return filter_check_node(job, tree, false, out);
}
