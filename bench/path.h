/*
 * path.h - DB/COLL: opening the collection that a command line names, and finding its fields
 */
#ifndef CLI_PATH_H
#define CLI_PATH_H

#include <stdbool.h>

#include "vss.h"

/* A collection and the database it is in. */
typedef struct cli_target {
    char *db_path;
    char *name;
    vss_db *db;
    vss_collection *col;
} cli_target;

/* Split at the last slash: "a/b/packages" is collection packages in a/b. False: either part is missing, and a line
 * about it has been printed. cli_target_close releases it. */
bool cli_target_split(const char *command, const char *path, cli_target *target);
/* Open the database, then the collection. */
vss_status cli_target_open_db(cli_target *target, vss_open_mode mode, vss_error *err);
vss_status cli_target_open(cli_target *target, vss_open_mode mode, vss_error *err);
/* Close both. status is how the work went: a failure before is kept, with its line in err. */
vss_status cli_target_close(cli_target *target, vss_status status, vss_error *err);

const vss_field *cli_schema_key(const vss_schema *schema);
const vss_field *cli_schema_find(const vss_schema *schema, const char *name); /* NULL: none */
/* The vector field of that name, or the only one when name is NULL. NOT_FOUND, INVALID. */
vss_status cli_schema_vector(const vss_schema *schema, const char *name, const vss_field **field, vss_error *err);

/* The metric of a name: NONE where it names none of l2, ip, cosine, hamming, jaccard. */
vss_metric cli_metric_parse(const char *name);

#endif
