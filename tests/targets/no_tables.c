/* Allocates from code made at run time, which has no unwind table, 10,000 times from different stacks; then from a plugin, its first argument.
 * Says how often anybody asked for the list of modules. x86-64. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic int asked;

int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
    static int (*real)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
    if (!real)
        real = (int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *))dlsym(RTLD_NEXT, "dl_iterate_phdr");
    asked++;
    return real(callback, data);
}

/* push %rbp; xor %ebp, %ebp; sub $16, %rsp; mov $32, %edi; mov $malloc, %rax; call *%rax; add $16, %rsp; pop %rbp; pop %rcx; jmp *%rcx: nor has it a frame
 * pointer, nor does it return as others do. */
static const uint8_t code[] = {0x55, 0x31, 0xed, 0x48, 0x83, 0xec, 0x10, 0xbf, 0x20, 0,   0,
                               0,    0x48, 0xb8, 0,    0,    0,    0,    0,    0,    0,   0,
                               0xff, 0xd0, 0x48, 0x83, 0xc4, 0x10, 0x5d, 0x59, 0xff, 0xe1};
#define PLACE_OF_MALLOC 14

static __attribute__((noinline)) void *from(size_t further_down, void *(*function)(void))
{
    volatile char *room = __builtin_alloca(16 * (further_down + 1));
    room[0] = 1;
    return function();
}

int main(int argc, char **argv)
{
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *(*to)(size_t) = malloc;
    memcpy(page, code, sizeof code);
    memcpy(page + PLACE_OF_MALLOC, &to, sizeof to);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    for (size_t i = 0; i < 10000; i++)
        free(from(i, (void *(*)(void))(uintptr_t)page));
    void *plugin = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
    void *(*leak)(void) = plugin ? (void *(*)(void))dlsym(plugin, "plugin_leak") : NULL;
    if (!leak)
        return 1;
    leak();
    printf("%d\n", asked);
    return 0;
}
