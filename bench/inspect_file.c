/*
 * inspect_file.c - prints what one stored file says, and whether the newest manifest of its collection knows it so
 *
 * The file is mapped and given to the library. A file in COLL/s, COLL/i or COLL/d is looked up in the newest manifest
 * in COLL/m, which holds the hash of its directory.
 */
#include "inspect_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_out.h"
#include "table.h"
#include "tool.h"

enum { INSPECT_DIGITS = 20, INSPECT_COLUMNS = 32 };

typedef struct inspect_bytes {
    const void *data;
    size_t size;
} inspect_bytes;

bool cli_inspect_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static vss_status inspect_open(const char *path, inspect_bytes *bytes, vss_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && fstat(fd, &info) == 0;
    *bytes = (inspect_bytes){NULL, good ? (size_t)info.st_size : 0};
    if (good && bytes->size > 0) {
        void *data = mmap(NULL, bytes->size, PROT_READ, MAP_PRIVATE, fd, 0);
        good = data != MAP_FAILED;
        bytes->data = good ? data : NULL;
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return good ? VSS_OK : cli_fail(err, VSS_ERR_IO, "%s: %s", path, strerror(reason));
}

static void inspect_close(inspect_bytes *bytes)
{
    if (bytes->data)
        munmap((void *)(uintptr_t)bytes->data, bytes->size);
}

/* ---- values ---- */

/* Things of one group are printed together: file as lines, the others as a table. */
typedef struct inspect_out {
    bool as_json, lines;      /* lines: of the group "file" */
    char *group;
    uint64_t number;
    bool open;                /* a JSON object is begun */
    cli_json json;
    size_t n_heads;
    char *heads[INSPECT_COLUMNS];
    size_t n_cells, room;
    char **cells;
    char *tail_hash;          /* of the file, where it has one */
} inspect_out;

static void inspect_flush(inspect_out *out)
{
    cli_table table;
    if (out->open)
        cli_json_end(&out->json);
    out->open = false;
    if (out->n_heads > 0) {
        printf("\n%ss\n", out->group);
        cli_table_begin(&table, (const char *const *)out->heads, out->n_heads);
        for (size_t i = 0; i < out->n_cells; i++)
            cli_table_add(&table, "%s", out->cells[i]);
        cli_table_print(&table, stdout);
    }
    for (size_t i = 0; i < out->n_heads; i++)
        free(out->heads[i]);
    for (size_t i = 0; i < out->n_cells; i++)
        free(out->cells[i]);
    free(out->cells);
    free(out->group);
    out->group = NULL;
    out->cells = NULL;
    out->n_heads = out->n_cells = out->room = 0;
}

static void inspect_json(inspect_out *out, const vss_inspect_value *value)
{
    if (out->open && (out->number != value->number || strcmp(out->group, value->group) != 0))
        inspect_flush(out);
    if (!out->open) {
        out->group = cli_copy(value->group);
        out->number = value->number;
        out->open = true;
        cli_json_begin(&out->json, stdout);
        cli_json_text(&out->json, "group", value->group);
        cli_json_count(&out->json, "number", value->number);
    }
    if (value->is_number)
        cli_json_raw(&out->json, value->name, value->text);
    else
        cli_json_text(&out->json, value->name, value->text);
}

static void inspect_cell(inspect_out *out, const vss_inspect_value *value)
{
    if (out->group && strcmp(out->group, value->group) != 0)
        inspect_flush(out);
    if (!out->group)
        out->group = cli_copy(value->group);
    if (value->number == 0 && out->n_heads < INSPECT_COLUMNS)
        out->heads[out->n_heads++] = cli_format("%s%s", value->is_number ? ">" : "", value->name);
    if (out->n_cells == out->room) {
        out->room = out->room * 2 + 64;
        out->cells = cli_resize(out->cells, out->room, sizeof *out->cells);
    }
    out->cells[out->n_cells++] = cli_copy(value->text);
}

static int inspect_value(void *state, const vss_inspect_value *value)
{
    inspect_out *out = state;
    const bool file = strcmp(value->group, "file") == 0;
    if (file && strcmp(value->name, "tail_hash") == 0)
        out->tail_hash = cli_copy(value->text);
    if (out->as_json)
        inspect_json(out, value);
    else if (file)
        printf("%-14s %s\n", value->name, value->text);
    else
        inspect_cell(out, value);
    return 0;
}

/* ---- what the manifest says ---- */

typedef struct inspect_wanted {
    const char *name; /* "s/..." */
    bool here, known;
    char tail_hash[32];
} inspect_wanted;

static int inspect_reference(void *state, const vss_inspect_value *value)
{
    inspect_wanted *wanted = state;
    if (strcmp(value->group, "reference") != 0)
        return 0;
    if (strcmp(value->name, "name") == 0)
        wanted->here = strcmp(value->text, wanted->name) == 0;
    if (wanted->here && strcmp(value->name, "tail_hash") == 0) {
        wanted->known = true;
        snprintf(wanted->tail_hash, sizeof wanted->tail_hash, "%s", value->text);
    }
    return wanted->known;
}

/* The newest manifest beside the file's folder; NULL: there is none. */
static char *inspect_newest(const char *collection)
{
    char newest[INSPECT_DIGITS + 1] = "";
    char *folder = cli_format("%s/m", collection);
    DIR *entries = opendir(folder);
    for (const struct dirent *entry; entries && (entry = readdir(entries)) != NULL;)
        if (strspn(entry->d_name, "0123456789") == INSPECT_DIGITS && entry->d_name[INSPECT_DIGITS] == '\0' &&
            strcmp(entry->d_name, newest) > 0)
            memcpy(newest, entry->d_name, sizeof newest);
    if (entries)
        closedir(entries);
    char *path = newest[0] ? cli_format("%s/%s", folder, newest) : NULL;
    free(folder);
    return path;
}

/* "ok", "damaged" or "not named"; NULL: the file does not lie in a collection. */
static const char *inspect_known(const char *path, const char *tail_hash)
{
    char *real = realpath(path, NULL), *manifest = NULL, *name = NULL;
    const char *answer = NULL;
    char *leaf = real ? strrchr(real, '/') : NULL, *folder = NULL;
    if (leaf) {
        *leaf = '\0';
        folder = strrchr(real, '/');
    }
    if (folder && strchr("sid", folder[1]) && folder[1] && !folder[2]) {
        name = cli_format("%s/%s", folder + 1, leaf + 1);
        *folder = '\0';
        manifest = inspect_newest(real);
    }
    if (manifest) {
        inspect_wanted wanted = {.name = name};
        inspect_bytes bytes;
        vss_error err;
        if (inspect_open(manifest, &bytes, &err) == VSS_OK) {
            if (vss_file_inspect(manifest, bytes.data, bytes.size, inspect_reference, &wanted, &err) == VSS_OK)
                answer = !wanted.known ? "not named" : strcmp(wanted.tail_hash, tail_hash) == 0 ? "ok" : "damaged";
            inspect_close(&bytes);
        }
    }
    free(manifest);
    free(name);
    free(real);
    return answer;
}

int cli_inspect_file(const char *path, bool as_json)
{
    inspect_out out = {.as_json = as_json};
    inspect_bytes bytes;
    vss_error err = {0};
    vss_status status = inspect_open(path, &bytes, &err);
    if (status == VSS_OK)
        status = vss_file_inspect(path, bytes.data, bytes.size, inspect_value, &out, &err);
    inspect_flush(&out);
    inspect_close(&bytes);
    const char *known = out.tail_hash ? inspect_known(path, out.tail_hash) : NULL;
    if (known && as_json) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_text(&json, "group", "manifest");
        cli_json_text(&json, "tail", known);
        cli_json_end(&json);
    } else if (known) {
        printf("\nthe newest manifest on its directory: %s\n", known);
    }
    free(out.tail_hash);
    if (status == VSS_OK && known && strcmp(known, "damaged") == 0)
        status = cli_fail(&err, VSS_ERR_CORRUPT, "%s: its directory is not what the newest manifest says", path);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}
