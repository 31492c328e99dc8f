/*
 * exact.c - the distances that are returned: float64 in one fixed order, the same bits on every machine
 *
 * Component i is added to lane i % 8; the lanes are added in pairs. No sum is reordered and no product fused (the
 * project compiles with -ffp-contract=off), so a compiler may use any vector width. Cost: one multiplication and
 * addition a component, 2 to 8 at once.
 */
#include <float.h>
#include <string.h>

#include "simd.h"

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "libvss needs a floating point unit that rounds every operation to its type"
#endif

#define EXACT_LANES 8

static inline double exact_load(const float *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return (double)value;
}

static double exact_join(const double *lane)
{
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double vssi_exact_l2_f32(const float *a, const float *b, size_t dim)
{
    double lane[EXACT_LANES] = {0};
    size_t whole = dim - dim % EXACT_LANES;
    for (size_t i = 0; i < whole; i += EXACT_LANES) {
        for (size_t j = 0; j < EXACT_LANES; j++) {
            double difference = exact_load(a + i + j) - exact_load(b + i + j);
            lane[j] += difference * difference;
        }
    }
    for (size_t i = whole; i < dim; i++) {
        double difference = exact_load(a + i) - exact_load(b + i);
        lane[i - whole] += difference * difference;
    }
    return exact_join(lane);
}

double vssi_exact_ip_f32(const float *a, const float *b, size_t dim)
{
    double lane[EXACT_LANES] = {0};
    size_t whole = dim - dim % EXACT_LANES;
    for (size_t i = 0; i < whole; i += EXACT_LANES) {
        for (size_t j = 0; j < EXACT_LANES; j++)
            lane[j] += exact_load(a + i + j) * exact_load(b + i + j);
    }
    for (size_t i = whole; i < dim; i++)
        lane[i - whole] += exact_load(a + i) * exact_load(b + i);
    return exact_join(lane);
}
