/*
 * filter_parse.c - tokens as a tree, by recursive descent
 *
 *     or        and { or and }
 *     and       not { and not }
 *     not       { not } equality
 *     equality  relation { (== | !=) relation }
 *     relation  term { (< | <= | > | >=) term }             a chain goes one way: 10 < price <= 20
 *     term      primary [ [not] in list | [not] like string | is [not] null ]
 *     literal   number | string | bool | iso string         iso: a time, where Milvus wants that said
 *     primary   literal | field | ( or ) | array_contains[_all|_any] ( field, literal or list )
 *     list      [ literal, ... ]
 *
 * Milvus lets `not` bind tighter than comparisons and `in`, so that `not x == 1` would be `(not x) == 1`: of any field
 * but a bool that is a type error, and of a bool it means the same either way. Here `not` takes the whole comparison,
 * as in SQL and Python: all that Milvus accepts means the same, and `not x in [1]` means what it says. `not like` is
 * ours.
 *
 * Only parentheses recurse, at most VSSI_FILTER_DEPTH deep; chains of `not`, `and` and `or` are loops.
 */
#include "../base/checked.h"
#include "../base/text.h"
#include "filter_stages.h"

static vss_status filter_parse_or(vssi_filter_job *job, vssi_filter_tree **out);

/* The token as a message names it. */
static vss_status filter_parse_unexpected(const vssi_filter_job *job, const char *wanted)
{
    const vssi_filter_token *token = &job->token;
    char shown[VSSI_FILTER_SHOWN];
    if (token->kind == VSSI_TOKEN_END)
        return vssi_filter_fail(job, token->at, "the text ends where %s is expected", wanted);
    vssi_filter_show(shown, job->text + token->at, token->size);
    if (token->kind == VSSI_TOKEN_FOREIGN || token->kind == VSSI_TOKEN_PLUS || token->kind == VSSI_TOKEN_MINUS)
        return vssi_filter_fail(job, token->at, "\"%s\" is not supported", shown);
    return vssi_filter_fail(job, token->at, "unexpected %s%s%s, %s is expected",
                            token->kind == VSSI_TOKEN_STRING ? "string " : "\"", shown,
                            token->kind == VSSI_TOKEN_STRING ? "" : "\"", wanted);
}

static vss_status filter_parse_take(vssi_filter_job *job, vssi_filter_token_kind kind, const char *wanted)
{
    return job->token.kind == kind ? vssi_filter_next(job) : filter_parse_unexpected(job, wanted);
}

static vss_status filter_parse_node(vssi_filter_job *job, vssi_filter_tree_kind kind, size_t at,
                                    vssi_filter_tree **out)
{
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, 1, sizeof **out, out, job->err));
    (*out)->kind = kind;
    (*out)->at = at;
    return VSS_OK;
}

/* ---- literals ---- */

static void filter_parse_sign(const vssi_filter_number *number, bool minus, vssi_filter_literal *out)
{
    uint64_t limit = (uint64_t)INT64_MAX + minus;
    out->kind = VSSI_LITERAL_FLOAT;
    out->real = minus ? -number->real : number->real;
    if (number->integer && number->magnitude <= limit) {
        out->kind = VSSI_LITERAL_INT;
        out->number = minus ? (int64_t)(0 - number->magnitude) : (int64_t)number->magnitude;
    }
}

static bool filter_parse_name_is(vssi_filter_text name, const char *lower, const char *upper)
{
    return name.size == strlen(lower) && (memcmp(name.data, lower, name.size) == 0 ||
                                          memcmp(name.data, upper, name.size) == 0);
}

static vssi_filter_text filter_parse_word(const vssi_filter_job *job)
{
    return (vssi_filter_text){job->text + job->token.at, job->token.size};
}

/* The string behind iso, which is the token: a time. */
static vss_status filter_parse_time(vssi_filter_job *job, vssi_filter_literal *out)
{
    char shown[VSSI_FILTER_SHOWN];
    const vssi_filter_token *token = &job->token;
    if (token->kind != VSSI_TOKEN_STRING)
        return filter_parse_unexpected(job, "a time in quotes");
    out->kind = VSSI_LITERAL_TIME;
    if (!vssi_time_parse(token->string.data, token->string.size, &out->number))
        return vssi_filter_fail(job, token->at, "%s is not an ISO 8601 time",
                                vssi_filter_show(shown, job->text + token->at, token->size));
    return vssi_filter_next(job);
}

