/*
 * filter_oracle.h - for test_filter.c: rows of every type, random filter expressions, and a slow evaluator of them
 *
 * The oracle evaluates its own tree row by row with three truth values; it shares nothing with lib/filter but the text.
 */
#ifndef FILTER_ORACLE_H
#define FILTER_ORACLE_H

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/hash.h"
#include "../../lib/filter/filter.h"

enum { ID, FLAG, I8, I16, I32, I64, F32, F64, S, T, TS, JS, AI, AS, AF, AB, V, N_FIELDS };

static const struct {
    const char *name;
    vss_type type, element;
    uint32_t flags;
} fields[N_FIELDS] = {
    {"id", VSS_TYPE_INT64, 0, VSS_FIELD_PRIMARY},
    {"flag", VSS_TYPE_BOOL, 0, VSS_FIELD_NULLABLE},
    {"i8", VSS_TYPE_INT8, 0, VSS_FIELD_NULLABLE},
    {"i16", VSS_TYPE_INT16, 0, VSS_FIELD_NULLABLE},
    {"i32", VSS_TYPE_INT32, 0, VSS_FIELD_NULLABLE},
    {"i64", VSS_TYPE_INT64, 0, VSS_FIELD_NULLABLE},
    {"price", VSS_TYPE_FLOAT32, 0, VSS_FIELD_NULLABLE},
    {"f64", VSS_TYPE_FLOAT64, 0, VSS_FIELD_NULLABLE},
    {"name", VSS_TYPE_STRING, 0, VSS_FIELD_NULLABLE},
    {"other", VSS_TYPE_STRING, 0, 0},
    {"at", VSS_TYPE_TIMESTAMP, 0, VSS_FIELD_NULLABLE},
    {"doc", VSS_TYPE_JSON, 0, VSS_FIELD_NULLABLE},
    {"ai", VSS_TYPE_ARRAY, VSS_TYPE_INT32, VSS_FIELD_NULLABLE},
    {"as", VSS_TYPE_ARRAY, VSS_TYPE_STRING, VSS_FIELD_NULLABLE},
    {"af", VSS_TYPE_ARRAY, VSS_TYPE_FLOAT32, VSS_FIELD_NULLABLE},
    {"ab", VSS_TYPE_ARRAY, VSS_TYPE_BOOL, VSS_FIELD_NULLABLE},
    {"v", VSS_TYPE_VECTOR_F32, 0, 0},
};

static vssi_heap heap;
static vssi_schema *schema;
static uint64_t seed = 1;

static uint64_t below(uint64_t n) { return vssi_random_next(&seed) % n; }

/* ---- pools of values ---- */

static const int64_t ints[] = {0, 1, -1, 2, 3, 5, 100, 127, -128, 32767, -32768, INT32_MAX, INT32_MIN, 16777217,
                               9007199254740993, INT64_MAX, INT64_MIN};
static const double reals[] = {0.0, -0.0, 0.1, 0.5, 1, -1.5, 2, 3, 16777216, 9007199254740992.0, 9223372036854775808.0,
                               -9223372036854775808.0, 1e300, -1e300, 5e-324, 127.5, (double)NAN,
                               (double)INFINITY, (double)-INFINITY};
static const char *const texts[] = {"", "a", "ab", "abc", "b", "a%b", "a_b", "\xc3\xa9", "\xc3\xa9z", "aab",
                                    "\xe6\x97\xa5\xe6\x9c\xac", "xaby", "a\\b"};
