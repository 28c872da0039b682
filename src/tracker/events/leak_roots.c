/* leak_roots.c - see leak_roots.h. */
#include "events/leak_roots.h"

#include <stdatomic.h>
#include <string.h>

#include "base/unwind.h"
#include "state/block_table.h"
#include "base/banned.h"

#define RED_ZONE 128
#define NO_NAME UINT32_MAX
#define FIRST_ROOM_BYTES ((size_t)64 << 10)
#define NAMES_MOST_BYTES ((size_t)4 << 20)
#define USER_MOST 4096u

/* An array in a mapping of its own. */
struct list {
    void *items;
    size_t count, bytes;
};

struct root {
    uintptr_t start, end;
    uint64_t number; /* of its first word */
    uintptr_t base;
    uint32_t name;
    enum cr_root_kind kind;
    uint32_t thread; /* STACK, REGISTER: place among the threads */
};

/* Numbers are given in the order of marking, so that they grow with the place in `marked`. */
static struct list marked; /* struct root */

struct place {
    uint64_t id;
    struct cr_os_registers registers;
    uintptr_t low, high; /* of the stack in use */
};

static struct {
    uintptr_t own_start, own_end;             /* the tracker's module */
    uintptr_t allocator_start, allocator_end; /* that of an allocator which is not the C library's */
    struct list ranges, roots, holes, threads, frames;
    struct list names; /* bytes */
    uint64_t words;    /* of all roots so far */
    bool failed;
    /* of the mapping before, while they are gone through */
    uintptr_t last_end, module_base;
    uint32_t module_name;
    bool last_readable;
    uint32_t walked;  /* thread whose frames are held, plus one */
    bool names_known; /* to name_module */
} roots;

static struct {
    _Atomic uintptr_t start;
    _Atomic size_t bytes;
} user[USER_MOST];

/* ---- lists ---- */

