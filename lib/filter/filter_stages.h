/*
 * filter_stages.h - what the stages of a filter share
 *
 *     text --lex--> tokens --parse--> tree --check--> plan --eval--> bitmap
 *
 * The tree says what was written, the plan what is to be done: names resolved, types checked, literals turned into
 * keys, every `not` pushed into the leaves. The tree lives in a scratch arena that ends with the compilation, the plan
 * in the filter's own.
 *
 * Keys: every number, timestamp and bool is compared as an int64 key whose order is the order of the values (integers
 * as they are, floats by their bits), so that a comparison with a literal is a range of keys, whatever the literal
 * was.
 */
#ifndef VSSI_FILTER_STAGES_H
#define VSSI_FILTER_STAGES_H

#include "../base/bitmap.h"
#include "../base/fail.h"
#include "filter.h"

#define VSSI_FILTER_DEPTH 64u          /* parentheses within parentheses */
#define VSSI_FILTER_TEXT_MAX 1048576u  /* bytes of a filter */
#define VSSI_FILTER_LIST_MAX 65536u    /* literals of a list */
#define VSSI_FILTER_ARRAY_MAX 4096u    /* elements of an array value */
#define VSSI_FILTER_WORDS (VSSI_FILTER_PART / 64)

/* ---- arena: memory that ends all at once ---- */

typedef struct vssi_filter_block vssi_filter_block;
typedef struct vssi_filter_arena {
    vssi_heap *heap;
    vssi_filter_block *blocks;
    size_t at, size; /* of the newest block */
} vssi_filter_arena;

void vssi_filter_arena_init(vssi_filter_arena *arena, vssi_heap *heap);
void vssi_filter_arena_free(vssi_filter_arena *arena);
/* count * size zero bytes, 16-byte aligned; never NULL with VSS_OK. NO_MEMORY, BUDGET. */
vss_status vssi_filter_arena_alloc(vssi_filter_arena *arena, size_t count, size_t size, void *out_pointer,
                                   vss_error *err);

/* ---- tokens ---- */

typedef enum vssi_filter_token_kind {
    VSSI_TOKEN_END,
    VSSI_TOKEN_NAME,
    VSSI_TOKEN_NUMBER,
    VSSI_TOKEN_STRING,
    VSSI_TOKEN_BOOL,
    VSSI_TOKEN_COMPARE,
    VSSI_TOKEN_AND,
    VSSI_TOKEN_OR,
    VSSI_TOKEN_NOT,
    VSSI_TOKEN_IN,
    VSSI_TOKEN_LIKE,
    VSSI_TOKEN_IS,
    VSSI_TOKEN_NULL,
    VSSI_TOKEN_PLUS,
    VSSI_TOKEN_MINUS,
    VSSI_TOKEN_OPEN,
    VSSI_TOKEN_CLOSE,
    VSSI_TOKEN_OPEN_LIST,
    VSSI_TOKEN_CLOSE_LIST,
    VSSI_TOKEN_COMMA,
    VSSI_TOKEN_FOREIGN /* of Milvus' grammar, but not offered here */
} vssi_filter_token_kind;

/* How two values stand to each other, as bit numbers of an operator. */
enum { VSSI_LESS = 0, VSSI_EQUAL = 1, VSSI_GREATER = 2, VSSI_UNORDERED = 3 };

/* An operator is the set of outcomes for which it is true. */
typedef enum vssi_filter_op {
    VSSI_OP_LT = 1 << VSSI_LESS,
    VSSI_OP_EQ = 1 << VSSI_EQUAL,
    VSSI_OP_GT = 1 << VSSI_GREATER,
    VSSI_OP_LE = VSSI_OP_LT | VSSI_OP_EQ,
    VSSI_OP_GE = VSSI_OP_GT | VSSI_OP_EQ,
    VSSI_OP_NE = VSSI_OP_LT | VSSI_OP_GT | 1 << VSSI_UNORDERED
} vssi_filter_op;

static inline bool vssi_filter_op_holds(vssi_filter_op op, int outcome) { return ((unsigned)op >> outcome) & 1; }

typedef struct vssi_filter_text {
    const char *data;
    size_t size;
} vssi_filter_text;

typedef enum vssi_filter_literal_kind {
    VSSI_LITERAL_BOOL,
    VSSI_LITERAL_INT,   /* fits int64 */
    VSSI_LITERAL_FLOAT, /* finite */
    VSSI_LITERAL_STRING,
    VSSI_LITERAL_TIME   /* iso "...": microseconds in `number` */
} vssi_filter_literal_kind;

typedef struct vssi_filter_literal {
    vssi_filter_literal_kind kind;
    size_t at; /* byte of the text where it begins */
    union {
        bool truth;
        int64_t number;
        double real;
        vssi_filter_text text;
    };
} vssi_filter_literal;

