/* runtime_darwin.c - what belongs to the loader and the language runtimes on macOS.
 *
 * The loader is two images: dyld, since macOS 13 a part of the shared cache, and libdyld.dylib, through which dyld allocates and
 * programs call dyld. */
#include "platform/platform.h"

#include <dlfcn.h>
#include <mach-o/dyld.h>
#include <mach-o/dyld_images.h>
#include <mach-o/loader.h>
#include <mach/mach.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static struct cr_os_range loader[2];

/* The code of an image, which is mapped from its header on. */
static struct cr_os_range code_of(const void *image)
{
    struct cr_os_range range = {(uintptr_t)image, 0};
    const struct mach_header_64 *header = image;
    if (!header || header->magic != MH_MAGIC_64)
        return range;
    const char *command = (const char *)(header + 1);
    for (uint32_t i = 0; i < header->ncmds; i++) {
        const struct segment_command_64 *segment = (const void *)command;
        if (segment->cmd == LC_SEGMENT_64 && !strncmp(segment->segname, SEG_TEXT, sizeof segment->segname))
            range.bytes = segment->vmsize;
        command += segment->cmdsize;
    }
    return range;
}

static struct cr_os_range code_of_dyld(void)
{
    struct task_dyld_info info = {0};
    mach_msg_type_number_t count = TASK_DYLD_INFO_COUNT;
    if (task_info(mach_task_self(), TASK_DYLD_INFO, (task_info_t)&info, &count) || !info.all_image_info_addr)
        return (struct cr_os_range){0, 0};
    const struct dyld_all_image_infos *images = (const void *)(uintptr_t)info.all_image_info_addr;
    return code_of(images->dyldImageLoadAddress);
}

static struct cr_os_range code_of_libdyld(void)
{
    Dl_info info;
    bool found = dladdr((const void *)(uintptr_t)_dyld_image_count, &info);
    return code_of(found ? info.dli_fbase : NULL);
}

struct cr_os_range cr_os_find_loader(void)
{
    loader[0] = code_of_dyld();
    loader[1] = code_of_libdyld();
    uintptr_t first = UINTPTR_MAX, end = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!loader[i].bytes)
            continue;
        first = loader[i].base < first ? loader[i].base : first;
        end = loader[i].base + loader[i].bytes > end ? loader[i].base + loader[i].bytes : end;
    }
    return first < end ? (struct cr_os_range){first, end - first} : (struct cr_os_range){0, 0};
}

bool cr_os_in_loader(const void *address)
{
    return (uintptr_t)address - loader[0].base < loader[0].bytes ||
           (uintptr_t)address - loader[1].base < loader[1].bytes;
}

enum cr_os_role cr_os_role(const char *path)
{
    static const char *const names[] = {
        "libsystem_", "libSystem.", "libc++.", "libc++abi.", "libobjc.", "libdispatch.", "libxpc.",
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!strcmp(name, "dyld") || !strncmp(name, "libdyld.", 8))
        return CR_OS_LOADER;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(name, names[i], strlen(names[i])))
            return CR_OS_RUNTIME;
    return CR_OS_OTHER;
}

bool cr_os_is_runtime(const void *return_address)
{
    Dl_info info;
    return dladdr(return_address, &info) && info.dli_fname && cr_os_role(info.dli_fname) != CR_OS_OTHER;
}

size_t cr_os_stream_buffers(const void **addresses, size_t most)
{
    FILE *const streams[] = {stdin, stdout, stderr};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        if (streams[i] && streams[i]->_bf._base && n < most)
            addresses[n++] = streams[i]->_bf._base;
    return n;
}
