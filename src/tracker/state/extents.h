/* extents.h - which placed block (events/placement.h) an address lies in: live ones, and freed ones in quarantine.
 *
 * The block table knows where blocks start. From an address, the nearest start before it is at most 64 granules away, or the 1 KiB
 * cell that the address lies in has a hint: how far before the cell the block starts that reaches into it. Hints are written for
 * blocks that reach over a cell's start and never taken back; what they lead to is looked at. Where freed blocks start, and their
 * size, is kept beside the region's index.
 *
 * Finding takes no lock but where two regions of the block table share an entry of its front. A block that another thread frees
 * meanwhile may be found as live, freed or not at all. */
#ifndef CR_STATE_EXTENTS_H
#define CR_STATE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_EXTENT_CELL_SHIFT 10
#define CR_EXTENT_MOST ((size_t)64 << 20) /* of larger blocks, addresses further in are not found */

/* A block came to be, or was freed and stays in quarantine, or has left it. */
void cr_extent_live(uintptr_t block, size_t size);
void cr_extent_freed(uintptr_t block, size_t size);
void cr_extent_gone(uintptr_t block);

/* Asks for the memory that cr_extent_gone and the next block at this address will touch. */
void cr_extent_prefetch(uintptr_t block);

enum cr_extent_state { CR_EXTENT_NONE, CR_EXTENT_LIVE, CR_EXTENT_FREED };
struct cr_extent {
    enum cr_extent_state state;
    uintptr_t block;
    size_t size;     /* of a freed block: rounded up to 16 */
    uint32_t record; /* of a live one */
};

/* The block at an address, red zones included. */
struct cr_extent cr_extent_find(uintptr_t address);

#endif
