/* leak_roots.c - see leak_roots.h: gathering. */
#include "events/leak_roots.h"

#include <string.h>

#include "events/leak_places.h"
#include "base/banned.h"

#define RED_ZONE 128
#define FIRST_ROOM_BYTES ((size_t)64 << 10)

struct cr_leak_roots cr_leak_roots;

/* ---- lists ---- */

void *cr_leak_append(struct cr_leak_list *list, size_t item_bytes)
{
    size_t used = list->count * item_bytes;
    if (used + item_bytes > list->bytes) {
        size_t bytes = list->bytes ? 2 * list->bytes : FIRST_ROOM_BYTES;
        void *items = cr_os_map(bytes);
        if (!items) {
            cr_leak_roots.failed = true;
            return NULL;
        }
        if (used)
            memcpy(items, list->items, used);
        if (list->items)
            cr_os_unmap(list->items, list->bytes);
        list->items = items;
        list->bytes = bytes;
    }
    list->count++;
    return (char *)list->items + used;
}

void cr_leak_drop(struct cr_leak_list *list)
{
    if (list->items)
        cr_os_unmap(list->items, list->bytes);
    *list = (struct cr_leak_list){0};
}

static struct cr_leak_range *hole_at(size_t i) { return (struct cr_leak_range *)cr_leak_roots.holes.items + i; }

static void add_root(const struct cr_leak_root *root)
{
    struct cr_leak_root *item = cr_leak_append(&cr_leak_roots.roots, sizeof *item);
    if (item)
        *item = *root;
}

static void add_hole(uintptr_t start, uintptr_t end)
{
    struct cr_leak_range *item = start < end ? cr_leak_append(&cr_leak_roots.holes, sizeof *item) : NULL;
    if (item)
        *item = (struct cr_leak_range){start, end, false};
}

static void visit_hole(void *context, uintptr_t start, uintptr_t end)
{
    (void)context;
    add_hole(start, end);
}

static void sort_holes(void)
{
    for (size_t gap = cr_leak_roots.holes.count / 2; gap; gap /= 2)
        for (size_t i = gap; i < cr_leak_roots.holes.count; i++) {
            struct cr_leak_range moving = *hole_at(i);
            size_t at = i;
            for (; at >= gap && hole_at(at - gap)->start > moving.start; at -= gap)
                *hole_at(at) = *hole_at(at - gap);
            *hole_at(at) = moving;
        }
}

/* ---- mappings ---- */

void cr_leak_roots_start(const void *real_malloc)
{
    struct cr_os_module module;
    if (cr_os_find_module((uintptr_t)&cr_leak_roots, &module)) {
        cr_leak_roots.own_start = module.start;
        cr_leak_roots.own_end = module.end;
    }
    if (!real_malloc || !cr_os_find_module((uintptr_t)real_malloc, &module))
        return;
    cr_os_describe_module(&module);
    if (cr_os_role(module.path) == CR_OS_OTHER) {
        cr_leak_roots.allocator_start = module.start;
        cr_leak_roots.allocator_end = module.end;
    }
}

/* Whose module a mapping is: its file's, or that of the file mapped right before it (what a module has beyond its file). */
static void follow_modules(const struct cr_os_mapping *mapping)
{
    const char *names = cr_leak_roots.names.items;
    if (mapping->flags & CR_OS_FILE) {
        if (cr_leak_roots.module_name == CR_LEAK_NO_NAME ||
            strcmp(names + cr_leak_roots.module_name, mapping->name) != 0) {
            cr_leak_roots.module_name = cr_leak_add_name(mapping->name);
            cr_leak_roots.module_base = mapping->start;
        }
    } else if (mapping->start != cr_leak_roots.last_end || mapping->name[0])
        cr_leak_roots.module_name = CR_LEAK_NO_NAME;
}

static void add_range(const struct cr_os_mapping *mapping)
{
    bool constant = mapping->flags & CR_OS_FILE && !(mapping->flags & CR_OS_WRITE);
    size_t count = cr_leak_roots.ranges.count;
    struct cr_leak_range *range = cr_leak_roots.ranges.items;
    if (count && range[count - 1].end == mapping->start && range[count - 1].constant == constant) {
        range[count - 1].end = mapping->end;
        return;
    }
    range = cr_leak_append(&cr_leak_roots.ranges, sizeof *range);
    if (range)
        *range = (struct cr_leak_range){mapping->start, mapping->end, constant};
}

