/*
 * door.h - what every public function does first
 */
#ifndef VSSI_DOOR_H
#define VSSI_DOOR_H

#include "../collection/collection.h"

/* Return INVALID, naming the function and the argument, when it is NULL. */
#define DOOR_NEED(function, argument)                                                                   \
    do {                                                                                                \
        if ((argument) == NULL)                                                                         \
            return vssi_fail(err, VSS_ERR_INVALID, "%s: %s is NULL", function, #argument);              \
    } while (0)

/* The handle is this process' own. */
vss_status vssi_door_db(const vss_db *db, vss_error *err);

/* A collection's name. */
vss_status vssi_door_name(const char *name, vss_error *err);

/*
 * Read a struct of the caller's, who may know fewer or more fields than this library: what is missing is 0; what is
 * unknown must be 0, else UNSUPPORTED. from NULL: all 0. The first field is struct_size.
 */
vss_status vssi_door_struct(const char *what, void *to, size_t size, const void *from, vss_error *err);

/* Write a struct back as far as the caller knows it. */
void vssi_door_return(const void *from, void *to);

/* A column the caller gave: type known, sizes within reason, pointers there. */
vss_status vssi_door_column(const char *what, const vss_column *from, vss_column *to, vss_error *err);

#endif
