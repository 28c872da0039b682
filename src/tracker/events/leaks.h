/* leaks.h - at the end, or whenever somebody asks: which blocks are lost. docs/leaks.md.
 *
 * In this order, by one thread:
 *   cr_os_threads_stop  stops the other threads (platform.h)
 *   cr_leaks_gather     looks where everything is: mappings, stacks, registers
 *   cr_leaks_scan       classifies every block; reads memory and changes nothing but its own
 *   cr_leaks_totals ... the answers
 *   cr_os_threads_go
 *   cr_leaks_done       gives the memory back
 * A snapshot may fork behind the first two: the child scans and answers, while the parent calls cr_os_threads_go and cr_leaks_done. From stop to go nothing may
 * take a lock that another thread may hold: crunch's own are among them. In a signal handler, too. */
#ifndef CR_EVENTS_LEAKS_H
#define CR_EVENTS_LEAKS_H

#include <stdbool.h>

#include "events/leak_graph.h"
#include "platform/platform.h"
#include "services/writer.h"

/* self: the calling thread's registers, from cr_os_here or cr_os_read_context; stop: all others. Once gathered, another call changes nothing until
 * cr_leaks_done. False: no memory. */
bool cr_leaks_gather(const struct cr_os_registers *self, const struct cr_os_stop *stop);
/* Whether that has been done, maybe by the process that this one was forked from. */
bool cr_leaks_gathered(void);
/* Blocks for which is_runtime holds are reachable, and in no sum. False: no memory, no answers. */
bool cr_leaks_scan(bool (*is_runtime)(const struct cr_record *record));
void cr_leaks_done(void);

/* The program says that a block is not to be called lost. False: no room for more. */
bool cr_leaks_ignore(uintptr_t address);

/* All of the above, in a process that goes on: bytes that are lost, definitely or indirectly. 0 if nobody could look. */
uint64_t cr_leaks_lost_now(const struct cr_os_registers *self);

/* ---- answers ---- */

/* Sums per site (item of SITES) and class. */
void cr_leaks_each_sum(void (*visit)(void *context, const struct cr_leak_sum *sum), void *context);
/* Blocks and bytes per class. */
struct cr_leaks_totals {
    uint64_t blocks[CR_LEAK_DEFINITE + 1], bytes[CR_LEAK_DEFINITE + 1];
};
struct cr_leaks_totals cr_leaks_totals(void);

/* What stands in the blocks file as the holder of a block, when this is asked for every block in the order of their numbers, once. */
uint32_t cr_leaks_holder(uint32_t block);
/* After that: the roots these holders refer to, and the names. */
void cr_leaks_write_roots(struct cr_writer *writer, struct cr_blocks_header *header);

#endif
