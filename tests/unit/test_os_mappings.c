/* platform: what is mapped, and memory that may not be there. */
#include <string.h>
#include <sys/mman.h>

#include "platform/platform.h"
#include "tap.h"

static char data[64];

struct seen {
    uintptr_t data, stack, code, last;
    unsigned data_flags, code_flags;
    bool in_order;
};

static bool look(void *context, const struct cr_os_mapping *mapping)
{
    struct seen *seen = context;
    seen->in_order = seen->in_order && mapping->start >= seen->last && mapping->end > mapping->start;
    seen->last = mapping->end;
    if ((uintptr_t)data - mapping->start < mapping->end - mapping->start)
        seen->data = mapping->start, seen->data_flags = mapping->flags;
    if ((uintptr_t)look - mapping->start < mapping->end - mapping->start)
        seen->code = mapping->start, seen->code_flags = mapping->flags;
    if ((uintptr_t)context - mapping->start < mapping->end - mapping->start)
        seen->stack = mapping->start;
    return true;
}

static void test_mappings(void)
{
    struct seen seen = {.in_order = true};
    unsigned access = CR_OS_READ | CR_OS_WRITE | CR_OS_EXECUTE | CR_OS_SHARED;
    ok(!cr_os_each_mapping(look, &seen) && seen.in_order, "mappings come in the order of their addresses");
    ok(seen.data && (seen.data_flags & access) == (CR_OS_READ | CR_OS_WRITE), "data is among them");
    ok(seen.code && (seen.code_flags & (access | CR_OS_FILE)) == (CR_OS_READ | CR_OS_EXECUTE | CR_OS_FILE),
       "and code, with its file");
    ok(seen.stack, "and the stack");
    size_t page = cr_os_page_bytes();
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), copy[32];
    ok(two != MAP_FAILED && !mprotect(two + page, page, PROT_NONE), "a page, and one that cannot be read");
    memset(two, 7, page);
    ok(cr_os_read_memory((uintptr_t)two + page - 8, copy, sizeof copy) == 8 && copy[7] == 7,
       "memory is read as far as it is there");
    ok(!cr_os_read_memory((uintptr_t)two + page, copy, sizeof copy), "and not at all where it is not");
}

int main(void)
{
    test_mappings();
    return tap_done();
}