static const char *const patterns[] = {"a%", "%b", "%a%", "", "%", "_", "a_", "__", "a\\%b", "a\\\\_b", "%_b", "_%_",
                                       "a%b%", "%ab%y", "\xc3\xa9%", "%\xc3\xa9_", "a\\\\\\\\b", "%a_b"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- rows ---- */

typedef struct value {
    bool null;
    int64_t i;
    double r;
    const char *s;
    size_t n; /* elements, at the array's own start in the pool of values */
    int64_t ei[4];
    double er[4];
    const char *es[4];
} value;

typedef struct table {
    size_t rows;
    value *cells; /* [rows][N_FIELDS] */
    vss_column columns[N_FIELDS], children[N_FIELDS];
    void *memory[N_FIELDS][6];
    unsigned reads[N_FIELDS];
    size_t fail_field;
} table;

static int64_t clamp(vss_type type, int64_t v)
{
    switch (type) {
    case VSS_TYPE_BOOL: return v & 1;
    case VSS_TYPE_INT8: return (int8_t)v;
    case VSS_TYPE_INT16: return (int16_t)v;
    case VSS_TYPE_INT32: return (int32_t)v;
    default: return v;
    }
}

static value random_value(size_t f)
{
    value v = {.null = (fields[f].flags & VSS_FIELD_NULLABLE) && below(4) == 0, .n = below(4)};
    v.i = clamp(fields[f].type, ints[below(COUNT(ints))]);
    v.r = reals[below(COUNT(reals))];
    if (f == F32)
        v.r = (double)(float)v.r;
    v.s = texts[below(COUNT(texts))];
    for (size_t i = 0; i < v.n; i++) {
        v.ei[i] = clamp(fields[f].element, ints[below(6)]);
        v.er[i] = (double)(float)reals[below(8)];
        v.es[i] = texts[below(6)];
    }
    return v;
}

static size_t width(vss_type type)
{
    return type == VSS_TYPE_BOOL || type == VSS_TYPE_INT8 ? 1 : type == VSS_TYPE_INT16 ? 2
           : type == VSS_TYPE_INT32 || type == VSS_TYPE_FLOAT32 ? 4 : 8;
}

static void put(vss_type type, void *data, size_t i, int64_t n, double r)
{
    uint8_t *to = (uint8_t *)data + i * width(type);
    float narrow = type == VSS_TYPE_FLOAT32 ? (float)r : 0;
    if (type == VSS_TYPE_BOOL && n)
        ((uint8_t *)data)[i / 8] |= (uint8_t)(1u << (i % 8));
    else if (type == VSS_TYPE_FLOAT32)
        memcpy(to, &narrow, 4);
    else if (type == VSS_TYPE_FLOAT64)
        memcpy(to, &r, 8);
    else if (type != VSS_TYPE_BOOL)
        memcpy(to, &n, width(type));
}

/* A column of n values taken through get; texts of at most 16 bytes. */
static vss_column make_column(vss_type type, size_t n, const int64_t *is, const double *rs, const char *const *ss,
                              void **memory)
{
    vss_column c = VSS_INIT(vss_column);
    c.type = type;
    c.length = n;
    c.data = memory[0] = calloc(n + 1, 16);
    if (type == VSS_TYPE_STRING || type == VSS_TYPE_JSON) {
        int64_t *offsets = memory[1] = calloc(n + 1, 8);
        for (size_t i = 0; i < n; i++) {
            size_t size = strlen(ss[i]);
            memcpy((char *)memory[0] + offsets[i], ss[i], size);
            offsets[i + 1] = offsets[i] + (int64_t)size;
        }
        c.offsets = offsets;
    } else {
        for (size_t i = 0; i < n; i++)
            put(type, memory[0], i, is[i], rs[i]);
    }
    return c;
}

static void make_field(table *t, size_t f)
{
    int64_t *is = calloc(t->rows * 4 + 1, 8);
    double *rs = calloc(t->rows * 4 + 1, 8);
    const char **ss = calloc(t->rows * 4 + 1, sizeof *ss);
    bool array = fields[f].type == VSS_TYPE_ARRAY;
    int64_t *offsets = calloc(t->rows + 1, 8);
    uint8_t *validity = calloc(t->rows / 8 + 1, 1);
    size_t n = 0;
    for (size_t r = 0; r < t->rows; r++) {
        const value *v = &t->cells[r * N_FIELDS + f];
        validity[r / 8] |= (uint8_t)((unsigned)!v->null << (r % 8));
        for (size_t e = 0; array && e < v->n; e++, n++)
            is[n] = v->ei[e], rs[n] = v->er[e], ss[n] = v->es[e];
        if (!array)
            is[n] = v->i, rs[n] = v->r, ss[n++] = v->s;
        offsets[r + 1] = (int64_t)n;
    }
    vss_column values = make_column(array ? fields[f].element : fields[f].type, n, is, rs, ss, t->memory[f]);
    if (array) {
        t->children[f] = values;
        values = VSS_INIT(vss_column);
        values.type = VSS_TYPE_ARRAY;
        values.length = t->rows;
        values.offsets = offsets;
        values.data = &t->children[f];
    }
    if (fields[f].flags & VSS_FIELD_NULLABLE)
        values.validity = validity;
    t->columns[f] = values;
    t->memory[f][2] = offsets;
    t->memory[f][3] = validity;
    free(is), free(rs), free(ss);
}

static table *make_table(size_t rows)
{
    table *t = calloc(1, sizeof *t);
    t->rows = rows;
    t->fail_field = SIZE_MAX;
    t->cells = calloc(rows * N_FIELDS + 1, sizeof *t->cells);
    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < V; f++)
            t->cells[r * N_FIELDS + f] = random_value(f);
    for (size_t r = 0; r < rows; r++)
        t->cells[r * N_FIELDS + ID].i = (int64_t)r;
    for (size_t f = 0; f < V; f++)
        make_field(t, f);
    return t;
}

