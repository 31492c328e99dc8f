/*
 * test_filter.c - filters: random expressions against a slow evaluator, precedence, error lines, limits, failures
 *
 * The oracle evaluates its own tree row by row with three truth values; it shares nothing with lib/filter but the text.
 */
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

/* ---- tests ---- */

static vssi_filter *compile(const char *text)
{
    vss_error err = {0};
    vssi_filter *filter;
    if (vssi_filter_compile(&heap, schema, text, &filter, &err) != VSS_OK)
        fail_msg("%s\n%s", err.message, text);
    return filter;
}

static void rows_of(const char *text, table *t, uint64_t *bitmap, size_t *passing)
{
    vss_error err = {0};
    vssi_filter *filter = compile(text);
    vssi_filter_source source = {t, t->rows, table_column};
    assert_int_equal(vssi_filter_rows(filter, &source, bitmap, passing, &err), VSS_OK);
    vssi_filter_free(filter);
    assert_int_equal(*passing, vssi_bitmap_count(bitmap, t->rows));
}

static void check_expr(const expr *e, table *t, uint64_t *bitmap)
{
    static char text[65536];
    size_t passing;
    assert_true(print(e, 0, text, sizeof text) < sizeof text);
    rows_of(text, t, bitmap, &passing);
    for (size_t r = 0; r < t->rows; r++)
        if (vssi_bitmap_get(bitmap, r) != (evaluate(e, &t->cells[r * N_FIELDS]) == YES))
            fail_msg("row %zu: %d\n%s", r, (int)vssi_bitmap_get(bitmap, r), text);
    if (t->rows % 64 != 0)
        assert_true(bitmap[t->rows / 64] >> (t->rows % 64) == 0);
}

static void test_random(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 200, 300};
    static uint64_t bitmap[256];
    (void)state;
    for (size_t round = 0; round < 50; round++) {
        table *t = make_table(sizes[round % COUNT(sizes)]);
        for (size_t i = 0; i < 50; i++) {
            expr *e = random_expr((unsigned)below(6));
            check_expr(e, t, bitmap);
            free_expr(e);
        }
        free_table(t);
    }
}

static void test_parts(void **state)
{
    static uint64_t bitmap[256];
    (void)state;
    table *t = make_table(3 * VSSI_FILTER_PART - 5);
    for (size_t i = 0; i < 60; i++) {
        expr *e = random_expr((unsigned)below(4));
        check_expr(e, t, bitmap);
        free_expr(e);
    }
    free_table(t);
}

static void test_no_rows(void **state)
{
    (void)state;
    uint64_t bitmap[1] = {0};
    size_t passing;
    table *t = make_table(0);
    rows_of("i8 == 1 or not flag", t, bitmap, &passing);
    assert_int_equal(passing, 0);
    rows_of("true", t, bitmap, &passing);
    assert_int_equal(passing, 0);
    free_table(t);
}

