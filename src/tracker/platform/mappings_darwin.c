/* mappings_darwin.c - what is mapped, and reading what may not be there, on macOS. */
#include <libproc.h>
#include <mach/mach.h>
#include <string.h>
#include <unistd.h>

#include "platform/platform.h"
#include "base/banned.h"

/* What the owner of a region says it is for (mach/vm_statistics.h). malloc's records of zones and of large blocks, and those of its debugging
 * tools, are full of addresses of blocks; the regions in which blocks lie have other numbers. */
#define TAG_MALLOC 1
#define TAG_ANALYSIS_TOOL 10
#define TAG_STACK 30
#define TAG_IOKIT 21

static unsigned flags_of(const struct vm_region_submap_info_64 *info)
{
    unsigned flags = (info->protection & VM_PROT_READ ? CR_OS_READ : 0u) |
                     (info->protection & VM_PROT_WRITE ? CR_OS_WRITE : 0u) |
                     (info->protection & VM_PROT_EXECUTE ? CR_OS_EXECUTE : 0u);
    if (info->share_mode == SM_SHARED || info->share_mode == SM_TRUESHARED)
        flags |= CR_OS_SHARED;
    if (info->user_tag == TAG_MALLOC || info->user_tag == TAG_ANALYSIS_TOOL)
        flags |= CR_OS_HEAP;
    if (info->user_tag == TAG_STACK)
        flags |= CR_OS_STACK;
    if (info->user_tag == TAG_IOKIT)
        flags |= CR_OS_DEVICE;
    return flags;
}

int cr_os_each_mapping(bool (*visit)(void *context, const struct cr_os_mapping *mapping), void *context)
{
    char path[4096];
    vm_address_t address = 0;
    natural_t depth = 0;
    for (;;) {
        vm_size_t bytes = 0;
        struct vm_region_submap_info_64 info;
        mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
        if (vm_region_recurse_64(mach_task_self(), &address, &bytes, &depth, (vm_region_recurse_info_t)&info, &count) !=
            KERN_SUCCESS)
            return 0;
        if (info.is_submap) { /* the shared cache of system libraries: look inside */
            depth++;
            continue;
        }
        struct cr_os_mapping mapping = {address, address + bytes, info.offset, flags_of(&info), ""};
        if (info.external_pager) {
            int length = proc_regionfilename(getpid(), address, path, sizeof path - 1);
            path[length > 0 ? length : 0] = '\0';
            mapping.name = path;
            mapping.flags |= length > 0 ? CR_OS_FILE : 0;
        }
        if (!visit(context, &mapping))
            return 0;
        address += bytes;
    }
}

/* All or nothing for each piece, so in pages. */
size_t cr_os_read_memory(uintptr_t from, void *to, size_t bytes)
{
    size_t done = 0, page = cr_os_page_bytes();
    while (done < bytes) {
        size_t piece = page - (from + done) % page;
        vm_size_t got = 0;
        if (piece > bytes - done)
            piece = bytes - done;
        if (vm_read_overwrite(mach_task_self(), from + done, piece, (vm_address_t)to + done, &got) != KERN_SUCCESS)
            break;
        done += piece;
    }
    return done;
}
