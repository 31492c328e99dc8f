/*
 * points.h - points of a grid of bytes in the card's memory, and centers, which are such points
 *
 * A byte less 128 is a whole number of at most 8 bits: bfloat16 holds it, and float32 the product of two, without
 * error. |byte - 128| is at most 128, so a sum of 1,024 products is at most 2^24, whatever is added first: whole
 * numbers that float32 holds. Longer points are multiplied in parts of POINT_PART components.
 */
#ifndef VSS_GPU_POINTS_H
#define VSS_GPU_POINTS_H

#include "numbers.h"

namespace vssg {

constexpr uint32_t POINT_SIZE = 32832; /* bytes, at most */
constexpr uint32_t POINT_PART = 1024;

struct Points {
    uint16_t *halves;  /* [n][padded]: bfloat16 of byte - 128, filled up with zeros */
    uint32_t *squares; /* [n]: sum (byte - 128)^2 */
    uint64_t n;
    uint32_t size, padded; /* padded: a multiple of 8 */
};

} // namespace vssg

#endif