static void free_table(table *t)
{
    for (size_t f = 0; f < N_FIELDS; f++)
        for (size_t i = 0; i < 6; i++)
            free(t->memory[f][i]);
    free(t->cells);
    free(t);
}

static vss_status table_column(void *state, size_t field, size_t part, vss_column *view, vss_error *err)
{
    table *t = state;
    size_t first = part * VSSI_FILTER_PART, n = t->rows - first;
    if (field == t->fail_field) {
        err->status = VSS_ERR_CORRUPT;
        return VSS_ERR_CORRUPT;
    }
    t->reads[field]++;
    *view = t->columns[field];
    view->length = n < VSSI_FILTER_PART ? n : VSSI_FILTER_PART;
    if (view->validity != NULL)
        view->validity += first / 8;
    if (view->offsets != NULL)
        view->offsets += first;
    else
        view->data = (const uint8_t *)view->data +
                     (view->type == VSS_TYPE_BOOL ? first / 8 : first * width(view->type));
    return VSS_OK;
}

/* ---- the oracle's trees ---- */

enum { NO, YES, UNKNOWN };
enum { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };
static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};

typedef struct literal {
    char text[80];
    bool integer;
    long double number;
    const char *s;
} literal;

typedef enum kind { E_AND, E_OR, E_NOT, E_TRUTH, E_BARE, E_CMP, E_RANGE, E_FIELDS, E_IN, E_LIKE, E_NULL, E_HAS } kind;
typedef struct expr {
    kind kind;
    struct expr *a, *b;
    size_t field, other;
    int op, op2;
    bool flip, negate;
    int mode; /* of E_HAS: 0 one, 1 any, 2 all */
    literal lits[5];
    size_t n;
    bool spelled; /* && || ! in place of words */
} expr;

