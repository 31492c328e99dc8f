/*
 * filter_lex.c - a filter text as tokens, and the error lines that point into it
 *
 * Keywords are all lower-case or all upper-case; true and false also capitalised. Strings stand in single or double
 * quotes with C's escapes (\n, \x41, \101, \u00e9, \U0001f600) and are UTF-8; \% and \_ keep their backslash, so that a
 * pattern may be written "50\%" or "50\\%". r"..." takes every character as it is. Operators of Milvus' grammar that
 * are not offered are read as such, so that the parser can name them.
 */

#include "../base/text.h"
#include "filter_stages.h"

/* ---- characters ---- */

static bool filter_lex_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool filter_lex_digit(char c) { return c >= '0' && c <= '9'; }

static int filter_lex_hex(char c)
{
    if (filter_lex_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character at `at`, NUL past the end. */
static char filter_lex_peek(const vssi_filter_job *job, size_t at) { return at < job->size ? job->text[at] : 0; }

/* ---- strings ---- */

static size_t filter_lex_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Exactly n hexadecimal digits at *at, moving it. */
static bool filter_lex_hex_run(const vssi_filter_job *job, size_t *at, unsigned n, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < n; i++) {
        int digit = filter_lex_hex(filter_lex_peek(job, *at));
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
        ++*at;
    }
    return true;
}

static uint32_t filter_lex_octal_run(const vssi_filter_job *job, size_t *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 3; i++, ++*at) {
        char c = filter_lex_peek(job, *at);
        if (c < '0' || c > '7')
            break;
        value = value * 8 + (uint32_t)(c - '0');
    }
    return value;
}

/* The escape whose backslash is at *at: moves past it, adds its bytes (never more than were written) to out. */
static vss_status filter_lex_escape(const vssi_filter_job *job, size_t *at, char *out, size_t *n)
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    size_t begin = *at;
    char c = filter_lex_peek(job, begin + 1);
    *at = begin + 2;
    const char *name = c != 0 ? strchr(names, c) : NULL;
    uint32_t value;
    bool good = true;
    if (name != NULL) {
        out[(*n)++] = values[name - names];
    } else if (c == '\'' || c == '"' || c == '?' || c == '\\') {
        out[(*n)++] = c;
    } else if (c == '%' || c == '_') {
        out[(*n)++] = '\\';
        out[(*n)++] = c;
    } else if (c == 'x') {
        good = filter_lex_hex_run(job, at, 2, &value);
        out[(*n)++] = (char)value;
    } else if (c == 'u' || c == 'U') {
        good = filter_lex_hex_run(job, at, c == 'u' ? 4 : 8, &value) && value <= 0x10ffff && value >> 11 != 0x1b;
        if (good)
            *n += filter_lex_utf8(value, out + *n);
    } else if (c >= '0' && c <= '7') {
        *at = begin + 1;
        value = filter_lex_octal_run(job, at);
        good = value <= 0xff;
        out[(*n)++] = (char)value;
    } else {
        good = false;
    }
    char shown[VSSI_FILTER_SHOWN];
    if (!good)
        return vssi_filter_fail(job, begin, "unknown escape \"%s\" in a string",
                                vssi_filter_show(shown, job->text + begin, *at - begin));
    return VSS_OK;
}

/* The string whose quote is at `quote`; the token begins there or one before, at the r of a raw string. */
static vss_status filter_lex_string(vssi_filter_job *job, size_t quote, bool raw)
{
    vssi_filter_token *token = &job->token;
    char mark = job->text[quote];
    size_t end = quote + 1;
    while (end < job->size && job->text[end] != mark && job->text[end] != '\n' && job->text[end] != '\r')
        end += job->text[end] == '\\' && end + 1 < job->size && job->text[end + 1] != '\n' ? 2 : 1;
    if (end >= job->size || job->text[end] != mark)
        return vssi_filter_fail(job, token->at, "the string that begins here is not closed");
    char *out;
    size_t n = 0;
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, end - quote, 1, &out, job->err));
    for (size_t at = quote + 1; at < end;) {
        if (job->text[at] == '\\' && !raw)
            VSSI_TRY(filter_lex_escape(job, &at, out, &n));
        else
            out[n++] = job->text[at++];
    }
    if (!vssi_utf8_valid(out, n))
        return vssi_filter_fail(job, token->at, "the string is not valid UTF-8");
    token->kind = VSSI_TOKEN_STRING;
    token->string = (vssi_filter_text){out, n};
    job->at = end + 1;
    return VSS_OK;
}

/* ---- names, numbers, operators ---- */

static bool filter_lex_word_is(const char *text, size_t size, const char *lower)
{
    if (strlen(lower) != size)
        return false;
    bool is_lower = true, is_upper = true;
    for (size_t i = 0; i < size; i++) {
        char upper = lower[i] >= 'a' && lower[i] <= 'z' ? (char)(lower[i] - 'a' + 'A') : lower[i];
        is_lower &= text[i] == lower[i];
        is_upper &= text[i] == upper;
    }
    return is_lower || is_upper;
}

