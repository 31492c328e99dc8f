/*
 * manifest_private.h - what encoding and decoding a manifest share
 */
#ifndef VSSI_MANIFEST_PRIVATE_H
#define VSSI_MANIFEST_PRIVATE_H

#include "manifest.h"

#define VSSI_MANIFEST_MAGIC "\x89VSM\r\n\x1a\n"
#define VSSI_MANIFEST_MAGIC_SIZE 8u
#define VSSI_MANIFEST_HEAD 80u        /* bytes up to the schema */
#define VSSI_MANIFEST_DROPPED 1u      /* a flag */
#define VSSI_MANIFEST_MODELS 1u       /* of the refuse mask: models follow the pairs */

/* Bytes that one of these takes at least: what bounds a count before anything is allocated. */
#define VSSI_MANIFEST_REF_MIN 26u     /* kind, a name of one byte, size, tail size, tail hash */
#define VSSI_MANIFEST_SEGMENT_MIN (16u + VSSI_MANIFEST_REF_MIN + 5u)
#define VSSI_MANIFEST_INDEX_MIN (4u + VSSI_MANIFEST_REF_MIN)
#define VSSI_MANIFEST_DEFINITION_MIN 13u /* field, a type of one byte, params */
#define VSSI_MANIFEST_MODEL_MIN (4u + VSSI_MANIFEST_REF_MIN)
#define VSSI_MANIFEST_PAIR_MIN 9u     /* a key of one byte, value */

#define VSSI_MANIFEST_TYPE_MAX 64u    /* bytes of an index type's name */
#define VSSI_MANIFEST_PARAMS_MAX 4096u

#endif
