/* clock_linux.c - clock.h on Linux. The vdso is an ELF file in memory (vdso(7)); its table of dynamic symbols is found by the section
 * headers, since the hash tables differ between kernels. Where anything is missing (under valgrind, say) the C library's function
 * serves. */
#include "platform/clock.h"

#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/banned.h"

#if defined(__x86_64__)
#define NAME "__vdso_clock_gettime"
#else
#define NAME "__kernel_clock_gettime"
#endif

static const ElfW(Shdr) * section_of_symbols(const ElfW(Ehdr) * vdso)
{
    const ElfW(Shdr) *section = (const void *)((const char *)vdso + vdso->e_shoff);
    for (int i = 0; vdso->e_shoff && i < vdso->e_shnum; i++)
        if (section[i].sh_type == SHT_DYNSYM)
            return &section[i];
    return NULL;
}

static cr_os_clock_function vdso_clock(void)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *vdso = (const void *)base;
    const ElfW(Shdr) *symbols = base && !memcmp(base, ELFMAG, SELFMAG) ? section_of_symbols(vdso) : NULL;
    if (!symbols)
        return NULL;
    const ElfW(Shdr) *section = (const void *)(base + vdso->e_shoff);
    const char *names = base + section[symbols->sh_link].sh_offset;
    const ElfW(Sym) *symbol = (const void *)(base + symbols->sh_offset);
    for (size_t i = 0; i < symbols->sh_size / sizeof *symbol; i++)
        if (symbol[i].st_shndx != SHN_UNDEF && !strcmp(names + symbol[i].st_name, NAME))
            return (cr_os_clock_function)(uintptr_t)(base + symbol[i].st_value);
    return NULL;
}

static int find_and_read(clockid_t clock, struct timespec *time)
{
    cr_os_clock_function found = vdso_clock();
    found = found ? found : clock_gettime;
    atomic_store_explicit(&cr_os_clock, found, memory_order_relaxed);
    return found(clock, time);
}

_Atomic(cr_os_clock_function) cr_os_clock = find_and_read;