static void filter_lex_word(vssi_filter_job *job)
{
    static const struct {
        const char *word;
        vssi_filter_token_kind kind;
    } words[] = {{"and", VSSI_TOKEN_AND},   {"or", VSSI_TOKEN_OR},        {"not", VSSI_TOKEN_NOT},
                 {"in", VSSI_TOKEN_IN},     {"like", VSSI_TOKEN_LIKE},    {"is", VSSI_TOKEN_IS},
                 {"null", VSSI_TOKEN_NULL}, {"exists", VSSI_TOKEN_FOREIGN}};
    vssi_filter_token *token = &job->token;
    const char *text = job->text + token->at;
    while (filter_lex_letter(filter_lex_peek(job, job->at)) || filter_lex_digit(filter_lex_peek(job, job->at)))
        job->at++;
    size_t size = job->at - token->at;
    token->kind = VSSI_TOKEN_NAME;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (filter_lex_word_is(text, size, words[i].word))
            token->kind = words[i].kind;
    bool yes = filter_lex_word_is(text, size, "true") || (size == 4 && memcmp(text, "True", 4) == 0);
    bool no = filter_lex_word_is(text, size, "false") || (size == 5 && memcmp(text, "False", 5) == 0);
    if (yes || no) {
        token->kind = VSSI_TOKEN_BOOL;
        token->truth = yes;
    }
}

static vss_status filter_lex_number(vssi_filter_job *job)
{
    vssi_filter_token *token = &job->token;
    bool hex = job->text[token->at] == '0' && (filter_lex_peek(job, token->at + 1) | 0x20) == 'x';
    for (;; job->at++) {
        char c = filter_lex_peek(job, job->at);
        char before = (char)(job->text[job->at - (job->at > token->at)] | 0x20);
        bool sign = (c == '+' || c == '-') && job->at > token->at && before == (hex ? 'p' : 'e');
        if (!filter_lex_letter(c) && !filter_lex_digit(c) && c != '.' && !sign)
            break;
    }
    token->kind = VSSI_TOKEN_NUMBER;
    return vssi_filter_number_parse(job, token->at, job->at - token->at, &token->number);
}

static vss_status filter_lex_operator(vssi_filter_job *job)
{
    /* Longer ones first. */
    static const struct {
        const char *sign;
        vssi_filter_token_kind kind;
        vssi_filter_op op;
    } signs[] = {{"==", VSSI_TOKEN_COMPARE, VSSI_OP_EQ}, {"!=", VSSI_TOKEN_COMPARE, VSSI_OP_NE},
                 {"<=", VSSI_TOKEN_COMPARE, VSSI_OP_LE}, {">=", VSSI_TOKEN_COMPARE, VSSI_OP_GE},
                 {"&&", VSSI_TOKEN_AND, 0},              {"||", VSSI_TOKEN_OR, 0},
                 {"<<", VSSI_TOKEN_FOREIGN, 0},          {">>", VSSI_TOKEN_FOREIGN, 0},
                 {"=~", VSSI_TOKEN_FOREIGN, 0},          {"!~", VSSI_TOKEN_FOREIGN, 0},
                 {"**", VSSI_TOKEN_FOREIGN, 0},          {"<", VSSI_TOKEN_COMPARE, VSSI_OP_LT},
                 {">", VSSI_TOKEN_COMPARE, VSSI_OP_GT},  {"!", VSSI_TOKEN_NOT, 0},
                 {"(", VSSI_TOKEN_OPEN, 0},              {")", VSSI_TOKEN_CLOSE, 0},
                 {"[", VSSI_TOKEN_OPEN_LIST, 0},         {"]", VSSI_TOKEN_CLOSE_LIST, 0},
                 {",", VSSI_TOKEN_COMMA, 0},             {"+", VSSI_TOKEN_PLUS, 0},
                 {"-", VSSI_TOKEN_MINUS, 0},             {"*", VSSI_TOKEN_FOREIGN, 0},
                 {"/", VSSI_TOKEN_FOREIGN, 0},           {"%", VSSI_TOKEN_FOREIGN, 0},
                 {"&", VSSI_TOKEN_FOREIGN, 0},           {"|", VSSI_TOKEN_FOREIGN, 0},
                 {"^", VSSI_TOKEN_FOREIGN, 0},           {"~", VSSI_TOKEN_FOREIGN, 0},
                 {"{", VSSI_TOKEN_FOREIGN, 0},           {"$", VSSI_TOKEN_FOREIGN, 0}};
    const char *text = job->text + job->at;
    size_t left = job->size - job->at;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t size = strlen(signs[i].sign);
        if (size <= left && memcmp(text, signs[i].sign, size) == 0) {
            job->token.kind = signs[i].kind;
            job->token.op = signs[i].op;
            job->at += size;
            return VSS_OK;
        }
    }
    if (*text == '=')
        return vssi_filter_fail(job, job->at, "\"=\" is no operator; equality is \"==\"");
    size_t size = 1;
    while (size < left && ((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    char shown[VSSI_FILTER_SHOWN];
    return vssi_filter_fail(job, job->at, "unexpected character \"%s\"", vssi_filter_show(shown, text, size));
}

static vss_status filter_lex_token(vssi_filter_job *job)
{
    char c = filter_lex_peek(job, job->at), after = filter_lex_peek(job, job->at + 1);
    if (job->at >= job->size) {
        job->token.kind = VSSI_TOKEN_END;
        return VSS_OK;
    }
    if (c == '"' || c == '\'')
        return filter_lex_string(job, job->at, false);
    if ((c == 'r' || c == 'R') && (after == '"' || after == '\''))
        return filter_lex_string(job, job->at + 1, true);
    if (filter_lex_digit(c) || (c == '.' && filter_lex_digit(after)))
        return filter_lex_number(job);
    if (!filter_lex_letter(c))
        return filter_lex_operator(job);
    filter_lex_word(job);
    return VSS_OK;
}

vss_status vssi_filter_next(vssi_filter_job *job)
{
    while (job->at < job->size && strchr(" \t\r\n", job->text[job->at]) != NULL)
        job->at++;
    job->token = (vssi_filter_token){.at = job->at};
    VSSI_TRY(filter_lex_token(job));
    job->token.size = job->at - job->token.at;
    return VSS_OK;
}
