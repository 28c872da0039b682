/* leak_places.h - what is gathered of roots, for leak_roots.c, leak_marks.c and leak_names.c among themselves. */
#ifndef CR_EVENTS_LEAK_PLACES_H
#define CR_EVENTS_LEAK_PLACES_H

#include "events/leak_roots.h"

#define CR_LEAK_NO_NAME UINT32_MAX

/* An array in a mapping of its own. */
struct cr_leak_list {
    void *items;
    size_t count, bytes;
};

struct cr_leak_root {
    uintptr_t start, end;
    uint64_t number; /* of its first word */
    uintptr_t base;
    uint32_t name;
    enum cr_root_kind kind;
    uint32_t thread; /* STACK, REGISTER: place among the threads */
};

struct cr_leak_place {
    uint64_t id;
    struct cr_os_registers registers;
    uintptr_t low, high; /* of the stack in use */
};

struct cr_leak_roots {
    uintptr_t own_start, own_end;             /* the tracker's module */
    uintptr_t allocator_start, allocator_end; /* that of an allocator which is not the C library's */
    struct cr_leak_list ranges, roots, holes, threads, frames;
    struct cr_leak_list names; /* bytes */
    struct cr_leak_list
        marked;     /* struct cr_leak_root: pieces in the order of marking, so that numbers grow with the place */
    uint64_t words; /* of all pieces so far */
    bool failed;
    /* of the mapping before, while they are gone through */
    uintptr_t last_end, module_base;
    uint32_t module_name;
    bool last_readable;
    uint32_t walked;  /* thread whose frames are held, plus one */
    bool names_known; /* to name_module */
};
extern struct cr_leak_roots cr_leak_roots;

/* Room for one more item; NULL if there is no memory, and cr_leak_roots.failed is set. */
void *cr_leak_append(struct cr_leak_list *list, size_t item_bytes);
void cr_leak_drop(struct cr_leak_list *list);

static inline struct cr_leak_place *cr_leak_thread(size_t i)
{
    return (struct cr_leak_place *)cr_leak_roots.threads.items + i;
}

/* Adds a path to the names. Where it begins there. */
uint32_t cr_leak_add_name(const char *name);

static inline bool cr_leak_holds(const struct cr_os_mapping *mapping, uintptr_t address)
{
    return address - mapping->start < mapping->end - mapping->start;
}

#endif
