/* addresses_darwin.c - what lies at an address, on macOS. */
#include <dlfcn.h>
#include <mach/mach.h>
#include <malloc/malloc.h>

#include "platform/platform.h"
#include "base/banned.h"

#define INVALID_ADDRESS 1 /* KERN_INVALID_ADDRESS */

bool cr_os_is_block(const void *address) { return malloc_size(address) != 0; }

bool cr_os_is_static(uintptr_t address)
{
    Dl_info info;
    return dladdr((const void *)address, &info) != 0;
}

bool cr_os_is_unmapped(uintptr_t address)
{
    char byte;
    vm_size_t bytes;
    return vm_read_overwrite(mach_task_self(), address, 1, (vm_address_t)&byte, &bytes) == INVALID_ADDRESS;
}

/* operator new and delete are not hooked here, so nobody asks. */
bool cr_os_shares_operators(uintptr_t return_address)
{
    (void)return_address;
    return false;
}
