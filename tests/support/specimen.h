/*
 * specimen.h - small collections with something of everything, as files in an archive
 *
 * Deterministic: the random part of the objects' names is replaced by a number. A failure of the library ends the
 * program with its line.
 */
#ifndef SPECIMEN_H
#define SPECIMEN_H

#include "archive.h"
#include "vss.h"

typedef enum specimen_kind {
    SPECIMEN_NUMBERS = 0, /* int64 keys; every scalar type, arrays, nulls; l2 and cosine fields; 3 segments, deletes */
    SPECIMEN_TEXTS = 1,   /* string keys, a cosine and an ip field; 2 segments, deletes */
    SPECIMEN_INDEXED = 2, /* int64 keys, a number, an l2 field; hnsw over 4,200 rows, and 13 scanned; deletes */
    SPECIMEN_TINY = 3,    /* one segment of a key, a text and a vector: the least that is a collection */
    SPECIMEN_CODED = 4,   /* int64 keys, a number, an ip field; flat with codes and a prefix, else as INDEXED */
    SPECIMEN_LISTS = 5,   /* the same with ivf_rabitq over a cosine field */
    SPECIMEN_PRODUCTS = 6, /* with ivf_pq over an l2 field */
    SPECIMEN_NIBBLES = 7, /* with hnsw on codes of half a byte over a cosine field */
    SPECIMEN_HALVES = 8,  /* with hnsw on codes of two bytes over an ip field */
    SPECIMEN_KINDS
} specimen_kind;

/* Name of the collection; also its folder in the archive. */
const char *specimen_name(specimen_kind kind);
const char *specimen_schema(specimen_kind kind); /* JSON */
/* Overwrites out. Files that the newest version does not name are left out. */
void specimen_make(specimen_kind kind, archive *out);

/* Create a collection of a schema in JSON. */
vss_collection *specimen_create(vss_db *db, const char *name, const char *schema_json);
/* Insert rows first to first + n - 1: every field's values follow from the row's number; a nullable one is null in
 * every fifth row from the third; the key is the number, as text "k0007". */
void specimen_insert(vss_collection *col, int64_t first, size_t n);
/* Component i of row r's vector, in (-1, 1). */
float specimen_component(int64_t row, uint32_t i);

#endif