/* Two texts that mean the same. */
static void test_precedence(void **state)
{
    static const char *const pairs[][2] = {
        {"i8 == 1 or i16 == 1 and i32 == 1", "i8 == 1 or (i16 == 1 and i32 == 1)"},
        {"i8 == 1 and i16 == 1 or i32 == 1", "(i8 == 1 and i16 == 1) or i32 == 1"},
        {"not i8 == 1 and flag", "(not (i8 == 1)) and flag"},
        {"not flag == true", "(not flag) and flag is not null"},
        {"not i8 in [1, 2]", "i8 not in [1, 2]"},
        {"not name like \"a%\"", "name not like 'a%'"},
        {"not not flag", "flag"},
        {"!!!flag", "flag == false"},
        {"not flag is null", "flag is not null"},
        {"-1 <= i8 < 3", "i8 >= -1 and i8 < 3"},
        {"3 >= i8 > -1", "i8 <= 3 && i8 > -1"},
        {"i8 < i16 < i32", "i8 < i16 and i16 < i32"},
        {"i8 == 0x7F", "i8 == 127"},
        {"i8 == 0b11", "i8 == 3"},
        {"i8 == 0144", "i8 == 100"},
        {"i8 == - -100", "i8 == +100"},
        {"i8 == 1e2", "i8 == 100"},
        {"i8 == 0x1p1", "i8 == 2.0"},
        {"price == .5", "price == 5.e-1"},
        {"name == \"\\x61\\u0062\\143\"", "name == 'abc'"},
        {"name == r\"a\\b\"", "name == \"a\\\\b\""},
        {"name like r\"a\\\\b\"", "name == \"a\\\\b\""},
        {"name == '\\u00e9'", "name == '\xc3\xa9'"},
        {"FALSE OR flag IS NULL", "flag is null"},
        {"i8 in [1, 2,]", "i8 in [2, 1, 1]"},
        {"at == \"1970-01-01T00:00:00.000002Z\"", "at == 2"},
        {"at < ISO '2000-01-01'", "at < 946684800000000"},
        {"ARRAY_CONTAINS(ai, 1)", "array_contains_any(ai, [1])"},
        {"2 > 1 and flag", "flag"},
        {"\"a\" < 'b'", "true"},
        {"9223372036854775807 < 9223372036854775808.0", "true"},
        {"i8 > 128 or i8 < -129", "false"},
        {"i8 < 1000", "i8 is not null"},
        {"i8 != 1000", "i8 is not null"},
        {"i8\n==\t1 ", "i8 == 1"},
        {"((((i8))) == (1))", "i8 == 1"},
    };
    static uint64_t a[8], b[8];
    size_t n, m;
    (void)state;
    table *t = make_table(500);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        rows_of(pairs[i][0], t, a, &n);
        rows_of(pairs[i][1], t, b, &m);
        if (n != m || memcmp(a, b, sizeof a) != 0)
            fail_msg("%s (%zu rows) is not %s (%zu rows)", pairs[i][0], n, pairs[i][1], m);
    }
    free_table(t);
}

static void expect_line(const char *text, const char *line)
{
    vss_error err = {0};
    vssi_filter *filter = (vssi_filter *)&err;
    assert_int_equal(vssi_filter_compile(&heap, schema, text, &filter, &err), VSS_ERR_INVALID);
    assert_null(filter);
    if (strncmp(err.message, line, strlen(line)) != 0)
        fail_msg("%s\nhas the line     %s\nand not          %s", text, err.message, line);
}

