/*
 * segment_check.c - every byte and every inner reference of a sealed segment
 *
 * Cost: hashes all bytes, decodes every column part once more, looks every key up, computes every norm. Keeps nothing
 * in memory but a part at a time. No locks.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "segment_private.h"

typedef struct segment_check {
    vssi_segment *s;
    vssi_fault_fn fn;
    void *state;
    uint64_t faults;
} segment_check;

__attribute__((format(printf, 2, 3))) static void segment_fault(segment_check *c, const char *format, ...)
{
    char line[500];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->faults++;
    if (c->fn != NULL)
        c->fn(c->state, c->s->object->name, line);
}

static void segment_check_column(segment_check *c, size_t field)
{
    const vssi_field *def = &c->s->schema->fields[field];
    for (size_t p = 0; p < vssi_segment_parts(c->s); p++) {
        vss_error err = {0};
        vssi_column *column;
        vssi_zone stored;
        if (vssi_segment_decode(c->s, field, p, &column, &err) != VSS_OK ||
            vssi_segment_zone(c->s, field, p, &stored, &err) != VSS_OK) {
            segment_fault(c, "%s", err.message);
            continue;
        }
        const vssi_zone found = vssi_column_part_zone(&column->view);
        if (!vssi_zone_equal(&stored, &found, def->type))
            segment_fault(c, "field \"%s\": part %zu: nulls, least or greatest value are wrong", def->name, p);
        vssi_column_free(column);
    }
}

static void segment_check_keys(segment_check *c)
{
    vssi_segment *s = c->s;
    const char *name = s->schema->fields[s->schema->key].name;
    vss_error err = {0};
    if (vssi_segment_keys_ready(s, &err) != VSS_OK) {
        segment_fault(c, "%s", err.message);
        return;
    }
    const char *wrong = vssi_segment_keys_wrong(s, 0, s->rows);
    if (wrong != NULL || (s->text_keys && (s->offsets[0] != 0 || (uint64_t)s->offsets[s->rows] != s->texts_size))) {
        segment_fault(c, "field \"%s\": %s", name, wrong != NULL ? wrong : "there are bytes of no key");
        return;
    }
    size_t lost = 0;
    for (size_t row = 0; row < s->rows; row++) {
        const vssi_key key = vssi_segment_key(s, row);
        lost += vssi_segment_find(s, &key) != row;
    }
    if (lost > 0)
        segment_fault(c, "field \"%s\": the key table doesn't find %zu of %zu keys", name, lost, s->rows);
}

static void segment_check_vectors(segment_check *c, size_t field)
{
    const vssi_field *def = &c->s->schema->fields[field];
    const void *vectors;
    const float *norms;
    double greatest;
    size_t odd = 0, wrong = 0;
    vss_error err = {0};
    if (vssi_segment_vectors(c->s, field, &vectors, &norms, &greatest, &err) != VSS_OK) {
        segment_fault(c, "%s", err.message);
        return;
    }
    for (size_t row = 0; row < c->s->rows; row++) {
        double length;
        const float norm = vssi_segment_norm(def, vectors, row, &length);
        odd += !isfinite(length) || length > greatest;
        wrong += norms != NULL && !(norms[row] == norm);
    }
    if (odd > 0)
        segment_fault(c, "field \"%s\": %zu vectors are not finite or longer than the greatest norm", def->name, odd);
    if (wrong > 0)
        segment_fault(c, "field \"%s\": %zu norms are not those of their vectors", def->name, wrong);
}

uint64_t vssi_segment_check(vssi_segment *segment, vssi_fault_fn fn, void *state)
{
    segment_check c = {.s = segment, .fn = fn, .state = state};
    if (segment->object == NULL)
        return 0;
    c.faults = vssi_object_check(segment->object, fn, state);
    if (c.faults > 0)
        return c.faults; /* what damaged bytes say is of no interest */
    for (size_t f = 0; f < segment->n_fields; f++) {
        if (f == segment->schema->key)
            segment_check_keys(&c);
        else if (vssi_type_is_vector(segment->schema->fields[f].type))
            segment_check_vectors(&c, f);
        else
            segment_check_column(&c, f);
    }
    return c.faults;
}