/* Below a thread's stack pointer lies what it no longer uses. How far is known where a guard page ends the mapping. */
static void leave_out_below(const struct cr_os_mapping *mapping, bool guarded)
{
    for (size_t i = 0; i < cr_leak_roots.threads.count; i++) {
        struct cr_leak_place *thread = cr_leak_thread(i);
        if (!thread->low || !cr_leak_holds(mapping, thread->low))
            continue;
        add_hole(guarded ? mapping->start : thread->low, thread->high);
    }
}

static bool visit_mapping(void *context, const struct cr_os_mapping *mapping)
{
    (void)context;
    unsigned access = mapping->flags & (CR_OS_READ | CR_OS_WRITE | CR_OS_SHARED | CR_OS_DEVICE);
    bool guarded =
        mapping->flags & CR_OS_STACK || (cr_leak_roots.last_end == mapping->start && !cr_leak_roots.last_readable);
    follow_modules(mapping);
    cr_leak_roots.last_end = mapping->end;
    cr_leak_roots.last_readable = mapping->flags & CR_OS_READ;
    if (mapping->flags & CR_OS_READ && !(mapping->flags & CR_OS_DEVICE))
        add_range(mapping);
    if (access != (CR_OS_READ | CR_OS_WRITE))
        return !cr_leak_roots.failed;
    cr_os_each_malloc_part(mapping, visit_hole, NULL);
    leave_out_below(mapping, guarded);
    struct cr_leak_root root = {
        .start = mapping->start, .end = mapping->end, .name = cr_leak_roots.module_name, .kind = CR_ROOT_MEMORY};
    if (cr_leak_roots.module_name != CR_LEAK_NO_NAME) {
        root.kind = CR_ROOT_DATA;
        root.base = cr_leak_roots.module_base;
    }
    add_root(&root);
    return !cr_leak_roots.failed;
}

/* ---- threads ---- */

struct find_stack {
    struct cr_leak_place *place;
};

static bool visit_stack(void *context, const struct cr_os_mapping *mapping)
{
    struct cr_leak_place *place = ((struct find_stack *)context)->place;
    uintptr_t sp = place->registers.sp;
    if (!cr_leak_holds(mapping, sp) || !(mapping->flags & CR_OS_READ))
        return true;
    place->low = sp - mapping->start > RED_ZONE ? sp - RED_ZONE : mapping->start;
    place->high = mapping->end;
    return false;
}

static void add_thread(const struct cr_leak_place *place)
{
    struct cr_leak_place *item = cr_leak_append(&cr_leak_roots.threads, sizeof *item);
    if (item)
        *item = *place;
}

static void gather_threads(const struct cr_os_registers *self, const struct cr_os_stop *stop)
{
    struct cr_leak_place place = {.id = cr_os_thread_id(), .registers = *self};
    struct find_stack find = {&place};
    cr_os_each_mapping(visit_stack, &find);
    add_thread(&place);
    for (size_t i = 0; i < stop->count; i++) {
        const struct cr_os_stopped *other = &stop->thread[i];
        place = (struct cr_leak_place){other->id, other->registers, other->stack_low, other->stack_high};
        add_thread(&place);
    }
}

bool cr_leak_roots_gather(const struct cr_os_registers *self, const struct cr_os_stop *stop)
{
    cr_leak_roots.failed = false;
    cr_leak_roots.words = 1; /* number 0 is the runtime's, see cr_leak_roots_number */
    cr_leak_roots.last_end = cr_leak_roots.walked = 0;
    cr_leak_roots.names_known = false;
    cr_leak_roots.module_name = CR_LEAK_NO_NAME;
    gather_threads(self, stop);
    if (cr_os_each_mapping(visit_mapping, NULL))
        cr_leak_roots.failed = true;
    cr_os_each_own(visit_hole, NULL);
    add_hole(cr_leak_roots.own_start, cr_leak_roots.own_end);
    add_hole(cr_leak_roots.allocator_start, cr_leak_roots.allocator_end);
    sort_holes();
    if (cr_leak_roots.failed)
        cr_leak_roots_drop();
    return !cr_leak_roots.failed;
}

void cr_leak_roots_drop(void)
{
    cr_leak_drop(&cr_leak_roots.ranges);
    cr_leak_drop(&cr_leak_roots.roots);
    cr_leak_drop(&cr_leak_roots.holes);
    cr_leak_drop(&cr_leak_roots.threads);
    cr_leak_drop(&cr_leak_roots.frames);
    cr_leak_drop(&cr_leak_roots.names);
    cr_leak_drop(&cr_leak_roots.marked);
}

const struct cr_leak_range *cr_leak_roots_ranges(size_t *count)
{
    *count = cr_leak_roots.ranges.count;
    return cr_leak_roots.ranges.items;
}