static const char *const lines[][2] = {
    {"", "filter: the text is empty"},
    {" \n", "filter: the text is empty"},
    {"flag and f64 == \"x\"", "filter, column 17: field \"f64\" is float64, compared with a string"},
    {"name == 1", "filter, column 9: field \"name\" is string, compared with a number"},
    {"true == i8", "filter, column 1: field \"i8\" is int8, compared with a bool"},
    {"nope == 1", "filter, column 1: unknown field \"nope\""},
    {"'\xc3\xa9' == nope", "filter, column 8: unknown field \"nope\""},
    {"v == 1", "filter, column 1: field \"v\" is vector<f32>: a vector can't be in a filter"},
    {"i8 == 1 i16", "filter, column 9: unexpected \"i16\", \"and\", \"or\" or the end is expected"},
    {"i8 ==", "filter, column 6: the text ends where a field, a literal or \"(\" is expected"},
    {"(i8 == 1", "filter, column 9: the text ends where \")\" is expected"},
    {"i8 == 1)", "filter, column 8: unexpected \")\""},
    {"name == \"abc", "filter, column 9: the string that begins here is not closed"},
    {"name == 'a\nb'", "filter, column 9: the string that begins here is not closed"},
    {"name == 'abc\\", "filter, column 9: the string that begins here is not closed"},
    {"name == '\\q'", "filter, column 10: unknown escape \"\\q\" in a string"},
    {"name == '\\xZZ'", "filter, column 10: unknown escape \"\\x\" in a string"},
    {"name == '\\ud800'", "filter, column 10: unknown escape \"\\ud800\" in a string"},
    {"name == '\\400'", "filter, column 10: unknown escape \"\\400\" in a string"},
    {"name == '\\xff'", "filter, column 9: the string is not valid UTF-8"},
    {"name == '\xff'", "filter, column 9: the string is not valid UTF-8"},
    {"i8 = 1", "filter, column 4: \"=\" is no operator; equality is \"==\""},
    {"i8 @ 1", "filter, column 4: unexpected character \"@\""},
    {"i8 == 12ab", "filter, column 7: \"12ab\" is not a number"},
    {"i8 == 089", "filter, column 7: \"089\" is not a number"},
    {"i8 == 0x", "filter, column 7: \"0x\" is not a number"},
    {"i8 == 0b2", "filter, column 7: \"0b2\" is not a number"},
    {"i8 == 1e", "filter, column 7: \"1e\" is not a number"},
    {"i8 == 1.2.3", "filter, column 7: \"1.2.3\" is not a number"},
    {"i8 == 0x1.8", "filter, column 7: \"0x1.8\" is not a number"},
    {"i8 == 1e999", "filter, column 7: the number \"1e999\" is too large"},
    {"i8 == 1e99999999999999999999", "filter, column 7: the number \"1e99999999999999999999\" is too large"},
    {"i8 == nan", "filter, column 7: unknown field \"nan\""},
    {"i8 + 1 == 2", "filter, column 4: \"+\" is not supported"},
    {"(i8 - 1) == 2", "filter, column 5: \"-\" is not supported"},
    {"i8 & 1 == 2", "filter, column 4: \"&\" is not supported"},
    {"name =~ 'a'", "filter, column 6: \"=~\" is not supported"},
    {"exists doc", "filter, column 1: \"exists\" is not supported"},
    {"i8 in {ids}", "filter, column 7: \"{\" is not supported"},
    {"$meta == 1", "filter, column 1: \"$\" is not supported"},
    {"doc['a'] == 1", "filter, column 4: \"[\" behind a field (a json path or an element) is not supported"},
    {"ai[0] == 1", "filter, column 3: \"[\" behind a field (a json path or an element) is not supported"},
    {"text_match(name, 'a')", "filter, column 1: function \"text_match\" is not supported"},
    {"array_length(ai) == 1", "filter, column 1: function \"array_length\" is not supported"},
    {"doc == 1", "filter, column 1: field \"doc\" is json: comparing json is not supported"},
    {"ai == 1", "filter, column 1: field \"ai\" is an array: it takes array_contains, not a comparison"},
    {"array_contains(i8, 1)", "filter, column 16: field \"i8\" is int8, not an array"},
    {"array_contains(ai, 'a')", "filter, column 20: field \"ai\" is an array of int32, compared with a string"},
    {"array_contains(ai, [1])", "filter, column 20: unexpected \"[\", a literal is expected"},
    {"array_contains_any(ai, 1)", "filter, column 24: unexpected \"1\", a list \"[...]\" is expected"},
    {"array_contains(1, 1)", "filter, column 16: unexpected \"1\", the name of an array field is expected"},
    {"i8", "filter, column 1: field \"i8\" is int8: alone it is no condition"},
    {"1", "filter, column 1: a literal alone is no condition"},
    {"flag < true", "filter, column 6: a bool has no order: it takes \"==\" and \"!=\" only"},
    {"flag == true == false", "filter, column 14: a condition can't be compared"},
    {"i8 == (i16 == 1)", "filter, column 12: a condition can't be compared"},
    {"(i16 == 1) < 2", "filter, column 6: a condition can't be compared"},
    {"1 < i8 > 2", "filter, column 8: a range goes one way"},
    {"i8 == null", "filter, column 7: null is tested with \"is null\" or \"is not null\""},
    {"i8 is 1", "filter, column 7: unexpected \"1\", \"null\" is expected"},
    {"i8 is not in [1]", "filter, column 11: unexpected \"in\", \"null\" is expected"},
    {"i8 not 1", "filter, column 8: unexpected \"1\", \"in\" or \"like\" is expected"},
    {"i8 in 1", "filter, column 7: unexpected \"1\", a list \"[...]\" is expected"},
    {"i8 in [1 2]", "filter, column 10: unexpected \"2\", \",\" or \"]\" is expected"},
    {"i8 in [i16]", "filter, column 8: unexpected \"i16\", a literal is expected"},
    {"i8 in [1, 'a']", "filter, column 11: field \"i8\" is int8, compared with a string"},
    {"1 in [1]", "filter, column 1: \"in\" takes a field on its left"},
    {"i8 in [1] in [2]", "filter, column 1: \"in\" takes a field on its left"},
    {"(flag or flag) is null", "filter, column 2: \"is null\" takes a field on its left"},
    {"i8 like 'a'", "filter, column 1: field \"i8\" is int8; \"like\" takes a string field"},
    {"name like 1", "filter, column 11: unexpected \"1\", a pattern in quotes is expected"},
    {"name like 'a\\\\'", "filter, column 11: the pattern ends in its escape character"},
    {"at == 'soon'", "filter, column 7: field \"at\" is timestamp, and \"soon\" is not an ISO 8601 time"},
    {"at == iso 'soon'", "filter, column 11: 'soon' is not an ISO 8601 time"},
    {"name == iso '2020-01-01'", "filter, column 9: field \"name\" is string, compared with a time"},
    {"name == i8", "filter, column 6: field \"name\" is string, compared with field \"i8\", which is int8"},
    {"1 == 'a'", "filter, column 6: literals of different types are compared"},
    {"i8 == -'a'", "filter, column 8: unexpected string 'a', a number behind the sign is expected"},
    {"i8 in [iso]", "filter, column 11: unexpected \"]\", a time in quotes is expected"},
    {"And == 1", "filter, column 1: unknown field \"And\""},
};

