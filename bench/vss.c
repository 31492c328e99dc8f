/*
 * vss.c - the vss command line tool: finds the command, runs it, answers with its exit code
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage. Every error is one line on stderr. Everything the tool does goes through
 * the library's public interface. Plug-ins with index types are loaded where --plugin or VSS_PLUGINS names them, device
 * libraries where --device-library or VSS_DEVICE_LIBRARIES does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const cli_command *const vss_commands[] = {
    &cli_create, &cli_import, &cli_index, &cli_search, &cli_inspect, &cli_check,
    &cli_delete, &cli_compact, &cli_export, &cli_salvage, &cli_gt, &cli_bench,
};
enum { VSS_COMMANDS = sizeof vss_commands / sizeof vss_commands[0] };

static void vss_print_usage(void)
{
    puts("usage: vss [--plugin FILE] [--device-library FILE[,OPTIONS]] COMMAND ...\n");
    for (size_t i = 0; i < VSS_COMMANDS; i++)
        printf("  %-8s %s\n", vss_commands[i]->name, vss_commands[i]->summary);
    puts("\nvss help COMMAND tells a command's options; vss version, which library is loaded.\n"
         "DB is a directory, DB/COLL a collection in it. --plugin loads a library that brings index types, as\n"
         "./libvss_faiss.so; VSS_PLUGINS may name several, with colons between. --device-library and\n"
         "VSS_DEVICE_LIBRARIES do so for libraries of devices, as ./libvss_gpu.so,memory_mb=8000, which\n"
         "--device cuda then uses.");
}

static const cli_command *vss_find_command(const char *name)
{
    for (size_t i = 0; i < VSS_COMMANDS; i++)
        if (strcmp(vss_commands[i]->name, name) == 0)
            return vss_commands[i];
    return NULL;
}

static int vss_print_help(const char *name)
{
    const cli_command *command = name ? vss_find_command(name) : NULL;
    if (name && !command)
        return cli_usage(NULL, "unknown command \"%s\"", name);
    if (command)
        cli_args_help(command);
    else
        vss_print_usage();
    return CLI_DONE;
}

/* FILE, or FILE,OPTIONS. */
static vss_status vss_load_device(const char *text, vss_error *err)
{
    char *path = cli_copy(text), *options = strchr(path, ',');
    if (options)
        *options++ = '\0';
    vss_status status = vss_device_load(path, options, err);
    free(path);
    return status;
}

/* What is loaded before a command runs. */
static const struct vss_library {
    const char *option, *variable;
    vss_status (*load)(const char *text, vss_error *err);
} vss_libraries[] = {
    {"--plugin", "VSS_PLUGINS", vss_plugin_load},
    {"--device-library", "VSS_DEVICE_LIBRARIES", vss_load_device},
};
enum { VSS_LIBRARIES = sizeof vss_libraries / sizeof vss_libraries[0] };

/* Load those that the environment names. CLI_DONE: all. */
static int vss_load_named(const struct vss_library *library)
{
    const char *names = getenv(library->variable);
    char *copy = names ? cli_copy(names) : NULL, *rest = NULL;
    vss_error err = {0};
    vss_status status = VSS_OK;
    char *one = copy ? strtok_r(copy, ":", &rest) : NULL;
    for (; one && status == VSS_OK; one = strtok_r(NULL, ":", &rest))
        status = library->load(one, &err);
    free(copy);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}

/* The option that a word begins with, NULL for none; *tail: what follows it. */
static const struct vss_library *vss_find_library(const char *word, const char **tail)
{
    for (size_t i = 0; i < VSS_LIBRARIES; i++) {
        size_t size = strlen(vss_libraries[i].option);
        *tail = word + size;
        if (strncmp(word, vss_libraries[i].option, size) == 0)
            return &vss_libraries[i];
    }
    return NULL;
}

/* And those before the command; *taken: words they take. */
static int vss_load_libraries(int argc, char **argv, int *taken)
{
    vss_error err = {0};
    int code = CLI_DONE;
    for (size_t i = 0; i < VSS_LIBRARIES && code == CLI_DONE; i++)
        code = vss_load_named(&vss_libraries[i]);
    for (*taken = 0; code == CLI_DONE && *taken + 1 < argc;) {
        const char *word = argv[*taken + 1], *tail;
        const struct vss_library *library = vss_find_library(word, &tail);
        if (!library)
            break;
        if (*tail != '=' && (*tail || *taken + 2 >= argc))
            return cli_usage(NULL, *tail ? "unknown option %s" : "%s needs a value", word);
        *taken += *tail ? 1 : 2;
        if (library->load(*tail ? tail + 1 : argv[*taken], &err) != VSS_OK)
            code = cli_report(&err);
    }
    return code;
}

static int vss_run(int argc, char **argv)
{
    int taken, loaded = vss_load_libraries(argc, argv, &taken);
    if (loaded != CLI_DONE)
        return loaded;
    argc -= taken;
    argv += taken;
    if (argc < 2)
        return cli_usage(NULL, "no command given");
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return vss_print_help(argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        printf("vss %s (%s)\n", vss_version(), vss_simd_level());
        return CLI_DONE;
    }
    const cli_command *command = vss_find_command(name);
    if (!command)
        return cli_usage(NULL, "unknown command \"%s\"", name);
    cli_args args;
    int code;
    if (cli_args_parse(command, argc - 2, argv + 2, &args, &code))
        code = command->run(&args);
    cli_args_free(&args);
    return code;
}

int main(int argc, char **argv)
{
    int code = vss_run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_refuse("standard output: %s", strerror(errno));
    return code;
}
