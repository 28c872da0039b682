/* leak_graph.h - which blocks can be reached from where: the blocks as nodes, every word in them that points into a block as an edge.
 *
 * The classes and the order of things are memcheck's (docs/leaks.md). The graph's own memory is at most 16 bytes a block and 40 a
 * region of 1 MiB in which blocks lie, from mappings of its own. No recursion; time is linear in the bytes looked at.
 *
 * One graph at a time, by one thread, while nothing changes: at the end, or in a frozen child. It takes no lock. */
#ifndef CR_EVENTS_LEAK_GRAPH_H
#define CR_EVENTS_LEAK_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/format.h"
#include "state/block_table.h"

/* What points at a block: 1 + number of another block, or CR_HOLDER_ROOT and the number of a word among all root words. */
#define CR_HOLDER_ROOT_MOST 0x7fffffffu /* words that lie further on have this number */

/* Takes all live blocks in. False: there is no memory for it. */
bool cr_leak_graph_begin(void);
void cr_leak_graph_end(void);

/* Blocks in the graph, numbered from 0 in the order of their addresses. */
uint32_t cr_leak_count(void);
struct cr_record *cr_leak_record(uint32_t block);
uintptr_t cr_leak_address(uint32_t block); /* as it was at the beginning */
enum cr_leak_class cr_leak_class(uint32_t block);
uint32_t cr_leak_holder(uint32_t block); /* of a definitely lost one: 0 */
/* The first block that ends behind an address. cr_leak_count() if there is none. */
uint32_t cr_leak_first_behind(uintptr_t address);

/* Memory that can be read, in the order of addresses; what is not in here is left out. Not copied. `direct`: it stays readable
 * meanwhile, so blocks are read where they lie; other memory is always copied first, since what says that it is there may err. */
struct cr_leak_range {
    uintptr_t start, end;
    bool constant; /* a module's code or constants: where C++ keeps its tables of virtual functions */
};
void cr_leak_readable(const struct cr_leak_range *ranges, size_t count, bool direct);

/* ---- the steps, in this order ---- */

/* Everything that the words in [start, end) lead to is reachable. Words are aligned ones; the number of the first is `number`. */
void cr_leak_mark_words(uintptr_t start, uintptr_t end, uint64_t number);
/* So is what a value leads to, and what a block leads to; the block itself as well. */
void cr_leak_mark_value(uintptr_t value, uint64_t number);
void cr_leak_mark_block(uint32_t block, uint64_t number);
/* All roots have been told: classifies the rest. Calls lost for each definitely lost block, with what is indirectly lost through it. */
struct cr_leak_tree {
    uint32_t leader;
    uint64_t indirect_blocks, indirect_bytes;
};
void cr_leak_classify(void (*lost)(void *context, const struct cr_leak_tree *tree), void *context);

#endif
