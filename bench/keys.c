/*
 * keys.c - reads keys from words
 */
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static vss_status keys_value(const vss_field *key, const char *text, json_t **value, vss_error *err)
{
    if (key->type == VSS_TYPE_STRING) {
        *value = json_string(text);
        return *value ? VSS_OK : cli_fail(err, VSS_ERR_INVALID, "key \"%s\": not valid UTF-8", text);
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || strchr(" \t\n", text[0]))
        return cli_fail(err, VSS_ERR_INVALID, "key \"%s\": the keys of this collection are int64", text);
    *value = json_integer(number);
    return VSS_OK;
}

vss_status cli_keys_build(const vss_field *key, const char *const *texts, size_t n, cli_builder *keys, vss_error *err)
{
    char why[CLI_REASON];
    cli_builder_begin(keys, key);
    for (size_t i = 0; i < n; i++) {
        json_t *value;
        CLI_TRY(keys_value(key, texts[i], &value, err));
        bool fits = cli_builder_append(keys, value, why);
        json_decref(value);
        if (!fits)
            return cli_fail(err, VSS_ERR_INVALID, "key \"%s\": %s", texts[i], why);
    }
    return VSS_OK;
}
