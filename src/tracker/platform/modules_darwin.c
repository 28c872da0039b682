/* modules_darwin.c - which image an address belongs to, and where a thread's stack lies, on macOS.
 *
 * dyld tells of every image that comes and goes, so that finding one takes no lock of dyld's: its callbacks, which run one at a
 * time, fill a table that anybody may read. An entry's start is written last and cleared first. */
#include <dlfcn.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "platform/platform.h"
#include "base/banned.h"

#define IMAGES_MOST 8192

struct image {
    _Atomic uintptr_t start; /* 0: free */
    uintptr_t end, slide;
    uintptr_t number; /* of all images ever seen */
    const char *path;
    const uint8_t *uuid; /* in the image's memory; NULL: none */
};

static struct image images[IMAGES_MOST];
static _Atomic uint32_t image_count; /* entries ever used */

/* ---- modules ---- */

#define WRITE_OR_EXECUTE 6 /* VM_PROT_WRITE | VM_PROT_EXECUTE; not the linker's tables */
#define PAGE_MOST 0x4000u

/* How far an image reaches from its header: over code and data, each on the page behind the other. In the shared cache the data lies
 * elsewhere, among that of others. */
static uintptr_t end_with(uintptr_t end, const struct segment_command_64 *segment, uintptr_t slide)
{
    uintptr_t start = segment->vmaddr + slide;
    bool follows = start - end < PAGE_MOST && segment->initprot & WRITE_OR_EXECUTE;
    return follows ? start + segment->vmsize : end;
}

static void read_commands(struct image *image, const struct mach_header_64 *header)
{
    const char *command = (const char *)(header + 1);
    for (uint32_t i = 0; i < header->ncmds; i++) {
        const struct load_command *load = (const void *)command;
        const struct segment_command_64 *segment = (const void *)command;
        if (load->cmd == LC_UUID)
            image->uuid = ((const struct uuid_command *)(const void *)command)->uuid;
        else if (load->cmd == LC_SEGMENT_64)
            image->end = end_with(image->end, segment, image->slide);
        command += load->cmdsize;
    }
}

static struct image *free_entry(void)
{
    uint32_t count = atomic_load(&image_count);
    for (uint32_t i = 0; i < count; i++)
        if (!atomic_load(&images[i].start))
            return &images[i];
    if (count == IMAGES_MOST)
        return NULL;
    atomic_store(&image_count, count + 1);
    return &images[count];
}

static void on_add(const struct mach_header *header, intptr_t slide)
{
    struct image *image = header->magic == MH_MAGIC_64 ? free_entry() : NULL;
    Dl_info info;
    if (!image)
        return;
    static uintptr_t number;
    image->number = ++number;
    image->slide = (uintptr_t)slide;
    image->uuid = NULL;
    image->end = (uintptr_t)header;
    image->path = dladdr(header, &info) && info.dli_fname ? info.dli_fname : "";
    read_commands(image, (const void *)header);
    atomic_store_explicit(&image->start, (uintptr_t)header, memory_order_release);
}

static void on_remove(const struct mach_header *header, intptr_t slide)
{
    (void)slide;
    uint32_t count = atomic_load(&image_count);
    for (uint32_t i = 0; i < count; i++)
        if (atomic_load(&images[i].start) == (uintptr_t)header)
            atomic_store(&images[i].start, 0);
}

void cr_os_watch_modules(void)
{
    _dyld_register_func_for_remove_image(on_remove);
    _dyld_register_func_for_add_image(on_add);
}

bool cr_os_find_module(uintptr_t address, struct cr_os_module *module)
{
    uint32_t count = atomic_load_explicit(&image_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        const struct image *image = &images[i];
        uintptr_t start = atomic_load_explicit(&image->start, memory_order_acquire);
        if (!start || address - start >= image->end - start)
            continue;
        *module = (struct cr_os_module){.start = start,
                                        .end = image->end,
                                        .bias = image->slide,
                                        .identity = (const void *)image->number,
                                        .path = image->path,
                                        .build_id = image->uuid ? image->uuid : (const uint8_t *)"",
                                        .build_id_bytes = image->uuid ? 16 : 0};
        return true;
    }
    return false;
}

void cr_os_describe_module(struct cr_os_module *module) { (void)module; }

/* ---- stacks ---- */

bool cr_os_stack_bounds(uintptr_t *low, uintptr_t *high)
{
    pthread_t self = pthread_self();
    *high = (uintptr_t)pthread_get_stackaddr_np(self);
    *low = *high - pthread_get_stacksize_np(self);
    return *low < *high;
}
