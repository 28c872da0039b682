/* darwin_mach.h - the part of darwin.h that only macOS has: zones, dyld's images. */
#ifndef CR_DARWIN_SDK_MACH_H
#define CR_DARWIN_SDK_MACH_H

#include "darwin_system.h"

/* ---- malloc/malloc.h ---- */

typedef struct _malloc_zone_t malloc_zone_t;
malloc_zone_t *malloc_default_zone(void);
malloc_zone_t *malloc_zone_from_ptr(const void *block);
size_t malloc_size(const void *block);
void malloc_destroy_zone(malloc_zone_t *zone);
void *malloc_zone_malloc(malloc_zone_t *zone, size_t bytes);
void *malloc_zone_calloc(malloc_zone_t *zone, size_t count, size_t bytes);
void *malloc_zone_valloc(malloc_zone_t *zone, size_t bytes);
void *malloc_zone_realloc(malloc_zone_t *zone, void *block, size_t bytes);
void *malloc_zone_memalign(malloc_zone_t *zone, size_t align, size_t bytes);
void malloc_zone_free(malloc_zone_t *zone, void *block);
unsigned malloc_zone_batch_malloc(malloc_zone_t *zone, size_t bytes, void **results, unsigned count);
void malloc_zone_batch_free(malloc_zone_t *zone, void **blocks, unsigned count);

#endif
