/* slack_linux.c - what the allocator made of the blocks it gave, on Linux. */
#include <errno.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "base/banned.h"

struct totals { /* struct mallinfo2 of glibc 2.33; earlier ones have counts that are too small */
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

static struct {
    size_t (*usable)(void *block);
    struct totals (*totals)(void);
} allocator;

/* A function of the allocator's own: another one would read its blocks as they are not. */
static void *beside(uintptr_t allocating, const char *name)
{
    struct cr_os_module its, ours;
    void *function = cr_os_next_function(name, NULL);
    bool same = function && cr_os_find_module(allocating, &ours) && cr_os_find_module((uintptr_t)function, &its) &&
                its.identity == ours.identity && its.start == ours.start;
    return same ? function : NULL;
}

void cr_os_find_slack(uintptr_t allocating)
{
    *(void **)&allocator.usable = beside(allocating, "malloc_usable_size");
    *(void **)&allocator.totals = beside(allocating, "mallinfo2");
}

uint64_t cr_os_usable_bytes(void *block, uint64_t size)
{
    (void)size;
    return allocator.usable ? allocator.usable(block) : 0;
}

bool cr_os_heap_bytes(uint64_t *from_system, uint64_t *unused)
{
    if (!allocator.totals)
        return false;
    struct totals totals = allocator.totals();
    *from_system = totals.arena + totals.hblkhd;
    *unused = totals.fordblks;
    return true;
}

void cr_os_resident_pages(uintptr_t start, size_t count, unsigned char *resident)
{
    size_t page = cr_os_page_bytes();
    if (!mincore((void *)start, count * page, resident)) {
        for (size_t i = 0; i < count; i++)
            resident[i] &= 1;
        return;
    }
    for (size_t i = 0; i < count; i++) /* there are holes in it */
        resident[i] = !mincore((void *)(start + i * page), page, &resident[i]) && resident[i] & 1;
}
