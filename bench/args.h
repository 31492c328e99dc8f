/*
 * args.h - the words and options after a command's name
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option. A table of them ends with a name of NULL. */
typedef struct cli_option {
    const char *name;  /* without dashes; one letter is written -k */
    const char *value; /* what the help calls its value; NULL: the option takes none */
    const char *help;
    bool repeats;
} cli_option;

typedef struct cli_args cli_args;

typedef struct cli_command {
    const char *name;
    const char *synopsis; /* what follows the name */
    const char *summary;
    size_t min_words, max_words; /* beside the options */
    const cli_option *options;
    int (*run)(const cli_args *args); /* returns the exit code */
    void (*more_help)(void);          /* NULL: none */
} cli_command;

typedef struct cli_given {
    const cli_option *option;
    const char *text;
} cli_given;

/* What was given; texts are borrowed from argv. */
struct cli_args {
    const cli_command *command;
    size_t n_words;
    const char **words; /* [n_words] */
    size_t n_given;
    cli_given *given;   /* [n_given] */
};

/* Read argv[0..argc) by the command's table. False: there is nothing more to do, help or one line about the mistake
 * has been printed, and *code is the exit code. Either way cli_args_free. */
bool cli_args_parse(const cli_command *command, int argc, char **argv, cli_args *args, int *code);
void cli_args_free(cli_args *args);

bool cli_args_has(const cli_args *args, const char *name);
size_t cli_args_count(const cli_args *args, const char *name);
/* The i-th value given for the option; NULL past the last. */
const char *cli_args_nth(const cli_args *args, const char *name, size_t i);
const char *cli_args_text(const cli_args *args, const char *name);
/* All values of an option, joined by commas; NULL: not given. The caller frees it. */
char *cli_args_joined(const cli_args *args, const char *name);
/* A whole number between min and max; absent: *value stays. False: a line about it has been printed. */
bool cli_args_number(const cli_args *args, const char *name, uint64_t min, uint64_t max, uint64_t *value);
/* A number, infinities included; absent: *value stays. False: a line about it has been printed. */
bool cli_args_real(const cli_args *args, const char *name, float *value);

/* The help of one command, on stdout. */
void cli_args_help(const cli_command *command);

#endif
