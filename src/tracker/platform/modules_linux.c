/* modules_linux.c - which module an address belongs to, and where a thread's stack lies, on Linux with glibc. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/find_object_linux.h"
#include "platform/platform.h"
#include "platform/unwind_platform.h"
#include "base/banned.h"

#define PAGE_BYTES 4096u
#define MAIN_STACK_MOST_BYTES ((size_t)64 << 20)

/* ---- modules ---- */

static bool inside(const struct cr_os_module *module, uintptr_t from, size_t bytes)
{
    return from - module->start < module->end - module->start && bytes <= module->end - from;
}

/* The GNU build-id among the notes of one segment. */
static bool find_build_id(struct cr_os_module *module, uintptr_t note, size_t bytes)
{
    uintptr_t end = note + bytes;
    while (inside(module, note, sizeof(ElfW(Nhdr))) && note + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *header = (const ElfW(Nhdr) *)note;
        uintptr_t name = note + sizeof *header, data = name + ((header->n_namesz + 3u) & ~3u);
        if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 && inside(module, data, header->n_descsz) &&
            !memcmp((const void *)name, "GNU", 4)) {
            module->build_id = (const uint8_t *)data;
            module->build_id_bytes = header->n_descsz;
            return true;
        }
        note = data + ((header->n_descsz + 3u) & ~3u);
    }
    return false;
}

/* Fills in what the ELF header in the module's memory says. */
static void read_header(struct cr_os_module *module)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)module->start;
    module->build_id = (const uint8_t *)"";
    if (!inside(module, module->start, sizeof *header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return;
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(module->start + header->e_phoff);
    if (!inside(module, (uintptr_t)segment, header->e_phnum * sizeof *segment))
        return;
    for (int i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_NOTE &&
            find_build_id(module, module->bias + segment[i].p_vaddr, segment[i].p_filesz))
            return;
}

/* The loader has no name for the main program. */
static const char *path_of(const char *name)
{
    static char program[4096];
    if (name && name[0])
        return name;
    if (!program[0]) {
        ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
        program[n > 0 ? n : 0] = '\0';
    }
    return program;
}

void cr_os_watch_modules(void) {}

/* By the unwinder's list: dladdr takes the loader's lock, which another thread may hold that waits for one of crunch's. */
static bool find_listed(uintptr_t address, struct cr_os_module *module)
{
    struct cr_unwind_module listed;
    if (!cr_unwind_find_listed(address, &listed))
        return false;
    module->start = listed.low;
    module->end = listed.high;
    module->bias = listed.bias;
    module->identity = listed.name;
    return true;
}

bool cr_os_find_module(uintptr_t address, struct cr_os_module *module)
{
    struct cr_found_object found;
    *module = (struct cr_os_module){0};
    if (!cr_find_object)
        return find_listed(address, module);
    if (cr_find_object((void *)address, &found) || !found.link_map)
        return false;
    module->start = (uintptr_t)found.map_start;
    module->end = (uintptr_t)found.map_end;
    module->identity = found.link_map;
    return true;
}

void cr_os_describe_module(struct cr_os_module *module)
{
    const struct link_map *map = module->identity;
    if (cr_find_object)
        module->bias = map->l_addr;
    module->path = path_of(cr_find_object ? map->l_name : module->identity);
    read_header(module);
}

/* ---- stacks ---- */

extern void *__libc_stack_end;

bool cr_os_stack_bounds(uintptr_t *low, uintptr_t *high)
{
    if (cr_os_is_main_thread()) {
        /* It grows down as needed, and the kernel keeps mappings out of its way for at least this far. */
        struct rlimit limit;
        size_t bytes = MAIN_STACK_MOST_BYTES;
        if (!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur < bytes)
            bytes = limit.rlim_cur;
        *high = ((uintptr_t)__libc_stack_end + PAGE_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
        *low = *high - bytes;
        return true;
    }
    pthread_attr_t attributes;
    void *bottom;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return false;
    bool known = !pthread_attr_getstack(&attributes, &bottom, &bytes);
    pthread_attr_destroy(&attributes);
    *low = (uintptr_t)bottom;
    *high = (uintptr_t)bottom + bytes;
    return known;
}
