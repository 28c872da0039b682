/* leak_names.c - see leak_roots.h: what a root is called. */
#include <string.h>

#include "base/unwind.h"
#include "events/leak_places.h"
#include "base/banned.h"

#define NAMES_MOST_BYTES ((size_t)4 << 20)

uint32_t cr_leak_add_name(const char *name)
{
    size_t length = strlen(name) + 1;
    uint32_t at = (uint32_t)cr_leak_roots.names.count;
    if (cr_leak_roots.names.count + length > NAMES_MOST_BYTES)
        return CR_LEAK_NO_NAME;
    for (size_t i = 0; i < length; i++) {
        char *byte = cr_leak_append(&cr_leak_roots.names, 1);
        if (!byte)
            return CR_LEAK_NO_NAME;
        *byte = name[i];
    }
    return at;
}

/* ---- names ---- */

struct frame {
    uintptr_t sp, pc;
};

/* The frames of a thread's stack, innermost first. */
static void walk(uint32_t number)
{
    static struct cr_unwind_state state;
    const struct cr_leak_place *thread = cr_leak_thread(number);
    cr_leak_roots.frames.count = 0;
    cr_leak_roots.walked = number + 1;
    memset(&state, 0, sizeof state);
    state.stack_low = thread->low;
    state.stack_high = thread->high;
    if (!thread->registers.whole && !thread->registers.pc)
        return;
    struct cr_unwind_stack stack = cr_unwind_capture_registers(&state, &thread->registers);
    for (uint32_t i = stack.frames; i-- > 0;) {
        struct frame *frame = cr_leak_append(&cr_leak_roots.frames, sizeof *frame);
        if (!frame)
            return;
        *frame = (struct frame){state.sp[i], state.pc[i]};
    }
}

/* The return address of the frame that a word of a stack is in: the last whose stack pointer is at or below it. 0: none. */
static uintptr_t frame_at(uint32_t thread, uintptr_t address)
{
    const struct frame *frame = cr_leak_roots.frames.items;
    if (cr_leak_roots.walked != thread + 1) {
        walk(thread);
        frame = cr_leak_roots.frames.items;
    }
    uintptr_t pc = cr_leak_roots.frames.count ? frame[0].pc : 0; /* whose red zone may be meant */
    for (size_t i = 0; i < cr_leak_roots.frames.count && frame[i].sp <= address; i++)
        pc = frame[i].pc;
    return pc;
}

struct find_module {
    uintptr_t address;
    struct cr_root_entry *entry;
    char last[4096];
    uintptr_t base;
};

static bool visit_module(void *context, const struct cr_os_mapping *mapping)
{
    struct find_module *find = context;
    if (mapping->flags & CR_OS_FILE && strcmp(find->last, mapping->name) != 0 &&
        strlen(mapping->name) < sizeof find->last) {
        memcpy(find->last, mapping->name, strlen(mapping->name) + 1);
        find->base = mapping->start;
    }
    if (!cr_leak_holds(mapping, find->address))
        return true;
    if (mapping->flags & CR_OS_FILE) {
        find->entry->base = find->base;
        find->entry->name = cr_leak_add_name(mapping->name);
    }
    return false;
}

#define KNOWN_PCS 64u

/* The module of a pc. */
static void name_module(struct cr_root_entry *entry)
{
    static struct find_module find;
    static struct cr_root_entry known[KNOWN_PCS];
    struct cr_root_entry *last = &known[entry->pc % KNOWN_PCS];
    if (!cr_leak_roots.names_known) {
        memset(known, 0, sizeof known);
        cr_leak_roots.names_known = true;
    }
    if (last->pc != entry->pc) {
        find = (struct find_module){.address = entry->pc - 1, .entry = entry};
        cr_os_each_mapping(visit_module, &find);
        *last = *entry;
    }
    entry->base = last->base;
    entry->name = last->name;
}

struct cr_root_entry cr_leak_roots_describe(uint32_t number)
{
    const struct cr_leak_root *root = cr_leak_roots.marked.items;
    struct cr_root_entry entry = {.kind = CR_ROOT_FAR, .name = CR_LEAK_NO_NAME};
    size_t low = 0, high = cr_leak_roots.marked.count;
    if (number == 0)
        entry.kind = CR_ROOT_RUNTIME;
    if (number == 0 || number == CR_HOLDER_ROOT_MOST || !cr_leak_roots.marked.count)
        return entry;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (root[middle].number <= number)
            low = middle;
        else
            high = middle;
    }
    root += low;
    uint64_t words = number - root->number;
    entry.kind = root->kind;
    entry.name = root->name;
    entry.base = root->base;
    entry.address = root->kind == CR_ROOT_REGISTER ? words : root->start + words * sizeof(uintptr_t);
    if (root->kind == CR_ROOT_STACK || root->kind == CR_ROOT_REGISTER)
        entry.thread = cr_leak_thread(root->thread)->id;
    if (root->kind == CR_ROOT_STACK)
        entry.pc = frame_at(root->thread, entry.address);
    if (entry.pc)
        name_module(&entry);
    return entry;
}

const char *cr_leak_roots_names(size_t *bytes)
{
    *bytes = cr_leak_roots.names.count;
    return cr_leak_roots.names.items;
}
