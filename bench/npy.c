/*
 * npy.c - reads the Python dictionary at the head of an .npy file, and only such a one as numpy writes
 */
#include "npy.h"

#include <string.h>

#include "tool.h"

typedef struct npy_text {
    const char *at, *end;
} npy_text;

static void npy_skip(npy_text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t'))
        t->at++;
}

static bool npy_take(npy_text *t, char c)
{
    npy_skip(t);
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static bool npy_word(npy_text *t, const char *word)
{
    size_t size = strlen(word);
    npy_skip(t);
    if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

/* 'text' or "text" into out[room]. */
static bool npy_string(npy_text *t, char *out, size_t room)
{
    char quote = '\'';
    size_t size = 0;
    if (!npy_take(t, quote)) {
        quote = '"';
        if (!npy_take(t, quote))
            return false;
    }
    for (; t->at < t->end && *t->at != quote; t->at++) {
        if (size + 1 >= room)
            return false;
        out[size++] = *t->at;
    }
    out[size] = 0;
    return npy_take(t, quote);
}

static bool npy_number(npy_text *t, uint64_t *value)
{
    npy_skip(t);
    const char *begin = t->at;
    *value = 0;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*t->at - '0'), value))
            return false;
    return t->at > begin;
}

/* (rows, columns) or (columns,). */
static bool npy_shape(npy_text *t, cli_npy *npy)
{
    if (!npy_take(t, '(') || !npy_number(t, &npy->columns) || !npy_take(t, ','))
        return false;
    npy->rows = 1;
    if (npy_take(t, ')'))
        return true;
    npy->rows = npy->columns;
    if (!npy_number(t, &npy->columns))
        return false;
    npy_take(t, ',');
    return npy_take(t, ')');
}

static bool npy_element(const char *descr, cli_element *element)
{
    static const struct {
        const char *descr;
        cli_element element;
    } known[] = {{"<f2", CLI_F16}, {"<f4", CLI_F32}, {"<f8", CLI_F64}, {"|u1", CLI_U8},
                 {"|i1", CLI_I8},  {"<i2", CLI_I16}, {"<i4", CLI_I32}, {"<i8", CLI_I64}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(descr, known[i].descr) == 0) {
            *element = known[i].element;
            return true;
        }
    }
    return false;
}

vss_status cli_npy_parse(const char *path, const char *header, size_t size, cli_npy *npy, vss_error *err)
{
    npy_text t = {header, header + size};
    char name[32], descr[32] = "";
    bool fortran = false, shape = false, good = npy_take(&t, '{');
    while (good && !npy_take(&t, '}')) {
        good = npy_string(&t, name, sizeof name) && npy_take(&t, ':');
        if (good && strcmp(name, "descr") == 0)
            good = npy_string(&t, descr, sizeof descr);
        else if (good && strcmp(name, "fortran_order") == 0)
            good = (fortran = npy_word(&t, "True")) || npy_word(&t, "False");
        else if (good && strcmp(name, "shape") == 0)
            good = shape = npy_shape(&t, npy);
        else
            good = false;
        if (good && !npy_take(&t, ',')) {
            good = npy_take(&t, '}');
            break;
        }
    }
    if (!good || !shape || !descr[0])
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: expected an .npy header of a one- or two-dimensional array", path);
    if (fortran)
        return cli_fail(err, VSS_ERR_UNSUPPORTED, "%s: the array is in Fortran order, expected C order", path);
    if (!npy_element(descr, &npy->element))
        return cli_fail(err, VSS_ERR_UNSUPPORTED, "%s: elements of type %s, expected f2 f4 f8 u1 i1 i2 i4 or i8", path,
                        descr);
    return VSS_OK;
}