static literal random_literal(vss_type type)
{
    literal l = {.integer = true};
    if (type == VSS_TYPE_STRING) {
        l.s = texts[below(COUNT(texts))];
        char quote = below(2) ? '"' : '\'';
        snprintf(l.text, sizeof l.text, "%c%s%c", quote, strcmp(l.s, "a\\b") == 0 ? "a\\\\b" : l.s, quote);
    } else if (type == VSS_TYPE_BOOL) {
        l.number = (long double)below(2);
        snprintf(l.text, sizeof l.text, "%s", l.number != 0 ? "true" : "False");
    } else if (type == VSS_TYPE_TIMESTAMP && below(2)) {
        l.number = (long double)below(4);
        snprintf(l.text, sizeof l.text, "%s\"1970-01-01T00:00:00.00000%dZ\"", below(2) ? "iso " : "", (int)l.number);
    } else if (below(2)) {
        int64_t i = ints[below(COUNT(ints))];
        l.number = (long double)i;
        snprintf(l.text, sizeof l.text, below(4) == 0 && i >= 0 ? "0x%llx" : "%lld", (long long)i);
    } else if (below(8) == 0) {
        l.integer = false;
        l.number = (long double)1e20;
        snprintf(l.text, sizeof l.text, "100000000000000000000");
    } else {
        double r = reals[below(COUNT(reals) - 3)];
        l.integer = false;
        l.number = (long double)r;
        snprintf(l.text, sizeof l.text, below(3) == 0 ? "%a" : "%.17e", r);
    }
    return l;
}

static const size_t scalars[] = {FLAG, I8, I16, I32, I64, F32, F64, S, T, TS, ID};

static expr *random_expr(unsigned depth)
{
    expr *e = calloc(1, sizeof *e);
    e->kind = depth == 0 ? (kind)(E_TRUTH + below(E_HAS - E_TRUTH + 1)) : (kind)below(E_HAS + 1);
    e->negate = below(2);
    e->flip = below(2);
    e->spelled = below(2);
    e->op = (int)below(6);
    if (e->kind <= E_NOT) {
        e->a = random_expr(depth - 1);
        e->b = e->kind == E_NOT ? NULL : random_expr(depth - 1);
        return e;
    }
    if (e->kind == E_TRUTH && below(8) != 0)
        e->kind = E_CMP;
    do
        e->field = scalars[below(COUNT(scalars))];
    while (e->kind == E_RANGE && e->field == FLAG);
    if (e->kind == E_BARE)
        e->field = FLAG;
    if (e->kind == E_LIKE)
        e->field = S + below(2);
    if (e->kind == E_NULL)
        e->field = below(V);
    if (e->kind == E_HAS)
        e->field = AI + below(4);
    if (e->kind == E_FIELDS)
        do
            e->other = scalars[below(COUNT(scalars))];
        while ((e->field == FLAG) != (e->other == FLAG) || (e->field == TS) != (e->other == TS) ||
               (fields[e->field].type == VSS_TYPE_STRING) != (fields[e->other].type == VSS_TYPE_STRING));
    if (e->field == FLAG)
        e->op = (int)below(2);
    e->mode = (int)below(3);
    e->n = e->kind == E_CMP || e->kind == E_TRUTH ? 1 : e->kind == E_RANGE ? 2 : below(5);
    if (e->kind == E_HAS && e->mode == 0)
        e->n = 1;
    if (e->kind == E_RANGE) {
        e->op = OP_LT + (int)below(2) + (e->flip ? 2 : 0);
        e->op2 = OP_LT + (int)below(2) + (e->flip ? 2 : 0);
    }
    vss_type type = e->kind == E_HAS ? fields[e->field].element : fields[e->field].type;
    for (size_t i = 0; i < e->n; i++)
        e->lits[i] = random_literal(e->kind == E_TRUTH ? VSS_TYPE_BOOL : type);
    if (e->kind == E_LIKE)
        e->lits[0].s = patterns[below(COUNT(patterns))];
    return e;
}

static void free_expr(expr *e)
{
    if (e != NULL) {
        free_expr(e->a);
        free_expr(e->b);
        free(e);
    }
}

/* ---- as text ---- */

