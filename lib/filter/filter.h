/*
 * filter.h - a filter text compiled against a schema, evaluated to a bitmap of rows
 *
 * Grammar and three-valued logic are Milvus': a comparison with null is unknown; a row passes when the whole is true.
 * A compiled filter is immutable and may be evaluated by many threads at once.
 */
#ifndef VSSI_FILTER_H
#define VSSI_FILTER_H

#include "../format/column.h"
#include "../format/schema.h"
#include "../format/segment.h"

typedef struct vssi_filter vssi_filter;

/* INVALID points into the text, by its characters: `filter, column 14: field "price" is float64, compared with a
 * string`. Bounded: parentheses (64 deep), the text (1 MiB), the literals of a list (65,536). The filter keeps nothing
 * of the text and needs neither it nor the schema any more. An empty text is INVALID. NO_MEMORY, BUDGET. */
vss_status vssi_filter_compile(vssi_heap *heap, const vssi_schema *schema, const char *text, vssi_filter **out,
                               vss_error *err);
void vssi_filter_free(vssi_filter *filter); /* NULL is fine */

/* A segment as the evaluator sees it. Parts have 4,096 rows (VSSI_FILTER_PART), the last one fewer. */
#define VSSI_FILTER_PART 4096u
typedef struct vssi_filter_source {
    void *state;
    size_t rows;
    /* Part p of a field (index in the schema). */
    vss_status (*column)(void *state, size_t field, size_t part, vss_column *view, vss_error *err);
    /* What is known of a part without reading it. NULL: nothing. */
    vss_status (*zone)(void *state, size_t field, size_t part, vssi_zone *zone, vss_error *err);
} vssi_filter_source;

/* bitmap[words of rows]: bit r is set where row r passes. *passing: bits set. Cost: fields touched x rows; a part whose
 * result is settled by one side of and / or is not read for the other. On failure (NO_MEMORY, BUDGET, the source's) the
 * bitmap means nothing. */
vss_status vssi_filter_rows(const vssi_filter *filter, const vssi_filter_source *source, uint64_t *bitmap,
                            size_t *passing, vss_error *err);

#endif
