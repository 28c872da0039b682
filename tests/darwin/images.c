/* Runs modules_darwin.c, as it is, on images made by hand: a program as dyld maps it, and a library of the shared cache, whose data lies
 * elsewhere. Built for this machine with the declarations of darwin_sdk; what dyld does, this file does. Ends by abort() where a
 * module is not what it should be. */
#include <dlfcn.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"

#define PAGE 0x4000u
#define BASE 0x100000000u /* where the linker put the program */
#define SEGMENTS 5

static void (*added)(const struct mach_header *header, intptr_t slide);
static void (*removed)(const struct mach_header *header, intptr_t slide);

void _dyld_register_func_for_add_image(void (*function)(const struct mach_header *header, intptr_t slide))
{
    added = function;
}
void _dyld_register_func_for_remove_image(void (*function)(const struct mach_header *header, intptr_t slide))
{
    removed = function;
}
int dladdr(const void *address, Dl_info *info) { return (void)address, info->dli_fname = "/a/program", 1; }
void *pthread_get_stackaddr_np(pthread_t thread) { return thread; }
size_t pthread_get_stacksize_np(pthread_t thread) { return (void)thread, PAGE; }

struct segment {
    const char *name;
    uint64_t at, bytes;
    int protection;
};

static _Alignas(PAGE) char memory[2][16 * PAGE];

static const struct mach_header *make(char *at, const struct segment *segments, size_t count)
{
    struct mach_header_64 *header = (void *)at;
    struct segment_command_64 *command = (void *)(header + 1);
    *header = (struct mach_header_64){.magic = MH_MAGIC_64, .ncmds = (uint32_t)count};
    for (size_t i = 0; i < count; i++, command++) {
        *command = (struct segment_command_64){.cmd = LC_SEGMENT_64,
                                               .cmdsize = sizeof *command,
                                               .vmaddr = segments[i].at,
                                               .vmsize = segments[i].bytes,
                                               .initprot = segments[i].protection};
        memcpy(command->segname, segments[i].name, strlen(segments[i].name));
    }
    return (const void *)at;
}

static void expect(const char *address, const char *start)
{
    struct cr_os_module module;
    bool found = cr_os_find_module((uintptr_t)address, &module);
    if (found != (start != NULL) || (found && module.start != (uintptr_t)start))
        abort();
}

int main(void)
{
    char *program = memory[0], *library = memory[1];
    const struct segment own[] = {{"__PAGEZERO", 0, BASE, 0},
                                  {"__TEXT", BASE, 2 * PAGE - 8, 5} /* zig does not round */,
                                  {"__DATA_CONST", BASE + 2 * PAGE, PAGE, 3},
                                  {"__DATA", BASE + 3 * PAGE, 2 * PAGE, 3},
                                  {"__LINKEDIT", BASE + 5 * PAGE, PAGE, 1}};
    const struct segment cached[] = {
        {"__TEXT", BASE, PAGE, 5}, {"__DATA", BASE + 8 * PAGE, PAGE, 3}, {"__LINKEDIT", BASE + 9 * PAGE, PAGE, 1}};
    cr_os_watch_modules();
    added(make(program, own, 5), program - (char *)(uintptr_t)BASE);
    added(make(library, cached, 3), library - (char *)(uintptr_t)BASE);

    expect(program, program);
    expect(program + 2 * PAGE - 1, program);
    expect(program + 2 * PAGE, program); /* data, too */
    expect(program + 5 * PAGE - 1, program);
    expect(program + 5 * PAGE, NULL); /* the linker's tables are nobody's */
    expect(library + PAGE - 1, library);
    expect(library + PAGE, NULL); /* other libraries' code */
    expect(library + 8 * PAGE, NULL);
    removed((const void *)program, 0);
    expect(program, NULL);
    expect(library, library);
    return 0;
}