static vss_status filter_parse_literal(vssi_filter_job *job, vssi_filter_literal *out)
{
    bool minus = false, sign = false;
    out->at = job->token.at;
    for (; job->token.kind == VSSI_TOKEN_MINUS || job->token.kind == VSSI_TOKEN_PLUS; sign = true) {
        minus ^= job->token.kind == VSSI_TOKEN_MINUS;
        VSSI_TRY(vssi_filter_next(job));
    }
    const vssi_filter_token *token = &job->token;
    if (token->kind == VSSI_TOKEN_NUMBER) {
        filter_parse_sign(&token->number, minus, out);
    } else if (sign) {
        return filter_parse_unexpected(job, "a number behind the sign");
    } else if (token->kind == VSSI_TOKEN_STRING) {
        out->kind = VSSI_LITERAL_STRING;
        out->text = token->string;
    } else if (token->kind == VSSI_TOKEN_BOOL) {
        out->kind = VSSI_LITERAL_BOOL;
        out->truth = token->truth;
    } else if (token->kind == VSSI_TOKEN_NAME && filter_parse_name_is(filter_parse_word(job), "iso", "ISO")) {
        VSSI_TRY(vssi_filter_next(job));
        return filter_parse_time(job, out);
    } else {
        return filter_parse_unexpected(job, "a literal");
    }
    return vssi_filter_next(job);
}

/* Literals up to the closing bracket, the opening one being the token. */
static vss_status filter_parse_list(vssi_filter_job *job, vssi_filter_tree *node)
{
    size_t capacity = 0, begin = job->token.at;
    VSSI_TRY(filter_parse_take(job, VSSI_TOKEN_OPEN_LIST, "a list \"[...]\""));
    while (job->token.kind != VSSI_TOKEN_CLOSE_LIST) {
        if (node->n == VSSI_FILTER_LIST_MAX)
            return vssi_filter_fail(job, begin, "the list has more than %u literals", VSSI_FILTER_LIST_MAX);
        if (node->n == capacity) {
            vssi_filter_literal *list;
            capacity = vssi_max(capacity * 2, 8);
            VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, capacity, sizeof *list, &list, job->err));
            if (node->n > 0)
                memcpy(list, node->list, node->n * sizeof *list);
            node->list = list;
        }
        VSSI_TRY(filter_parse_literal(job, &node->list[node->n]));
        node->n++;
        if (job->token.kind != VSSI_TOKEN_COMMA)
            break;
        VSSI_TRY(vssi_filter_next(job));
    }
    return filter_parse_take(job, VSSI_TOKEN_CLOSE_LIST, "\",\" or \"]\"");
}

/* ---- primaries ---- */

/* name ( field, ... ): node holds the name, the token is the opening parenthesis. */
static vss_status filter_parse_call(vssi_filter_job *job, vssi_filter_tree *node)
{
    char shown[VSSI_FILTER_SHOWN];
    bool one = filter_parse_name_is(node->name, "array_contains", "ARRAY_CONTAINS");
    bool any = filter_parse_name_is(node->name, "array_contains_any", "ARRAY_CONTAINS_ANY");
    node->all = filter_parse_name_is(node->name, "array_contains_all", "ARRAY_CONTAINS_ALL");
    if (!one && !any && !node->all)
        return vssi_filter_fail(job, node->at, "function \"%s\" is not supported",
                                vssi_filter_show(shown, node->name.data, node->name.size));
    node->kind = VSSI_TREE_CONTAINS;
    VSSI_TRY(vssi_filter_next(job));
    VSSI_TRY(filter_parse_node(job, VSSI_TREE_FIELD, job->token.at, &node->first));
    node->first->name = filter_parse_word(job);
    VSSI_TRY(filter_parse_take(job, VSSI_TOKEN_NAME, "the name of an array field"));
    VSSI_TRY(filter_parse_take(job, VSSI_TOKEN_COMMA, "\",\""));
    if (one) {
        VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, 1, sizeof *node->list, &node->list, job->err));
        node->n = 1;
        VSSI_TRY(filter_parse_literal(job, node->list));
    } else {
        VSSI_TRY(filter_parse_list(job, node));
    }
    return filter_parse_take(job, VSSI_TOKEN_CLOSE, "\")\"");
}

static vss_status filter_parse_name(vssi_filter_job *job, vssi_filter_tree **out)
{
    VSSI_TRY(filter_parse_node(job, VSSI_TREE_FIELD, job->token.at, out));
    (*out)->name = filter_parse_word(job);
    VSSI_TRY(vssi_filter_next(job));
    if (job->token.kind == VSSI_TOKEN_OPEN)
        return filter_parse_call(job, *out);
    if (job->token.kind == VSSI_TOKEN_STRING && filter_parse_name_is((*out)->name, "iso", "ISO")) {
        (*out)->kind = VSSI_TREE_LITERAL;
        (*out)->literal.at = (*out)->at;
        return filter_parse_time(job, &(*out)->literal);
    }
    if (job->token.kind == VSSI_TOKEN_OPEN_LIST)
        return vssi_filter_fail(job, job->token.at,
                                "\"[\" behind a field (a json path or an element) is not supported");
    return VSS_OK;
}

