/* heap_darwin.c - which memory malloc has for itself, and which pages have contents, on macOS. */
#include <mach/mach.h>

#include "platform/platform.h"
#include "base/banned.h"

/* Its records, which the system marks. The regions of blocks are not left out: what crunch has not seen allocated, by calls between system
 * libraries or by typed allocation, may hold what it has seen, and nobody tells which part of a region is in use. */
void cr_os_each_malloc_part(const struct cr_os_mapping *mapping,
                            void (*visit)(void *context, uintptr_t start, uintptr_t end), void *context)
{
    if (mapping->flags & CR_OS_HEAP)
        visit(context, mapping->start, mapping->end);
}

/* Pages that exist, in memory or compressed; reading any other would make it. */
static bool has_contents(uintptr_t page)
{
    int disposition = 0, references = 0;
    if (vm_map_page_query(mach_task_self(), page, &disposition, &references) != KERN_SUCCESS)
        return true;
    return disposition & (VM_PAGE_QUERY_PAGE_PRESENT | VM_PAGE_QUERY_PAGE_PAGED_OUT);
}

bool cr_os_next_resident(uintptr_t *from, uintptr_t to, uintptr_t *end)
{
    uintptr_t page = cr_os_page_bytes(), at = *from & ~(page - 1);
    while (at < to && !has_contents(at))
        at += page;
    if (at >= to)
        return false;
    *from = at > *from ? at : *from;
    while (at < to && has_contents(at))
        at += page;
    *end = at < to ? at : to;
    return true;
}
