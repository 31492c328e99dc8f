/*
 * kth.h - the k-th smallest of many keys
 */
#ifndef VSSI_KTH_H
#define VSSI_KTH_H

#include <stddef.h>
#include <stdint.h>

/* Of n keys the k-th smallest, 1 <= k <= n; they are overwritten. Linear in n, whatever the keys. */
uint32_t vssi_kth(uint32_t *keys, size_t n, size_t k);

#endif