static vss_status filter_parse_primary(vssi_filter_job *job, vssi_filter_tree **out)
{
    switch (job->token.kind) {
    case VSSI_TOKEN_OPEN:
        if (job->depth == VSSI_FILTER_DEPTH)
            return vssi_filter_fail(job, job->token.at, "parentheses are nested more than %u deep", VSSI_FILTER_DEPTH);
        job->depth++;
        VSSI_TRY(vssi_filter_next(job));
        VSSI_TRY(filter_parse_or(job, out));
        job->depth--;
        return filter_parse_take(job, VSSI_TOKEN_CLOSE, "\")\"");
    case VSSI_TOKEN_NAME:
        return filter_parse_name(job, out);
    case VSSI_TOKEN_NULL:
        return vssi_filter_fail(job, job->token.at, "null is tested with \"is null\" or \"is not null\"");
    case VSSI_TOKEN_NUMBER:
    case VSSI_TOKEN_STRING:
    case VSSI_TOKEN_BOOL:
    case VSSI_TOKEN_PLUS:
    case VSSI_TOKEN_MINUS:
        VSSI_TRY(filter_parse_node(job, VSSI_TREE_LITERAL, job->token.at, out));
        return filter_parse_literal(job, &(*out)->literal);
    default:
        return filter_parse_unexpected(job, "a field, a literal or \"(\"");
    }
}

/* ---- terms ---- */

/* node becomes `not node`. */
static vss_status filter_parse_negate(vssi_filter_job *job, vssi_filter_tree **node)
{
    vssi_filter_tree *inner = *node;
    VSSI_TRY(filter_parse_node(job, VSSI_TREE_NOT, inner->at, node));
    (*node)->first = inner;
    return VSS_OK;
}

/* What follows the primary `left`; the token is `in`, `like`, or what `is` is followed by. */
static vss_status filter_parse_tail(vssi_filter_job *job, vssi_filter_tree *left, vssi_filter_tree **out)
{
    bool in = job->token.kind == VSSI_TOKEN_IN, like = job->token.kind == VSSI_TOKEN_LIKE;
    vssi_filter_tree_kind kind = in ? VSSI_TREE_IN : like ? VSSI_TREE_LIKE : VSSI_TREE_NULL;
    VSSI_TRY(filter_parse_node(job, kind, left->at, out));
    (*out)->first = left;
    if (!in && !like)
        return filter_parse_take(job, VSSI_TOKEN_NULL, "\"null\"");
    VSSI_TRY(vssi_filter_next(job));
    if (in)
        return filter_parse_list(job, *out);
    if (job->token.kind != VSSI_TOKEN_STRING)
        return filter_parse_unexpected(job, "a pattern in quotes");
    return filter_parse_literal(job, &(*out)->literal);
}

static vss_status filter_parse_term(vssi_filter_job *job, vssi_filter_tree **out)
{
    vssi_filter_tree *left;
    VSSI_TRY(filter_parse_primary(job, &left));
    *out = left;
    for (;;) {
        bool is = job->token.kind == VSSI_TOKEN_IS;
        if (is)
            VSSI_TRY(vssi_filter_next(job));
        bool negate = job->token.kind == VSSI_TOKEN_NOT;
        if (negate)
            VSSI_TRY(vssi_filter_next(job));
        bool tail = job->token.kind == VSSI_TOKEN_IN || job->token.kind == VSSI_TOKEN_LIKE;
        if (!is && !tail)
            return negate ? filter_parse_unexpected(job, "\"in\" or \"like\"") : VSS_OK;
        if (is && tail)
            return filter_parse_unexpected(job, "\"null\"");
        VSSI_TRY(filter_parse_tail(job, *out, out));
        if (negate)
            VSSI_TRY(filter_parse_negate(job, out));
    }
}

/* ---- comparisons and logic ---- */

static vss_status filter_parse_compare(vssi_filter_job *job, size_t at, vssi_filter_op op, vssi_filter_tree *left,
                                       vssi_filter_tree *right, vssi_filter_tree **out)
{
    VSSI_TRY(filter_parse_node(job, VSSI_TREE_COMPARE, at, out));
    (*out)->op = op;
    (*out)->first = left;
    (*out)->second = right;
    return VSS_OK;
}