/* Room for one more item; NULL if there is no memory. */
static void *append(struct list *list, size_t item_bytes)
{
    size_t used = list->count * item_bytes;
    if (used + item_bytes > list->bytes) {
        size_t bytes = list->bytes ? 2 * list->bytes : FIRST_ROOM_BYTES;
        void *items = cr_os_map(bytes);
        if (!items) {
            roots.failed = true;
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

static void drop(struct list *list)
{
    if (list->items)
        cr_os_unmap(list->items, list->bytes);
    *list = (struct list){0};
}

static struct root *root_at(size_t i) { return (struct root *)roots.roots.items + i; }
static struct cr_leak_range *hole_at(size_t i) { return (struct cr_leak_range *)roots.holes.items + i; }
static struct place *thread_at(size_t i) { return (struct place *)roots.threads.items + i; }

static void add_root(const struct root *root)
{
    struct root *item = append(&roots.roots, sizeof *item);
    if (item)
        *item = *root;
}

static void add_hole(uintptr_t start, uintptr_t end)
{
    struct cr_leak_range *item = start < end ? append(&roots.holes, sizeof *item) : NULL;
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
    for (size_t gap = roots.holes.count / 2; gap; gap /= 2)
        for (size_t i = gap; i < roots.holes.count; i++) {
            struct cr_leak_range moving = *hole_at(i);
            size_t at = i;
            for (; at >= gap && hole_at(at - gap)->start > moving.start; at -= gap)
                *hole_at(at) = *hole_at(at - gap);
            *hole_at(at) = moving;
        }
}

/* ---- what the program says ---- */

bool cr_leak_roots_add(uintptr_t start, size_t bytes)
{
    for (uint32_t i = 0; start && i < USER_MOST; i++) {
        uintptr_t nobody = 0;
        if (atomic_compare_exchange_strong(&user[i].start, &nobody, start)) {
            atomic_store(&user[i].bytes, bytes);
            return true;
        }
    }
    return false;
}

void cr_leak_roots_remove(uintptr_t start)
{
    for (uint32_t i = 0; i < USER_MOST; i++)
        if (atomic_load(&user[i].start) == start) {
            atomic_store(&user[i].bytes, 0);
            atomic_store(&user[i].start, 0);
            return;
        }
}

/* ---- mappings ---- */

void cr_leak_roots_start(const void *real_malloc)
{
    struct cr_os_module module;
    if (cr_os_find_module((uintptr_t)&roots, &module)) {
        roots.own_start = module.start;
        roots.own_end = module.end;
    }
    if (!real_malloc || !cr_os_find_module((uintptr_t)real_malloc, &module))
        return;
    cr_os_describe_module(&module);
    if (cr_os_role(module.path) == CR_OS_OTHER) {
        roots.allocator_start = module.start;
        roots.allocator_end = module.end;
    }
}

static uint32_t add_name(const char *name)
{
    size_t length = strlen(name) + 1;
    uint32_t at = (uint32_t)roots.names.count;
    if (roots.names.count + length > NAMES_MOST_BYTES)
        return NO_NAME;
    for (size_t i = 0; i < length; i++) {
        char *byte = append(&roots.names, 1);
        if (!byte)
            return NO_NAME;
        *byte = name[i];
    }
    return at;
}

/* Whose module a mapping is: its file's, or that of the file mapped right before it (what a module has beyond its file). */
static void follow_modules(const struct cr_os_mapping *mapping)
{
    const char *names = roots.names.items;
    if (mapping->flags & CR_OS_FILE) {
        if (roots.module_name == NO_NAME || strcmp(names + roots.module_name, mapping->name) != 0) {
            roots.module_name = add_name(mapping->name);
            roots.module_base = mapping->start;
        }
    } else if (mapping->start != roots.last_end || mapping->name[0])
        roots.module_name = NO_NAME;
}

static void add_range(const struct cr_os_mapping *mapping)
{
    bool constant = mapping->flags & CR_OS_FILE && !(mapping->flags & CR_OS_WRITE);
    struct cr_leak_range *last = (struct cr_leak_range *)roots.ranges.items + roots.ranges.count - 1;
    if (roots.ranges.count && last->end == mapping->start && last->constant == constant) {
        last->end = mapping->end;
        return;
    }
    struct cr_leak_range *range = append(&roots.ranges, sizeof *range);
    if (range)
        *range = (struct cr_leak_range){mapping->start, mapping->end, constant};
}

static bool holds(const struct cr_os_mapping *mapping, uintptr_t address)
{
    return address - mapping->start < mapping->end - mapping->start;
}

/* Below a thread's stack pointer lies what it no longer uses. How far is known where a guard page ends the mapping. */
static void leave_out_below(const struct cr_os_mapping *mapping, bool guarded)
{
    for (size_t i = 0; i < roots.threads.count; i++) {
        struct place *thread = thread_at(i);
        if (!thread->low || !holds(mapping, thread->low))
            continue;
        add_hole(guarded ? mapping->start : thread->low, thread->high);
    }
}

static bool visit_mapping(void *context, const struct cr_os_mapping *mapping)
{
    (void)context;
    unsigned access = mapping->flags & (CR_OS_READ | CR_OS_WRITE | CR_OS_SHARED | CR_OS_DEVICE);
    bool guarded = mapping->flags & CR_OS_STACK || (roots.last_end == mapping->start && !roots.last_readable);
    follow_modules(mapping);
    roots.last_end = mapping->end;
    roots.last_readable = mapping->flags & CR_OS_READ;
    if (mapping->flags & CR_OS_READ && !(mapping->flags & CR_OS_DEVICE))
        add_range(mapping);
    if (access != (CR_OS_READ | CR_OS_WRITE))
        return !roots.failed;
    cr_os_each_malloc_part(mapping, visit_hole, NULL);
    leave_out_below(mapping, guarded);
    struct root root = {
        .start = mapping->start, .end = mapping->end, .name = roots.module_name, .kind = CR_ROOT_MEMORY};
    if (roots.module_name != NO_NAME) {
        root.kind = CR_ROOT_DATA;
        root.base = roots.module_base;
    }
    add_root(&root);
    return !roots.failed;
}

/* ---- threads ---- */

struct find_stack {
    struct place *place;
};

static bool visit_stack(void *context, const struct cr_os_mapping *mapping)
{
    struct place *place = ((struct find_stack *)context)->place;
    uintptr_t sp = place->registers.sp;
    if (!holds(mapping, sp) || !(mapping->flags & CR_OS_READ))
        return true;
    place->low = sp - mapping->start > RED_ZONE ? sp - RED_ZONE : mapping->start;
    place->high = mapping->end;
    return false;
}

static void add_thread(const struct place *place)
{
    struct place *item = append(&roots.threads, sizeof *item);
    if (item)
        *item = *place;
}

static void gather_threads(const struct cr_os_registers *self, const struct cr_os_stop *stop)
{
    struct place place = {.id = cr_os_thread_id(), .registers = *self};
    struct find_stack find = {&place};
    cr_os_each_mapping(visit_stack, &find);
    add_thread(&place);
    for (size_t i = 0; i < stop->count; i++) {
        const struct cr_os_stopped *other = &stop->thread[i];
        place = (struct place){other->id, other->registers, other->stack_low, other->stack_high};
        add_thread(&place);
    }
}

bool cr_leak_roots_gather(const struct cr_os_registers *self, const struct cr_os_stop *stop)
{
    roots.failed = false;
    roots.words = 1; /* number 0 is the runtime's, see cr_leak_roots_number */
    roots.last_end = roots.walked = 0;
    roots.names_known = false;
    roots.module_name = NO_NAME;
    gather_threads(self, stop);
    if (cr_os_each_mapping(visit_mapping, NULL))
        roots.failed = true;
    cr_os_each_own(visit_hole, NULL);
    add_hole(roots.own_start, roots.own_end);
    add_hole(roots.allocator_start, roots.allocator_end);
    sort_holes();
    if (roots.failed)
        cr_leak_roots_drop();
    return !roots.failed;
}

void cr_leak_roots_drop(void)
{
    drop(&roots.ranges);
    drop(&roots.roots);
    drop(&roots.holes);
    drop(&roots.threads);
    drop(&roots.frames);
    drop(&roots.names);
    drop(&marked);
}

const struct cr_leak_range *cr_leak_roots_ranges(size_t *count)
{
    *count = roots.ranges.count;
    return roots.ranges.items;
}

/* ---- marking ---- */

static uint64_t give_numbers(const struct root *root, uint64_t words)
{
    uint64_t number = roots.words;
    struct root *item = append(&marked, sizeof *item);
    if (item) {
        *item = *root;
        item->number = number;
    }
    roots.words += words;
    return number;
}

static void mark_piece(const struct root *root, uintptr_t start, uintptr_t end)
{
    struct root piece = *root;
    piece.start = (start + sizeof start - 1) & ~(sizeof start - 1);
    piece.end = end;
    if (piece.start >= piece.end)
        return;
    uint64_t number = give_numbers(&piece, (piece.end - piece.start) / sizeof start);
    cr_leak_mark_words(piece.start, piece.end, number);
}

/* What is no block of [start, end): a block's words count only once it is known to be reachable. */
static void mark_between_blocks(const struct root *root, uintptr_t start, uintptr_t end)
{
    for (uint32_t block = cr_leak_first_behind(start); block < cr_leak_count() && start < end; block++) {
        uintptr_t address = cr_leak_address(block);
        if (address >= end)
            break;
        if (address > start)
            mark_piece(root, start, address);
        uintptr_t behind = address + cr_record_size(cr_leak_record(block));
        start = behind > start ? behind : start;
    }
    if (start < end)
        mark_piece(root, start, end);
}

static void mark_without_holes(const struct root *root)
{
    uintptr_t start = root->start;
    for (size_t i = 0; i < roots.holes.count && start < root->end; i++) {
        const struct cr_leak_range *hole = hole_at(i);
        if (hole->start >= root->end)
            break;
        if (hole->end <= start)
            continue;
        if (hole->start > start)
            mark_between_blocks(root, start, hole->start);
        start = hole->end;
    }
    if (start < root->end)
        mark_between_blocks(root, start, root->end);
}

static void mark_thread(uint32_t number)
{
    const struct place *thread = thread_at(number);
    struct root registers = {.kind = CR_ROOT_REGISTER, .thread = number, .name = NO_NAME, .end = CR_OS_REGISTER_WORDS};
    uint64_t first = give_numbers(&registers, CR_OS_REGISTER_WORDS);
    for (unsigned i = 0; i < CR_OS_REGISTER_WORDS; i++)
        cr_leak_mark_value(thread->registers.word[i], first + i);
    if (!thread->low)
        return;
    struct root stack = {.kind = CR_ROOT_STACK, .thread = number, .name = NO_NAME};
    uint32_t block = cr_leak_first_behind(thread->low);
    bool within = block < cr_leak_count() && cr_leak_address(block) <= thread->low;
    if (!within) {
        mark_between_blocks(&stack, thread->low, thread->high);
        return;
    }
    uintptr_t end =
        cr_leak_address(block) + cr_record_size(cr_leak_record(block)); /* a stack that the program has allocated */
    mark_piece(&stack, thread->low, end < thread->high ? end : thread->high);
}

static void mark_kind(enum cr_root_kind kind)
{
    for (size_t i = 0; i < roots.roots.count; i++)
        if (root_at(i)->kind == kind)
            mark_without_holes(root_at(i));
}

void cr_leak_roots_mark(void)
{
    drop(&marked);
    mark_kind(CR_ROOT_DATA); /* in this order, so that paths end where it says most */
    for (uint32_t i = 0; i < roots.threads.count; i++)
        mark_thread(i);
    for (uint32_t i = 0; i < USER_MOST; i++) {
        struct root root = {.kind = CR_ROOT_USER, .name = NO_NAME, .start = atomic_load(&user[i].start)};
        root.end = root.start + atomic_load(&user[i].bytes);
        if (root.start)
            mark_piece(&root, root.start, root.end);
    }
    mark_kind(CR_ROOT_MEMORY);
}

uint64_t cr_leak_roots_number(enum cr_root_kind kind)
{
    if (kind == CR_ROOT_RUNTIME)
        return 0;
    struct root root = {.kind = kind, .name = NO_NAME};
    return give_numbers(&root, 1);
}

/* ---- names ---- */

struct frame {
    uintptr_t sp, pc;
};

/* The frames of a thread's stack, innermost first. */
static void walk(uint32_t number)
{
    static struct cr_unwind_state state;
    const struct place *thread = thread_at(number);
    roots.frames.count = 0;
    roots.walked = number + 1;
    memset(&state, 0, sizeof state);
    state.stack_low = thread->low;
    state.stack_high = thread->high;
    if (!thread->registers.whole && !thread->registers.pc)
        return;
    struct cr_unwind_stack stack = cr_unwind_capture_registers(&state, &thread->registers);
    for (uint32_t i = stack.frames; i-- > 0;) {
        struct frame *frame = append(&roots.frames, sizeof *frame);
        if (!frame)
            return;
        *frame = (struct frame){state.sp[i], state.pc[i]};
    }
}

/* The frame that a word of a stack is in: the last whose stack pointer is at or below it. 0: none. */
static uintptr_t frame_at(uint32_t thread, uintptr_t address)
{
    const struct frame *frame = roots.frames.items;
    if (roots.walked != thread + 1) {
        walk(thread);
        frame = roots.frames.items;
    }
    uintptr_t pc = 0;
    for (size_t i = 0; i < roots.frames.count && frame[i].sp <= address; i++)
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
        strcpy(find->last, mapping->name);
        find->base = mapping->start;
    }
    if (!holds(mapping, find->address))
        return true;
    if (mapping->flags & CR_OS_FILE) {
        find->entry->base = find->base;
        find->entry->name = add_name(mapping->name);
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
    if (!roots.names_known) {
        memset(known, 0, sizeof known);
        roots.names_known = true;
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
    const struct root *root = marked.items;
    struct cr_root_entry entry = {.kind = CR_ROOT_FAR, .name = NO_NAME};
    size_t low = 0, high = marked.count;
    if (number == 0)
        entry.kind = CR_ROOT_RUNTIME;
    if (number == 0 || number == CR_HOLDER_ROOT_MOST || !marked.count)
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
        entry.thread = thread_at(root->thread)->id;
    if (root->kind == CR_ROOT_STACK)
        entry.pc = frame_at(root->thread, entry.address);
    if (entry.pc)
        name_module(&entry);
    return entry;
}

const char *cr_leak_roots_names(size_t *bytes)
{
    *bytes = roots.names.count;
    return roots.names.items;
}
