/*
 * faiss_factory.c - which texts FAISS' factory is given
 *
 * FAISS says itself what it can't parse; this refuses before it what it would take and then fall over: a number that it
 * divides by, shifts by or allocates for, brackets that it nests by recursion, and its own names for what stands in
 * brackets. Cost: a pass over the text.
 */
#include <ctype.h>
#include <string.h>

#include "faiss_inside.h"

#define FACTORY_BYTES 255u
#define FACTORY_DEPTH 3
#define FACTORY_NUMBER 1048576ul /* lists, components: no segment has more rows */
#define FACTORY_BITS 16ul        /* of a code: 2^16 words a book */
#define FACTORY_LINKS 512ul      /* of a graph */
#define FACTORY_COARSE 256ul     /* least lists that an NSG graph leads to: fewer end the process */
#define FACTORY_PAIRS 20ul       /* bits of a list's number, in the types that take several codes for it */

static vss_status factory_letters(const char *text, vss_error *err)
{
    int depth = 0;
    size_t size = strlen(text);
    if (size > FACTORY_BYTES)
        return vssf_fail(err, VSS_ERR_INVALID, "faiss: the factory has %zu bytes, at most %u", size, FACTORY_BYTES);
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr(",()_+-.", *c) == NULL)
            return vssf_fail(err, VSS_ERR_INVALID, "faiss: factory \"%s\": byte 0x%02x is in none", text,
                             (unsigned)(unsigned char)*c);
        depth += (*c == '(') - (*c == ')');
        if (depth < 0 || depth > FACTORY_DEPTH)
            return vssf_fail(err, VSS_ERR_INVALID, "faiss: factory \"%s\": brackets don't match, or more than %d deep",
                             text, FACTORY_DEPTH);
    }
    if (depth != 0 || strstr(text, "Index") != NULL)
        return vssf_fail(err, VSS_ERR_INVALID, "faiss: factory \"%s\": brackets don't match, or it says Index", text);
    return VSS_OK;
}

static int factory_follows(const char *text, const char *at, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(at - text) >= size && memcmp(at - size, word, size) == 0;
}

/* The greatest number that may stand at `at`, and the least. */
static unsigned long factory_most(const char *text, const char *at, unsigned long *least)
{
    *least = 1;
    if (factory_follows(text, at, "HNSW") || factory_follows(text, at, "NSG")) {
        *least = 4;
        return FACTORY_LINKS;
    }
    if (at - text > 1 && at[-1] == 'x' && isdigit((unsigned char)at[-2]))
        return FACTORY_BITS;
    return FACTORY_NUMBER;
}

/* "IMI2x8", "Residual2x8": 2^16 lists. */
static int factory_lists_fit(const char *text, const char *at, unsigned long codes)
{
    const char *end = at + strspn(at, "0123456789");
    if (*end != 'x' || !(factory_follows(text, at, "IMI") || factory_follows(text, at, "Residual")))
        return 1;
    unsigned long bits = 0;
    for (const char *c = end + 1; isdigit((unsigned char)*c) && bits <= FACTORY_NUMBER; c++)
        bits = bits * 10 + (unsigned long)(*c - '0');
    return codes * bits <= FACTORY_PAIRS;
}

/* NSG graphs of few rows end the process: as what leads to lists, in brackets or behind "_". */
static int factory_graphs_fit(const char *text)
{
    for (const char *at = strstr(text, "NSG"); at != NULL; at = strstr(at + 1, "NSG")) {
        const char *first = at;
        unsigned long lists = 0;
        int depth = 0;
        for (const char *c = text; c < at; c++)
            depth += (*c == '(') - (*c == ')');
        if (depth > 0)
            return 0;
        if (at == text || at[-1] != '_')
            continue;
        for (first = at - 1; first > text && isdigit((unsigned char)first[-1]);)
            first--;
        for (; isdigit((unsigned char)*first) && lists <= FACTORY_NUMBER; first++)
            lists = lists * 10 + (unsigned long)(*first - '0');
        if (lists < FACTORY_COARSE)
            return 0;
    }
    return 1;
}

vss_status vssf_factory_check(const char *text, vss_error *err)
{
    if (text[0] == '\0')
        return vssf_fail(err, VSS_ERR_INVALID, "faiss: no factory is given, as factory=IVF256,Flat");
    vss_status status = factory_letters(text, err);
    if (status != VSS_OK)
        return status;
    if (!factory_graphs_fit(text))
        return vssf_fail(err, VSS_ERR_INVALID, "faiss: factory \"%s\": an NSG leads to %lu lists or more only", text,
                         FACTORY_COARSE);
    for (const char *at = text; *at != '\0';) {
        unsigned long number = 0, least, most = factory_most(text, at, &least);
        size_t digits = strspn(at, "0123456789");
        int fraction = (at > text && at[-1] == '.') || at[digits] == '.';
        for (size_t i = 0; i < digits && number <= FACTORY_NUMBER; i++)
            number = number * 10 + (unsigned long)(at[i] - '0');
        if (digits > 0 && !fraction && (number < least || number > most || !factory_lists_fit(text, at, number)))
            return vssf_fail(err, VSS_ERR_INVALID, "faiss: factory \"%s\": %.*s is out of range there", text,
                             (int)digits, at);
        at += digits > 0 ? digits : 1;
    }
    return VSS_OK;
}
