/*
 * library.h - load a shared library that the host names
 */
#ifndef VSSI_LIBRARY_H
#define VSSI_LIBRARY_H

#include "fail.h"

/* The address of a function of the shared library at path, which stays loaded for good. NOT_FOUND with the loader's
 * line; INVALID where it has no such function. */
vss_status vssi_library_function(const char *path, const char *name, void (**out)(void), vss_error *err);

#endif