/* A number without its sign: either an integer below 2^64 or a finite real. */
typedef struct vssi_filter_number {
    bool integer;
    uint64_t magnitude;
    double real; /* the value in both cases, rounded */
} vssi_filter_number;

typedef struct vssi_filter_token {
    vssi_filter_token_kind kind;
    size_t at, size; /* where it stands in the text */
    vssi_filter_op op;
    bool truth;
    vssi_filter_number number;
    vssi_filter_text string; /* decoded, in the scratch arena */
} vssi_filter_token;

/* One compilation. */
typedef struct vssi_filter_job {
    const vssi_schema *schema;
    const char *text;
    size_t size;
    size_t at;               /* of the lexer: behind the token */
    vssi_filter_token token; /* the one to be parsed next */
    unsigned depth;
    vssi_filter_arena scratch;
    vssi_filter_arena *keep;
    vss_error *err;
} vssi_filter_job;

/* "filter, column N: ..." with the column of byte `at`, counted in characters from 1. Returns INVALID. */
__attribute__((format(printf, 3, 4))) vss_status vssi_filter_fail(const vssi_filter_job *job, size_t at,
                                                                  const char *format, ...);
/* text in printable, bounded form for a message. Returns out. */
#define VSSI_FILTER_SHOWN 64
const char *vssi_filter_show(char out[VSSI_FILTER_SHOWN], const char *text, size_t size);

/* Read the next token into job->token. */
vss_status vssi_filter_next(vssi_filter_job *job);
/* The number written at text[size]. INVALID when it is none. */
vss_status vssi_filter_number_parse(vssi_filter_job *job, size_t at, size_t size, vssi_filter_number *out);

/* ---- tree ---- */

typedef enum vssi_filter_tree_kind {
    VSSI_TREE_FIELD,
    VSSI_TREE_LITERAL,
    VSSI_TREE_AND,      /* of first, its next, ... */
    VSSI_TREE_OR,       /* of first, its next, ... */
    VSSI_TREE_NOT,      /* of first */
    VSSI_TREE_COMPARE,  /* first op second */
    VSSI_TREE_IN,       /* first in list */
    VSSI_TREE_LIKE,     /* first like literal */
    VSSI_TREE_NULL,     /* first is null */
    VSSI_TREE_CONTAINS, /* any of list, or all of it, in first */
} vssi_filter_tree_kind;

typedef struct vssi_filter_tree {
    vssi_filter_tree_kind kind;
    size_t at;
    struct vssi_filter_tree *first, *second;
    struct vssi_filter_tree *next;
    vssi_filter_text name;       /* FIELD */
    vssi_filter_literal literal; /* LITERAL, LIKE */
    vssi_filter_op op;           /* COMPARE */
    bool all;                    /* CONTAINS */
    vssi_filter_literal *list;   /* IN, CONTAINS: [n] */
    size_t n;
} vssi_filter_tree;

/* The whole text as a tree in the scratch arena. */
vss_status vssi_filter_parse(vssi_filter_job *job, vssi_filter_tree **out);

/* ---- values as keys ---- */

/* Where a literal stands among the keys of a type. */
typedef struct vssi_filter_point {
    bool below;    /* below every key; floor says nothing then */
    bool exact;    /* floor is the literal itself */
    int64_t floor; /* the greatest key that is not above the literal */
} vssi_filter_point;

/* False when a literal of this kind is not comparable with the type: bool, a number, or a timestamp. */
bool vssi_filter_point_of(vss_type type, const vssi_filter_literal *literal, vssi_filter_point *out);
/* The keys [lo, hi] for which `key op point` holds, op not NE; lo > hi: none. */
void vssi_filter_range(vss_type type, vssi_filter_op op, vssi_filter_point point, int64_t *lo, int64_t *hi);
/* The keys of rows [first, first + n) of a bool, number or timestamp column. */
void vssi_filter_keys(const vss_column *view, size_t first, size_t n, int64_t *keys);
int vssi_filter_order_mixed(int64_t a, double b);
int vssi_filter_order_real(double a, double b);
int vssi_filter_order_text(vssi_filter_text a, vssi_filter_text b);
/* The outcome of two literals; false when they are not comparable. */
bool vssi_filter_order_literals(const vssi_filter_literal *a, const vssi_filter_literal *b, int *outcome);

/* A float's bits as an integer in the order of the values; both zeros are 0, NaN lies outside the infinities. */
static inline int64_t vssi_filter_key64(int64_t bits)
{
    int64_t key = bits ^ ((bits >> 63) & INT64_MAX);
    return key + (key == -1);
}

static inline int32_t vssi_filter_key32(int32_t bits)
{
    int32_t key = bits ^ ((bits >> 31) & INT32_MAX);
    return key + (key == -1);
}

/* ---- sets of literals ---- */

/* Distinct values under 64-bit codes: a bijection of the key, or a text's hash. Sorted by code; starts[c >> shift] is
 * the first entry of a bucket. A look-up costs about one cache miss, at worst a binary search. */
