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
#define PAGE_BYTES ((size_t)4096) /* the smallest: what follows the file's end in it is mapped, too */

typedef const ElfW(Ehdr) file_header;
typedef const ElfW(Phdr) part_header;
typedef const ElfW(Shdr) section_header;
typedef const ElfW(Sym) symbol;

/* What is mapped. Not every kernel links it for address 0. */
static part_header *mapped_part(file_header *vdso)
{
    part_header *part = (const void *)((const char *)vdso + vdso->e_phoff);
    for (int i = 0; i < vdso->e_phnum; i++)
        if (part[i].p_type == PT_LOAD)
            return &part[i];
    return NULL;
}

static section_header *section_of_symbols(file_header *vdso, part_header *part)
{
    size_t end = (part->p_offset + part->p_filesz + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    section_header *section = (const void *)((const char *)vdso + vdso->e_shoff);
    if (!vdso->e_shoff || vdso->e_shoff + vdso->e_shnum * sizeof *section > end)
        return NULL;
    for (int i = 0; i < vdso->e_shnum; i++)
        if (section[i].sh_type == SHT_DYNSYM)
            return &section[i];
    return NULL;
}

static cr_os_clock_function vdso_clock(void)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
    file_header *vdso = (const void *)base;
    part_header *part = base && !memcmp(base, ELFMAG, SELFMAG) ? mapped_part(vdso) : NULL;
    section_header *symbols = part ? section_of_symbols(vdso, part) : NULL;
    if (!symbols)
        return NULL;
    section_header *section = (const void *)(base + vdso->e_shoff);
    const char *names = base + section[symbols->sh_link].sh_offset;
    symbol *found = (const void *)(base + symbols->sh_offset);
    uintptr_t bias = (uintptr_t)base + part->p_offset - part->p_vaddr;
    for (size_t i = 0; i < symbols->sh_size / sizeof *found; i++)
        if (found[i].st_shndx != SHN_UNDEF && !strcmp(names + found[i].st_name, NAME))
            return (cr_os_clock_function)(bias + found[i].st_value);
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