static bool filter_parse_is_relation(vssi_filter_op op) { return op != VSSI_OP_EQ && op != VSSI_OP_NE; }

/* a < b <= c is (a < b) and (b <= c). */
static vss_status filter_parse_relation(vssi_filter_job *job, vssi_filter_tree **out)
{
    vssi_filter_tree *left, *right, *chain = NULL, **tail = &chain;
    VSSI_TRY(filter_parse_term(job, &left));
    *out = left;
    unsigned way = 0;
    while (job->token.kind == VSSI_TOKEN_COMPARE && filter_parse_is_relation(job->token.op)) {
        vssi_filter_op op = job->token.op;
        size_t at = job->token.at;
        if (way != 0 && ((unsigned)op & way) == 0)
            return vssi_filter_fail(job, at, "a range goes one way: \"<\" and \"<=\", or \">\" and \">=\"");
        way = (unsigned)op & ~(unsigned)VSSI_OP_EQ;
        VSSI_TRY(vssi_filter_next(job));
        VSSI_TRY(filter_parse_term(job, &right));
        VSSI_TRY(filter_parse_compare(job, at, op, left, right, tail));
        tail = &(*tail)->next;
        left = right;
    }
    if (chain == NULL)
        return VSS_OK;
    *out = chain;
    if (chain->next == NULL)
        return VSS_OK;
    VSSI_TRY(filter_parse_node(job, VSSI_TREE_AND, chain->at, out));
    (*out)->first = chain;
    return VSS_OK;
}

static vss_status filter_parse_equality(vssi_filter_job *job, vssi_filter_tree **out)
{
    VSSI_TRY(filter_parse_relation(job, out));
    while (job->token.kind == VSSI_TOKEN_COMPARE) {
        vssi_filter_op op = job->token.op;
        vssi_filter_tree *right;
        size_t at = job->token.at;
        if ((*out)->kind != VSSI_TREE_FIELD && (*out)->kind != VSSI_TREE_LITERAL)
            return vssi_filter_fail(job, at,
                                    "a condition can't be compared: a field or a literal is expected on the left");
        VSSI_TRY(vssi_filter_next(job));
        VSSI_TRY(filter_parse_relation(job, &right));
        VSSI_TRY(filter_parse_compare(job, at, op, *out, right, out));
    }
    return VSS_OK;
}

static vss_status filter_parse_not(vssi_filter_job *job, vssi_filter_tree **out)
{
    bool negate = false;
    for (; job->token.kind == VSSI_TOKEN_NOT; negate = !negate)
        VSSI_TRY(vssi_filter_next(job));
    VSSI_TRY(filter_parse_equality(job, out));
    return negate ? filter_parse_negate(job, out) : VSS_OK;
}

/* part { sign part }, as one node where there are two parts or more. */
static vss_status filter_parse_group(vssi_filter_job *job, vssi_filter_token_kind sign, vssi_filter_tree_kind kind,
                                     vss_status (*part)(vssi_filter_job *job, vssi_filter_tree **out),
                                     vssi_filter_tree **out)
{
    vssi_filter_tree *last, *first;
    VSSI_TRY(part(job, &first));
    *out = last = first;
    while (job->token.kind == sign) {
        VSSI_TRY(vssi_filter_next(job));
        VSSI_TRY(part(job, &last->next));
        last = last->next;
    }
    if (last == first)
        return VSS_OK;
    VSSI_TRY(filter_parse_node(job, kind, first->at, out));
    (*out)->first = first;
    return VSS_OK;
}

static vss_status filter_parse_and(vssi_filter_job *job, vssi_filter_tree **out)
{
    return filter_parse_group(job, VSSI_TOKEN_AND, VSSI_TREE_AND, filter_parse_not, out);
}

static vss_status filter_parse_or(vssi_filter_job *job, vssi_filter_tree **out)
{
    return filter_parse_group(job, VSSI_TOKEN_OR, VSSI_TREE_OR, filter_parse_and, out);
}

vss_status vssi_filter_parse(vssi_filter_job *job, vssi_filter_tree **out)
{
    VSSI_TRY(vssi_filter_next(job));
    if (job->token.kind == VSSI_TOKEN_END)
        return vssi_fail(job->err, VSS_ERR_INVALID, "filter: the text is empty");
    VSSI_TRY(filter_parse_or(job, out));
    if (job->token.kind == VSSI_TOKEN_END)
        return VSS_OK;
    return filter_parse_unexpected(job, "\"and\", \"or\" or the end");
}
