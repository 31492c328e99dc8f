/*
 * limits.h - what one value may be at most (docs/format.md, limits); checked when it is written and when it is read
 */
#ifndef VSSI_LIMITS_H
#define VSSI_LIMITS_H

#define VSSI_TEXT_MAX 65535u  /* bytes of a string or a JSON text */
#define VSSI_ARRAY_MAX 4096u  /* elements of an array */

#endif
