/* call_tree.h - call stacks as nodes of a tree: a node is a frame and, by its parents, all frames outside of it.
 *
 * Looking a node up takes no lock; a new one does. Nodes live in the recording (section NODES), the way to them in private memory:
 * a hash table of 16-byte entries, replaced by one twice as large when three quarters full; the old one stays mapped, but
 * without memory, for whoever is still reading it, and misses there look again under the lock. Locks: tree, then modules and recording. */
#ifndef CR_STATE_CALL_TREE_H
#define CR_STATE_CALL_TREE_H

#include <stdint.h>

#include "base/lock.h"

extern struct cr_lock cr_tree_lock;

/* A well mixed hash of a return address under a parent: neighbours of both kinds are the rule. Multiply and fold, twice, as in
 * splitmix64. */
static inline uint32_t cr_tree_hash(uint32_t parent, uintptr_t address)
{
    uint64_t mixed = (uint64_t)address + parent * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32);
}

/* A node lies in the hash table by its path, the addresses of all its frames: where the nodes of a new stack lie can be said, and
 * their cache lines asked for, before the first is found. The path of the root or a marker, and of a frame behind a path: */
static inline uint32_t cr_tree_path_base(uint32_t base) { return base * UINT32_C(0x9e3779b9); }
static inline uint32_t cr_tree_path(uint32_t path, uintptr_t address)
{
    uint64_t mixed = ((uint64_t)address & 0xffffffffffff) * UINT64_C(0x9e3779b97f4a7c15) + path;
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32);
}
void cr_tree_prefetch(uint32_t path);

/* The path of a node, the root or a marker. */
uint32_t cr_tree_path_of(uint32_t node);

/* The nodes of a chain of return addresses, the first under the parent and each further one under the one before, whose paths are given.
 * Where there is no memory, 0 from there on. New ones are entered all at once: below a new node everything is new. */
void cr_tree_chain(uint32_t parent, const uintptr_t *address, const uint32_t *path, uint32_t *node, uint32_t count);

/* The same of one, for who does not know the path. parent 0: the root, below CR_MARKERS: a marker. */
uint32_t cr_tree_child(uint32_t parent, uintptr_t address);

#endif
