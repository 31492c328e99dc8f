/*
 * carve.h - one block of memory divided into places, each at a whole multiple of CARVE_WHOLE bytes
 */
#ifndef VSS_GPU_CARVE_H
#define VSS_GPU_CARVE_H

#include <cstddef>
#include <cstdint>

namespace vssg {

constexpr uint64_t CARVE_WHOLE = 256;

/* n, rounded up to a multiple. */
inline uint64_t whole_up(uint64_t n, uint64_t whole = CARVE_WHOLE) { return (n + whole - 1) / whole * whole; }

/* The place of so many bytes at *at, which moves behind it. */
inline size_t carve(size_t *at, uint64_t bytes)
{
    const size_t here = *at;
    *at = whole_up(here + bytes);
    return here;
}

/* What lies at a place of the memory. */
template <class Type> Type *carved(void *memory, size_t place)
{
    return reinterpret_cast<Type *>(static_cast<char *>(memory) + place);
}

} // namespace vssg

#endif
