/*
 * table.c - prints columns of text, each as wide as its widest cell
 *
 * Widths are counted in code points, which is what a terminal shows for most text.
 */
#include "table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { TABLE_CELL = 72 };

static bool table_begins_character(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

static size_t table_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += table_begins_character(*text);
    return width;
}

/* Make the text fit a cell: no control characters, at most TABLE_CELL characters. */
static void table_tidy(char *text)
{
    size_t width = 0;
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
        width += table_begins_character(*p);
        if (width > TABLE_CELL) {
            memcpy(p - (p - text >= 3 ? 3 : 0), "...", 3);
            *p = 0;
            return;
        }
    }
}

static void table_push(cli_table *table, char *text)
{
    if (table->n_cells == table->room) {
        table->room = table->room ? 2 * table->room : 64;
        table->cells = cli_resize(table->cells, table->room, sizeof(char *));
    }
    table->cells[table->n_cells++] = text;
}

void cli_table_begin(cli_table *table, const char *const *heads, size_t n_columns)
{
    *table = (cli_table){.n_columns = n_columns};
    for (size_t c = 0; c < n_columns; c++)
        table_push(table, cli_copy(heads[c]));
}

void cli_table_add(cli_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    int size = vasprintf(&text, format, list);
    va_end(list);
    if (size < 0)
        text = cli_copy("");
    table_tidy(text);
    table_push(table, text);
}

static void table_print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    int pad = (int)(width - table_width(text));
    if (right)
        fprintf(out, "%*s%s", pad, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", out);
}

void cli_table_print(cli_table *table, FILE *out)
{
    size_t n = table->n_columns;
    size_t *widths = cli_alloc(n, sizeof *widths);
    bool *right = cli_alloc(n, sizeof *right);
    for (size_t c = 0; c < n; c++) {
        right[c] = table->cells[c][0] == '>';
        if (right[c])
            memmove(table->cells[c], table->cells[c] + 1, strlen(table->cells[c]));
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t width = table_width(table->cells[i]);
        if (width > widths[i % n])
            widths[i % n] = width;
    }
    for (size_t i = 0; i < table->n_cells; i++)
        table_print_cell(out, table->cells[i], widths[i % n], right[i % n], i % n == n - 1);
    free(widths);
    free(right);
    cli_table_free(table);
}

void cli_table_free(cli_table *table)
{
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (cli_table){0};
}

const char *cli_table_count(uint64_t number, char *out)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    char *to = out;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return out;
}

const char *cli_table_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
