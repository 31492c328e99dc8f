/*
 * host_faults.h - what tests do to the runtime of the host
 */
#ifndef VSS_GPU_HOST_FAULTS_H
#define VSS_GPU_HOST_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on the nth call (1: the next) that can fail does, once; 0: none. Returns how many such calls there were
 * since the last time this was called. */
uint64_t vssg_host_fail(uint64_t nth);
/* The card has so much memory. */
void vssg_host_memory(size_t bytes);
/* Bytes of the card's memory in use, and of pinned memory; streams count one each. */
size_t vssg_host_used(void);
/* The order in which threads and blocks run. */
void vssg_host_order(uint32_t order);

#ifdef __cplusplus
}
#endif
#endif