static void test_error_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        expect_line(lines[i][0], lines[i][1]);
}

static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
    size_t size = strlen(part);
    char *text = malloc(strlen(head) + n * size + strlen(tail) + 1);
    char *at = text + sprintf(text, "%s", head);
    for (size_t i = 0; i < n; i++, at += size)
        memcpy(at, part, size);
    strcpy(at, tail);
    return text;
}

static void test_limits(void **state)
{
    static uint64_t bitmap[8], expected[8];
    size_t n, m;
    (void)state;
    table *t = make_table(300);
    char *text = repeat("", "(", 64, "flag");
    char *deep = repeat(text, ")", 64, "");
    rows_of(deep, t, bitmap, &n);
    rows_of("flag", t, expected, &m);
    assert_int_equal(n, m);
    free(text), free(deep);

    static const struct {
        const char *head, *part, *tail, *line;
        size_t n;
    } bad[] = {
        {"", "(", "flag", "filter, column 65: parentheses are nested more than 64 deep", 65},
        {"", "(", "", "filter, column 65: parentheses are nested more than 64 deep", 1000000},
        {"i8 in [", "1,", "]", "filter, column 7: the list has more than 65536 literals", 65537},
        {"i8 == ", "1", "", "filter, column 7: the number \"11111111", 1000},
        {"", " ", "flag", "filter: the text has 1048580 bytes, at most 1048576 are allowed", 1048576},
        {"", "x", " == 1", "filter, column 1: unknown field \"xxxxxxxx", 1000},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        text = repeat(bad[i].head, bad[i].part, bad[i].n, bad[i].tail);
        expect_line(text, bad[i].line);
        free(text);
    }
    text = repeat("", "not ", 200001, "flag");
    rows_of(text, t, bitmap, &n);
    rows_of("not flag", t, expected, &m);
    assert_int_equal(n, m);
    free(text);
    text = repeat("", "i8 == 5 or ", 60000, "i8 == 5");
    rows_of(text, t, bitmap, &n);
    rows_of("i8 == 5", t, expected, &m);
    assert_int_equal(n, m);
    free(text);
    text = repeat("price == 0.", "1", 100000, "");
    rows_of(text, t, bitmap, &n);
    free(text);
    text = repeat("i8 in [5", ",5", 65535, "]");
    rows_of(text, t, bitmap, &n);
    assert_int_equal(n, m);
    free(text);
    free_table(t);
}

static void test_long_lists(void **state)
{
    static uint64_t bitmap[256];
    enum { ITEMS = 10000 };
    size_t n, rows = 2 * VSSI_FILTER_PART;
    (void)state;
    table *t = make_table(rows);
    char *numbers = malloc(ITEMS * 16 + 64), *words = malloc(ITEMS * 48 + 64);
    size_t at = (size_t)sprintf(numbers, "id in ["), to = (size_t)sprintf(words, "name in [");
    for (size_t i = 0; i < ITEMS; i++) {
        at += (size_t)sprintf(numbers + at, "%s%zu", i ? "," : "", i * 3);
        to += (size_t)sprintf(words + to, "'00000000-0000-0000-0000-%012zu',", i);
    }
    strcpy(numbers + at, "]");
    strcpy(words + to, "'ab','']");
    rows_of(numbers, t, bitmap, &n);
    assert_int_equal(n, (rows + 2) / 3);
    for (size_t r = 0; r < rows; r++)
        assert_int_equal(vssi_bitmap_get(bitmap, r), r % 3 == 0);
    rows_of(words, t, bitmap, &n);
    for (size_t r = 0; r < rows; r++) {
        const value *v = &t->cells[r * N_FIELDS + S];
        assert_int_equal(vssi_bitmap_get(bitmap, r), !v->null && (*v->s == 0 || strcmp(v->s, "ab") == 0));
    }
    free(numbers), free(words);
    free_table(t);
}