static size_t print_list(const expr *e, char *out, size_t room)
{
    size_t n = (size_t)snprintf(out, room, "[");
    for (size_t i = 0; i < e->n; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", i ? ", " : "", e->lits[i].text);
    return n + (size_t)snprintf(out + n, room - n, "]");
}

static int rank_of(const expr *e) { return e->kind == E_OR ? 1 : e->kind == E_AND ? 2 : e->kind == E_NOT ? 3 : 4; }

static size_t print(const expr *e, int outer, char *out, size_t room)
{
    const char *name = fields[e->field].name;
    bool wrap = rank_of(e) < outer || below(6) == 0;
    size_t n = (size_t)snprintf(out, room, wrap ? "(" : "");
    switch (e->kind) {
    case E_AND:
    case E_OR:
        n += print(e->a, rank_of(e), out + n, room - n);
        n += (size_t)snprintf(out + n, room - n, "%s",
                              e->kind == E_AND ? (e->spelled ? "&&" : " and ") : (e->spelled ? " || " : " OR "));
        n += print(e->b, rank_of(e), out + n, room - n);
        break;
    case E_NOT:
        n += (size_t)snprintf(out + n, room - n, e->spelled ? "!" : "not ");
        n += print(e->a, 3, out + n, room - n);
        break;
    case E_TRUTH: n += (size_t)snprintf(out + n, room - n, "%s", e->lits[0].text); break;
    case E_BARE: n += (size_t)snprintf(out + n, room - n, "%s", name); break;
    case E_CMP:
        n += e->flip ? (size_t)snprintf(out + n, room - n, "%s %s %s", e->lits[0].text, ops[e->op], name)
                     : (size_t)snprintf(out + n, room - n, "%s%s%s", name, ops[e->op], e->lits[0].text);
        break;
    case E_RANGE:
        n += (size_t)snprintf(out + n, room - n, "%s %s %s %s %s", e->lits[0].text, ops[e->op], name, ops[e->op2],
                              e->lits[1].text);
        break;
    case E_FIELDS:
        n += (size_t)snprintf(out + n, room - n, "%s %s %s", name, ops[e->op], fields[e->other].name);
        break;
    case E_IN:
        n += (size_t)snprintf(out + n, room - n, "%s %sin ", name, e->negate ? "not " : "");
        n += print_list(e, out + n, room - n);
        break;
    case E_LIKE:
        n += (size_t)snprintf(out + n, room - n, "%s %slike \"%s\"", name, e->negate ? "NOT " : "", e->lits[0].s);
        break;
    case E_NULL: n += (size_t)snprintf(out + n, room - n, "%s is %snull", name, e->negate ? "not " : ""); break;
    case E_HAS:
        n += (size_t)snprintf(out + n, room - n, "array_contains%s(%s, ",
                              e->mode == 0 ? "" : e->mode == 1 ? "_any" : "_all", name);
        n += e->mode == 0 ? (size_t)snprintf(out + n, room - n, "%s", e->lits[0].text)
                          : print_list(e, out + n, room - n);
        n += (size_t)snprintf(out + n, room - n, ")");
        break;
    }
    return n + (size_t)snprintf(out + n, room - n, wrap ? ")" : "");
}

/* ---- evaluated row by row ---- */

static bool hold(int op, int order) /* order: -1, 0, 1; 2 for unordered */
{
    switch (op) {
    case OP_EQ: return order == 0;
    case OP_NE: return order != 0;
    case OP_LT: return order == -1;
    case OP_LE: return order == -1 || order == 0;
    case OP_GT: return order == 1;
    default: return order == 0 || order == 1;
    }
}

static int order_numbers(long double a, long double b) { return isnan(a) || isnan(b) ? 2 : a < b ? -1 : a > b; }

static int order_texts(const char *a, const char *b)
{
    int order = strcmp(a, b);
    return order < 0 ? -1 : order > 0;
}

static int order_literal(vss_type type, int64_t i, double r, const char *s, const literal *l)
{
    if (type == VSS_TYPE_STRING)
        return order_texts(s, l->s);
    long double right = l->number;
    if (type == VSS_TYPE_FLOAT32 && !l->integer && fabsl(right) <= (long double)FLT_MAX)
        right = (long double)(float)right;
    if (type == VSS_TYPE_FLOAT32 || type == VSS_TYPE_FLOAT64)
        return order_numbers((long double)r, right);
    return order_numbers((long double)i, right);
}

static bool like(const char *p, const char *s)
{
    if (*p == 0)
        return *s == 0;
    if (*p == '%')
        return like(p + 1, s) || (*s != 0 && like(p, s + 1));
    if (*s == 0)
        return false;
    if (*p == '_') {
        do
            s++;
        while ((*s & 0xc0) == 0x80);
        return like(p + 1, s);
    }
    if (*p == '\\') /* as written in the filter: \% and \_ stay, \\ is one backslash */
        p += strncmp(p, "\\\\\\\\", 4) == 0 ? 3 : strncmp(p, "\\\\", 2) == 0 ? 2 : 1;
    return *p == *s && like(p + 1, s + 1);
}

static int has(const expr *e, const value *v)
{
    vss_type type = fields[e->field].element;
    size_t found = 0;
    for (size_t i = 0; i < e->n; i++) {
        bool hit = false;
        for (size_t k = 0; k < v->n; k++)
            hit = hit || order_literal(type, v->ei[k], v->er[k], v->es[k], &e->lits[i]) == 0;
        found += hit;
    }
    return e->mode == 2 ? found == e->n : found > 0;
}

static long double number_of(size_t f, const value *v)
{
    return f == F32 || f == F64 ? (long double)v->r : (long double)v->i;
}

static int leaf(const expr *e, const value *row)
{
    const value *v = &row[e->field], *w = &row[e->other];
    vss_type type = fields[e->field].type;
    bool hit = false;
    if (e->kind == E_TRUTH)
        return e->lits[0].number != 0;
    if (e->kind == E_NULL)
        return v->null != e->negate;
    if (v->null && e->kind != E_RANGE)
        return UNKNOWN;
    switch (e->kind) {
    case E_BARE: return v->i != 0;
    case E_CMP: {
        static const int flipped[] = {OP_EQ, OP_NE, OP_GT, OP_GE, OP_LT, OP_LE};
        return hold(e->flip ? flipped[e->op] : e->op, order_literal(type, v->i, v->r, v->s, &e->lits[0]));
    }
    case E_RANGE: {
        static const int flipped[] = {OP_EQ, OP_NE, OP_GT, OP_GE, OP_LT, OP_LE};
        return v->null ? UNKNOWN
                       : hold(flipped[e->op], order_literal(type, v->i, v->r, v->s, &e->lits[0])) &&
                             hold(e->op2, order_literal(type, v->i, v->r, v->s, &e->lits[1]));
    }
    case E_FIELDS:
        if (w->null)
            return UNKNOWN;
        return hold(e->op, type == VSS_TYPE_STRING ? order_texts(v->s, w->s)
                                                   : order_numbers(number_of(e->field, v), number_of(e->other, w)));
    case E_IN:
        for (size_t i = 0; i < e->n; i++)
            hit = hit || order_literal(type, v->i, v->r, v->s, &e->lits[i]) == 0;
        return hit != e->negate;
    case E_LIKE: return like(e->lits[0].s, v->s) != e->negate;
    default: return has(e, v);
    }
}

static int evaluate(const expr *e, const value *row)
{
    int a, b;
    switch (e->kind) {
    case E_NOT: a = evaluate(e->a, row); return a == UNKNOWN ? UNKNOWN : !a;
    case E_AND:
        a = evaluate(e->a, row), b = evaluate(e->b, row);
        return a == NO || b == NO ? NO : a == UNKNOWN || b == UNKNOWN ? UNKNOWN : YES;
    case E_OR:
        a = evaluate(e->a, row), b = evaluate(e->b, row);
        return a == YES || b == YES ? YES : a == UNKNOWN || b == UNKNOWN ? UNKNOWN : NO;
    default: return leaf(e, row);
    }
}

#endif
