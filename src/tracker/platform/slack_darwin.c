/* slack_darwin.c - what the allocator made of the blocks it gave, on macOS. */
#include <malloc/malloc.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "base/banned.h"

void cr_os_find_slack(uintptr_t allocating) { (void)allocating; }

/* What malloc makes of such a size. malloc_size would take locks of the block's zone, which a stopped thread may hold. */
uint64_t cr_os_usable_bytes(void *block, uint64_t size)
{
    (void)block;
    return malloc_good_size(size);
}

bool cr_os_heap_bytes(uint64_t *from_system, uint64_t *unused)
{
    malloc_statistics_t totals = {.size_allocated = 0};
    malloc_zone_statistics(NULL, &totals);
    *from_system = totals.size_allocated;
    *unused = totals.size_allocated > totals.size_in_use ? totals.size_allocated - totals.size_in_use : 0;
    return true;
}

void cr_os_resident_pages(uintptr_t start, size_t count, unsigned char *resident)
{
    size_t page = cr_os_page_bytes();
    for (size_t i = 0; i < count; i++) {
        char here = 0;
        resident[i] = !mincore((void *)(start + i * page), page, &here) && here & MINCORE_INCORE;
    }
}