/* What is settled is not read, and a source's failure is passed on. */
static void test_reads(void **state)
{
    static uint64_t bitmap[8];
    vss_error err = {0};
    size_t n;
    (void)state;
    table *t = make_table(100);
    t->fail_field = S;
    rows_of("name like 'a%' and id < 0", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("name == 'a' or id >= 0", t, bitmap, &n);
    assert_int_equal(n, 100);
    rows_of("not (name == 'a' or id >= 0)", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("name == 'a' and 1 == 2", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("id is null", t, bitmap, &n);
    assert_int_equal(n, 0);
    assert_int_equal(t->reads[ID], 3);
    vssi_filter *filter = compile("id >= 0 and name == 'a'");
    vssi_filter_source source = {t, t->rows, table_column};
    assert_int_equal(vssi_filter_rows(filter, &source, bitmap, &n, &err), VSS_ERR_CORRUPT);
    vssi_filter_free(filter);
    vssi_filter_free(NULL);
    free_table(t);
}

/* ---- allocation failures ---- */

typedef struct failing {
    size_t left;
    size_t live;
} failing;

static void *failing_alloc(void *state, size_t size, size_t align)
{
    failing *f = state;
    if (f->left == 0)
        return NULL;
    f->left--;
    f->live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_release(void *state, void *block, size_t size, size_t align)
{
    failing *f = state;
    (void)size, (void)align;
    f->live--;
    free(block);
}

static void test_no_memory(void **state)
{
    const char *text = "(name in ['a', 'b'] or i8 in [1, 2]) and (name like 'a%_' or array_contains_all(as, ['a']))";
    static uint64_t bitmap[8];
    (void)state;
    table *t = make_table(100);
    char *list = repeat("i8 == 1 and id in [1", ",12345", 3000, "]");
    for (int round = 0; round < 2; round++) {
        bool done = false;
        for (size_t allowed = 0; !done; allowed++) {
            failing f = {.left = allowed};
            vss_allocator hook = {sizeof hook, &f, failing_alloc, failing_release};
            vssi_heap own;
            vss_error err = {0};
            vssi_filter *filter;
            vssi_filter_source source = {t, t->rows, table_column};
            size_t n;
            vssi_heap_init(&own, &hook, 0);
            vss_status status = vssi_filter_compile(&own, schema, round == 0 ? text : list, &filter, &err);
            if (status == VSS_OK)
                status = vssi_filter_rows(filter, &source, bitmap, &n, &err);
            else
                assert_null(filter);
            done = status == VSS_OK;
            if (!done)
                assert_int_equal(status, VSS_ERR_NO_MEMORY);
            vssi_filter_free(filter);
            assert_int_equal(f.live, 0);
            assert_true(allowed < 1000);
        }
    }
    free(list);
    free_table(t);
}

/* ---- set-up ---- */

static int set_up(void **state)
{
    vss_field open[N_FIELDS];
    const vss_field *pointers[N_FIELDS];
    vss_schema all = VSS_INIT(vss_schema);
    vss_error err = {0};
    (void)state;
    vssi_heap_init(&heap, NULL, 0);
    for (size_t f = 0; f < N_FIELDS; f++) {
        open[f] = VSS_INIT(vss_field);
        open[f].name = fields[f].name;
        open[f].type = fields[f].type;
        open[f].element = fields[f].element;
        open[f].flags = fields[f].flags;
        open[f].dim = f == V ? 2 : 0;
        pointers[f] = &open[f];
    }
    all.n_fields = N_FIELDS;
    all.fields = pointers;
    vss_status status = vssi_schema_create(&heap, &all, &schema, &err);
    if (status != VSS_OK)
        print_error("%s\n", err.message);
    return status;
}

static int tear_down(void **state)
{
    (void)state;
    vssi_schema_free(schema);
    return heap.used == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),     cmocka_unit_test(test_parts),       cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_error_lines), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_lists), cmocka_unit_test(test_reads),       cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
