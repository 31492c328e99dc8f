/*
 * beside.h - blocks whose 256 threads run side by side on this machine, so that ThreadSanitizer sees what races
 *
 * For tests alone (VSS_GPU_BESIDE): the barriers are where the card has them, and sums over lanes wait for those lanes
 * only. A launch starts its threads and ends them, and runs the blocks of the grid one after another: two blocks that
 * race are not shown. Some milliseconds a phase. Launches of several threads may be under way at once.
 */
#ifndef VSS_GPU_BESIDE_H
#define VSS_GPU_BESIDE_H

#include <cstdint>

namespace vssg {

extern thread_local uint32_t beside_thread; /* of the block */

/* Until all threads of the block are here. */
void beside_wait();
/* n numbers of each of so many threads side by side become their sums. */
void beside_sums(uint32_t lanes, uint32_t *numbers, uint32_t n);
/* Call run(job, i) on all threads for each i below the number of blocks. */
void beside_launch(uint64_t blocks, void (*run)(const void *job, uint64_t i), const void *job);

} // namespace vssg

#endif
