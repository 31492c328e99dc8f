/*
 * args.c - reads a command line by a table of options
 *
 * "--name value", "--name=value", "-k 10" and "-k10" are all understood; "--" ends the options. A mistake is one line
 * on stderr and exit code 2.
 */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const cli_option args_common[] = {
    {"json", NULL, "print JSON, one object a line", false},
    {"help", NULL, "print this help", false},
    {NULL, NULL, NULL, false},
};

static const char *args_dashes(const char *name) { return name[1] ? "--" : "-"; }

static const cli_option *args_find_in(const cli_option *table, const char *name, size_t size)
{
    for (; table->name; table++)
        if (strlen(table->name) == size && memcmp(table->name, name, size) == 0)
            return table;
    return NULL;
}

static const cli_option *args_find(const cli_command *command, const char *name, size_t size)
{
    const cli_option *option = args_find_in(command->options, name, size);
    return option ? option : args_find_in(args_common, name, size);
}

/* Take the option at argv[*i], and its value, which may be the next word. */
static int args_take(cli_args *args, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *name = word + 1, *value = NULL;
    size_t size = 1;
    if (word[1] == '-') {
        name = word + 2;
        size = strcspn(name, "=");
        value = name[size] ? name + size + 1 : NULL;
    } else if (word[2]) {
        value = word + 2;
    }
    const cli_command *command = args->command;
    const cli_option *option = args_find(command, name, size);
    if (!option || (word[1] == '-') != (option->name[1] != 0))
        return cli_usage(command->name, "%s: unknown option %s", command->name, word);
    if (!option->value && value)
        return cli_usage(command->name, "%s takes no value", option->name);
    if (option->value && !value) {
        if (*i + 1 >= argc)
            return cli_usage(command->name, "%s%s needs a value", args_dashes(option->name), option->name);
        value = argv[++*i];
    }
    if (!option->repeats && cli_args_has(args, option->name))
        return cli_usage(command->name, "%s%s is given twice", args_dashes(option->name), option->name);
    args->given[args->n_given++] = (cli_given){option, value};
    return CLI_DONE;
}

bool cli_args_parse(const cli_command *command, int argc, char **argv, cli_args *args, int *code)
{
    size_t room = argc > 0 ? (size_t)argc : 0;
    *args = (cli_args){command, 0, cli_alloc(room, sizeof(char *)), 0, cli_alloc(room, sizeof(cli_given))};
    *code = CLI_DONE;
    bool options = true;
    for (int i = 0; i < argc && *code == CLI_DONE; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1])
            *code = args_take(args, argc, argv, &i);
        else
            args->words[args->n_words++] = argv[i];
    }
    if (*code != CLI_DONE)
        return false;
    if (cli_args_has(args, "help")) {
        cli_args_help(command);
        return false;
    }
    if (args->n_words < command->min_words)
        *code = cli_usage(command->name, "%s: too few arguments", command->name);
    else if (args->n_words > command->max_words)
        *code = cli_usage(command->name, "%s: unexpected argument \"%s\"", command->name,
                          args->words[command->max_words]);
    return *code == CLI_DONE;
}

void cli_args_free(cli_args *args)
{
    free(args->words);
    free(args->given);
    *args = (cli_args){0};
}

const char *cli_args_nth(const cli_args *args, const char *name, size_t i)
{
    for (size_t g = 0; g < args->n_given; g++)
        if (strcmp(args->given[g].option->name, name) == 0 && i-- == 0)
            return args->given[g].text;
    return NULL;
}

size_t cli_args_count(const cli_args *args, const char *name)
{
    size_t count = 0;
    for (size_t g = 0; g < args->n_given; g++)
        count += strcmp(args->given[g].option->name, name) == 0;
    return count;
}

bool cli_args_has(const cli_args *args, const char *name) { return cli_args_count(args, name) > 0; }

const char *cli_args_text(const cli_args *args, const char *name) { return cli_args_nth(args, name, 0); }

char *cli_args_joined(const cli_args *args, const char *name)
{
    char *joined = NULL;
    for (size_t i = 0; i < cli_args_count(args, name); i++) {
        char *longer = cli_format("%s%s%s", joined ? joined : "", joined ? "," : "", cli_args_nth(args, name, i));
        free(joined);
        joined = longer;
    }
    return joined;
}

bool cli_args_number(const cli_args *args, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *text = cli_args_text(args, name);
    if (!text)
        return true;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < min || number > max) {
        cli_usage(args->command->name, "%s%s %s: expected a whole number from %llu to %llu", args_dashes(name), name,
                  text, (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *value = number;
    return true;
}

bool cli_args_real(const cli_args *args, const char *name, float *value)
{
    const char *text = cli_args_text(args, name);
    if (!text)
        return true;
    char *end = NULL;
    float number = strtof(text, &end);
    if (end == text || *end || isnan(number)) {
        cli_usage(args->command->name, "%s%s %s: expected a number", args_dashes(name), name, text);
        return false;
    }
    *value = number;
    return true;
}

static void args_help_table(const cli_option *table)
{
    for (; table->name; table++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s", args_dashes(table->name), table->name, table->value ? " " : "",
                 table->value ? table->value : "");
        printf("  %-22s %s\n", left, table->help);
    }
}

void cli_args_help(const cli_command *command)
{
    printf("usage: vss %s %s\n\n%s\n\n", command->name, command->synopsis, command->summary);
    args_help_table(command->options);
    args_help_table(args_common);
    if (command->more_help)
        command->more_help();
}