typedef struct vssi_filter_entry {
    uint64_t code;
    vssi_filter_text text; /* data NULL: the code tells all */
} vssi_filter_entry;

typedef struct vssi_filter_set {
    size_t n;
    vssi_filter_entry *entries;
    uint32_t *starts;
    unsigned shift;
} vssi_filter_set;

/* Sorts entries[n] in place and drops the equal ones; takes what it keeps from `keep`, where entries must lie too. */
vss_status vssi_filter_set_build(vssi_filter_job *job, vssi_filter_entry *entries, size_t n, vssi_filter_set **out);
uint64_t vssi_filter_code_key(int64_t key);
uint64_t vssi_filter_code_text(vssi_filter_text text);
/* Index of the value, or SIZE_MAX. */
size_t vssi_filter_set_key(const vssi_filter_set *set, int64_t key);
size_t vssi_filter_set_text(const vssi_filter_set *set, vssi_filter_text text);

/* ---- like ---- */

typedef struct vssi_filter_pattern vssi_filter_pattern;
/* INVALID: the pattern ends in its escape character. */
vss_status vssi_filter_pattern_compile(vssi_filter_job *job, const vssi_filter_literal *literal,
                                       vssi_filter_pattern **out);
bool vssi_filter_pattern_match(const vssi_filter_pattern *pattern, vssi_filter_text text);

/* ---- plan ---- */

typedef enum vssi_filter_plan_kind {
    VSSI_PLAN_CONST,
    VSSI_PLAN_AND,
    VSSI_PLAN_OR,
    VSSI_PLAN_NULL,     /* field is null */
    VSSI_PLAN_BOOL,     /* field is one of the truths wanted */
    VSSI_PLAN_RANGE,    /* field's key in [lo, hi] */
    VSSI_PLAN_TEXT,     /* field op text */
    VSSI_PLAN_IN,       /* field in set */
    VSSI_PLAN_LIKE,     /* field matches pattern */
    VSSI_PLAN_FIELDS,   /* field op other */
    VSSI_PLAN_CONTAINS  /* an element, or each of the set, in field */
} vssi_filter_plan_kind;

#define VSSI_FILTER_COSTS 4u

/* A leaf passes a row when the field is not null and its test is not `negate`; NULL and CONST know no null. */
typedef struct vssi_filter_plan {
    vssi_filter_plan_kind kind;
    bool negate;
    unsigned cost;   /* class below VSSI_FILTER_COSTS: the cheap go first */
    unsigned levels; /* OR nodes on the way down, this one included */
    size_t field;    /* of leaves */
    vss_type type;   /* of the field, or of its elements for CONTAINS */
    struct vssi_filter_plan *next;
    union {
        bool value;                      /* CONST */
        struct vssi_filter_plan *first;  /* AND, OR */
        struct { bool on_true, on_false; } truth;
        struct { int64_t lo, hi; } range;
        struct { vssi_filter_op op; vssi_filter_text text; } compare;
        struct { const vssi_filter_set *set; bool all, impossible; } member; /* IN, CONTAINS */
        const vssi_filter_pattern *pattern;
        struct { vssi_filter_op op; size_t other; vss_type other_type; } fields;
    };
} vssi_filter_plan;

/* A tree as a plan in the filter's arena. */
vss_status vssi_filter_check(vssi_filter_job *job, const vssi_filter_tree *tree, vssi_filter_plan **out);

/* Nodes for the check. build_group takes the children by their `next`, and folds constants. */
vss_status vssi_filter_build_leaf(vssi_filter_job *job, vssi_filter_plan_kind kind, size_t field, bool negate,
                                  unsigned cost, vssi_filter_plan **out);
vss_status vssi_filter_build_const(vssi_filter_job *job, bool value, vssi_filter_plan **out);
vss_status vssi_filter_build_group(vssi_filter_job *job, vssi_filter_plan_kind kind, vssi_filter_plan *children,
                                   vssi_filter_plan **out);
/* A set of those literals that a value of the type can equal; *impossible: some can't. The kinds are checked. */
vss_status vssi_filter_build_set(vssi_filter_job *job, vss_type type, const vssi_filter_literal *list, size_t n,
                                 vssi_filter_set **out, bool *impossible);
/* The literal as one of the field's type: the text of a time becomes a time. INVALID names field and literal. */
vss_status vssi_filter_build_literal(vssi_filter_job *job, const vssi_field *field, vss_type type,
                                     const vssi_filter_literal *literal, vssi_filter_literal *out);

struct vssi_filter {
    vssi_heap *heap;
    vssi_filter_arena arena;
    const vssi_filter_plan *root;
};

/* ---- leaves ---- */

/* Clear the bits of rows that a leaf doesn't pass; map[words of rows] is not all 0. other is the second column of
 * FIELDS, else NULL. */
void vssi_filter_leaf(const vssi_filter_plan *leaf, const vss_column *view, const vss_column *other, size_t rows,
                      uint64_t *map);

#endif
