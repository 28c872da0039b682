/* unwind_modules_linux.c - which module an address lies in. See unwind_linux.h.
 *
 * glibc 2.35 and newer: _dl_find_object, which takes no lock and may be called from signal handlers (glibc manual, "Dynamic Linker
 * Introspection"). Elsewhere: an own table, made anew when a stack ends for want of one and when the loader has freed memory. A reader meets either the old table or
 * the new one; the two take turns, and a reader so slow that its table was being rewritten under it notices by the counter and reads again. */
#include "platform/find_object_linux.h"
#include "platform/unwind_platform.h"

#include <link.h>
#include <string.h>

#define MOST_MODULES 2048

struct table {
    uint32_t count;
    struct cr_unwind_module module[MOST_MODULES]; /* sorted by address */
};

static struct {
    struct table table[2];
    _Atomic uint32_t version; /* table[version % 2] holds; the other is written */
    atomic_flag writing;
    unsigned long long changes; /* that the loader had made when the table was */
    _Atomic uint32_t in_vain;   /* captures that asked since it changed or the loader stirred */
} modules = {.writing = ATOMIC_FLAG_INIT};

static bool find_in(const struct table *table, uintptr_t address, struct cr_unwind_module *module)
{
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (table->module[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        *module = table->module[low - 1];
    return low > 0 && address < module->high;
}

bool cr_unwind_find_listed(uintptr_t address, struct cr_unwind_module *module)
{
    for (;;) {
        uint32_t version = atomic_load_explicit(&modules.version, memory_order_acquire);
        bool found = find_in(&modules.table[version % 2], address, module);
        /* Adding nothing keeps the reads above from moving below, which a load would not. */
        if (version == atomic_fetch_add(&modules.version, 0))
            return found;
    }
}

/* Not so for an address in a module with gaps between its segments: glibc then speaks of the one segment. */
static bool holds(const struct cr_found_object *object, const void *tables)
{
    return tables >= object->map_start && tables < object->map_end;
}

bool cr_unwind_find_module(uintptr_t address, struct cr_unwind_module *module)
{
    if (!cr_find_object)
        return cr_unwind_find_listed(address, module) && module->eh_frame_hdr;
    struct cr_found_object object;
    if (cr_find_object((void *)address, &object) != 0 || !object.eh_frame)
        return false;
    if (!holds(&object, object.eh_frame) && cr_find_object(object.eh_frame, &object) != 0)
        return false;
    *module = (struct cr_unwind_module){.low = (uintptr_t)object.map_start,
                                        .high = (uintptr_t)object.map_end,
                                        .eh_frame_hdr = (uintptr_t)object.eh_frame};
    return true;
}

static void insert_sorted(struct table *table, struct cr_unwind_module module)
{
    uint32_t at = table->count++;
    for (; at > 0 && table->module[at - 1].low > module.low; at--)
        table->module[at] = table->module[at - 1];
    table->module[at] = module;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *data)
{
    struct table *table = data;
    struct cr_unwind_module module = {.low = UINTPTR_MAX, .bias = info->dlpi_addr, .name = info->dlpi_name};
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_GNU_EH_FRAME)
            module.eh_frame_hdr = begin;
        if (header->p_type != PT_LOAD)
            continue;
        if (begin < module.low)
            module.low = begin;
        if (begin + header->p_memsz > module.high)
            module.high = begin + header->p_memsz;
    }
    if (module.high && table->count < MOST_MODULES)
        insert_sorted(table, module);
    return 0;
}

static int count_changes(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(unsigned long long *)data = info->dlpi_adds + info->dlpi_subs;
    return 1; /* all say the same */
}

static bool make_table(void)
{
    unsigned long long changes = 0;
    dl_iterate_phdr(count_changes, &changes);
    if (changes == modules.changes)
        return false;
    uint32_t version = atomic_load_explicit(&modules.version, memory_order_relaxed);
    struct table *next = &modules.table[(version + 1) % 2];
    next->count = 0;
    dl_iterate_phdr(add_module, next);
    modules.changes = changes;
    atomic_store_explicit(&modules.version, version + 1, memory_order_release);
    atomic_store_explicit(&modules.in_vain, 0, memory_order_relaxed);
    cr_unwind_flush();
    return true;
}

bool cr_unwind_modules_refresh(void)
{
    if (cr_find_object || atomic_flag_test_and_set_explicit(&modules.writing, memory_order_acquire))
        return false;
    bool changed = make_table();
    atomic_flag_clear_explicit(&modules.writing, memory_order_release);
    return changed;
}

/* The loader allocates both before and after it enters a module into its list, so a capture after that asks again. */
#define IN_VAIN_MOST 16u
#define IN_VAIN_RARELY 64u /* one in so many asks still */

bool cr_unwind_modules_retry(void)
{
    if (cr_find_object)
        return false;
    uint32_t before = atomic_fetch_add_explicit(&modules.in_vain, 1, memory_order_relaxed);
    return (before < IN_VAIN_MOST || before % IN_VAIN_RARELY == 0) && cr_unwind_modules_refresh();
}

void cr_unwind_modules_stir(void)
{
    if (!cr_find_object && atomic_load_explicit(&modules.in_vain, memory_order_relaxed))
        atomic_store_explicit(&modules.in_vain, 0, memory_order_relaxed);
}

void cr_unwind_modules_forked(void) { atomic_flag_clear_explicit(&modules.writing, memory_order_release); }
