/* leak_roots.h - where a program keeps its pointers to blocks: data of modules, stacks, registers, other memory of its own; and what these places
 * are called. docs/leaks.md has the rules.
 *
 * Gathered while all other threads are stopped, read then or in a child forked meanwhile. No lock, no malloc; memory of its own. */
#ifndef CR_EVENTS_LEAK_ROOTS_H
#define CR_EVENTS_LEAK_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/format.h"
#include "events/leak_graph.h"
#include "platform/platform.h"

/* Once, when the process starts: what has to be asked of the loader. real_malloc: the allocator's, or NULL. */
void cr_leak_roots_start(const void *real_malloc);

/* Adds a range that the program calls a root; may be called by any thread at any time. False: no room. */
bool cr_leak_roots_add(uintptr_t start, size_t bytes);
void cr_leak_roots_remove(uintptr_t start);

/* Looks where everything is. self: the calling thread. False: no memory. */
bool cr_leak_roots_gather(const struct cr_os_registers *self, const struct cr_os_stop *stop);
void cr_leak_roots_drop(void);

/* What can be read, for cr_leak_readable. */
const struct cr_leak_range *cr_leak_roots_ranges(size_t *count);

/* Marks everything that the roots lead to. The graph has been made. */
void cr_leak_roots_mark(void);
/* The number for a holder that is no memory: CR_ROOT_RUNTIME or CR_ROOT_USER. */
uint64_t cr_leak_roots_number(enum cr_root_kind kind);

/* The root of a holder (without CR_HOLDER_ROOT), and the names. */
struct cr_root_entry cr_leak_roots_describe(uint32_t number);
const char *cr_leak_roots_names(size_t *bytes);

#endif
