/* addresses_linux.c - what lies at an address, on Linux with glibc.
 *
 * Whether a module has operators of its own its file says: its dynamic symbols, and, where it was not stripped, all of them. A hidden
 * operator new in a stripped library leaves no name, so such a library must show that it uses the program's: by importing
 * operator new or delete, or by being the C library. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/platform.h"
#include "base/banned.h"

bool cr_os_is_block(const void *address)
{
    (void)address;
    return false;
}

bool cr_os_is_static(uintptr_t address)
{
    struct cr_os_module module;
    if (!cr_os_find_module(address, &module))
        return false;
    cr_os_describe_module(&module);
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)module.start;
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(module.start + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++) /* what lies between two segments may be another's */
        if (segment[i].p_type == PT_LOAD && address - module.bias - segment[i].p_vaddr < segment[i].p_memsz)
            return true;
    return false;
}

bool cr_os_is_unmapped(uintptr_t address)
{
    unsigned char resident;
    uintptr_t page = address & ~(uintptr_t)(cr_os_page_bytes() - 1);
    return mincore((void *)page, 1, &resident) && errno == ENOMEM;
}

/* ---- operators ---- */

struct file {
    const char *bytes;
    size_t size;
};

static const void *part(const struct file *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->size && bytes <= file->size - offset ? file->bytes + offset : NULL;
}

/* Mangled, as in the Itanium C++ ABI: nw, na, dl, da. Those that only place (<new> defines them inline) are no allocators. */
static bool is_operator(const char *name)
{
    static const char *const placing[] = {"_ZnwmPv", "_ZnamPv", "_ZdlPvS_", "_ZdaPvS_"};
    if (strncmp(name, "_Znw", 4) != 0 && strncmp(name, "_Zna", 4) != 0 && strncmp(name, "_Zdl", 4) != 0 &&
        strncmp(name, "_Zda", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof placing / sizeof *placing; i++)
        if (!strcmp(name, placing[i]))
            return false;
    return true;
}

struct seen {
    bool table, defined, imported; /* all symbols are there; operators that are the module's own, or another's */
};

static void look_through(const struct file *file, const ElfW(Shdr) * symbols, const ElfW(Shdr) * strings,
                         struct seen *seen)
{
    const ElfW(Sym) *symbol = part(file, symbols->sh_offset, symbols->sh_size);
    const char *names = part(file, strings->sh_offset, strings->sh_size);
    if (!symbol || !names || !strings->sh_size || names[strings->sh_size - 1])
        return;
    seen->table |= symbols->sh_type == SHT_SYMTAB;
    for (size_t i = 0; i < symbols->sh_size / sizeof *symbol; i++)
        if (symbol[i].st_name < strings->sh_size && is_operator(names + symbol[i].st_name)) {
            seen->defined |= symbol[i].st_shndx != SHN_UNDEF;
            seen->imported |= symbol[i].st_shndx == SHN_UNDEF;
        }
}

static struct seen look_into(const struct file *file, const struct cr_os_module *module)
{
    struct seen seen = {0};
    const ElfW(Ehdr) *header = part(file, 0, sizeof *header);
    if (!header || memcmp(header, (const void *)module->start, sizeof *header) != 0) /* not the file that was loaded */
        return seen;
    const ElfW(Shdr) *section = part(file, header->e_shoff, header->e_shnum * sizeof *section);
    for (int i = 0; section && i < header->e_shnum; i++)
        if ((section[i].sh_type == SHT_SYMTAB || section[i].sh_type == SHT_DYNSYM) &&
            section[i].sh_link < header->e_shnum)
            look_through(file, &section[i], &section[section[i].sh_link], &seen);
    return seen;
}

static bool shares(struct cr_os_module *module)
{
    cr_os_describe_module(module);
    struct cr_os_held held;
    cr_os_hold_signals(&held);
    struct seen seen = {.defined = true};
    int fd = open(module->path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd >= 0 && !fstat(fd, &status) && S_ISREG(status.st_mode)) {
        struct file file = {mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0), (size_t)status.st_size};
        if (file.bytes != MAP_FAILED) {
            seen = look_into(&file, module);
            munmap((void *)(uintptr_t)file.bytes, file.size);
        }
    }
    if (fd >= 0)
        close(fd);
    cr_os_release_signals(&held);
    return !seen.defined && (seen.table || seen.imported || cr_os_role(module->path) == CR_OS_RUNTIME);
}

#define ANSWERS 256u

bool cr_os_shares_operators(uintptr_t return_address)
{
    static struct {
        struct cr_os_module module;
        bool shares;
        _Atomic bool whole;
    } answers[ANSWERS];
    static _Atomic uint32_t count;
    struct cr_os_module module;
    if (!cr_os_find_module(return_address - 1, &module))
        return false;
    uint32_t known = atomic_load(&count);
    for (uint32_t i = 0; i < known && i < ANSWERS; i++)
        if (atomic_load(&answers[i].whole) && answers[i].module.identity == module.identity &&
            answers[i].module.start == module.start && answers[i].module.end == module.end)
            return answers[i].shares;
    bool answer = shares(&module);
    uint32_t i = known < ANSWERS ? atomic_fetch_add(&count, 1) : ANSWERS;
    if (i < ANSWERS) {
        answers[i].module = module;
        answers[i].shares = answer;
        atomic_store(&answers[i].whole, true);
    }
    return answer;
}
