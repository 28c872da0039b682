/* arena.h - the tracker's own memory, straight from the system, never given back.
 *
 * Everything the tracker keeps lives here or in a mapping of its own, so the program's heap is never touched. Lock: arena, the
 * innermost. Not for signal handlers. */
#ifndef CR_SERVICES_ARENA_H
#define CR_SERVICES_ARENA_H

#include <stddef.h>

#include "base/lock.h"

/* Zeroed memory aligned to `align` (a power of two up to 4096), or NULL. */
void *cr_arena_alloc(size_t bytes, size_t align);

extern struct cr_lock cr_arena_lock;

#endif
