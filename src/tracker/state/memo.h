/* memo.h - a thread's recent call stacks, recognised without walking.
 *
 * A stack is determined by where its walk starts (pc, sp, fp) and by the words the walk reads, as long as the rules for the code
 * are the same. So an entry keeps these words, and is met again when all of them lie unchanged where they lay: a loop of loads and
 * comparisons without a branch, under a nanosecond a frame. Programs in a loop come back to the same few stacks at the same stack
 * addresses; the unwinder's own memory, of the last stack only, would walk the frames in which these differ.
 *
 * The same place is often reached at the same stack address by different ways, so entries are found by the nearest few return
 * addresses too. Where these lie, hints say: per return address, what the last walk through it found. A wrong hint only leads to
 * another entry.
 *
 * Only stacks are kept whose words all lie in the thread's own stack, from the start's sp upwards, where reading is safe. Used
 * by the thread alone. */
#ifndef CR_STATE_MEMO_H
#define CR_STATE_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/unwind.h"

#define CR_MEMO_WORDS 56u /* of deeper stacks nothing is kept */
#define CR_MEMO_NEAR 3u   /* callers that take part in finding an entry */
#define CR_MEMO_ENTRY_BITS 8
#define CR_MEMO_HINT_BITS 10 /* of 128, two hot places of xmllint shared one: a fifth of its stacks were walked */

struct cr_memo_entry {
    uintptr_t pc, sp, fp;
    uint32_t site;
    uint32_t stamp;
    struct cr_memo_entry *next; /* met after this one, the last time: likely to be so again */
    uint32_t words;
    uint32_t any_fp;                /* the frame pointer takes no part */
    uint32_t offset[CR_MEMO_WORDS]; /* from sp, in bytes; the nearest last */
    uintptr_t value[CR_MEMO_WORDS];
};

struct cr_memo_hint {
    uintptr_t pc;
    uint32_t slot;  /* where the frame's return address lies, from its sp */
    uint32_t bytes; /* from its sp to its caller's */
};

/* All zero at first. */
struct cr_memo {
    uint32_t stamp;                   /* entries with another one are void: see cr_memo_void; 0 before first use */
    uintptr_t stack_low, stack_bytes; /* the thread's own stack; 0, 0: unknown, nothing is met or kept */
    struct cr_memo_entry *last;       /* met or kept last: in a loop, met again */
    struct cr_memo_hint hint[1u << CR_MEMO_HINT_BITS];
    struct cr_memo_entry entry[1u << CR_MEMO_ENTRY_BITS];
};

#define CR_MEMO_LAYERS 1024u /* a power of 2 */

/* Forgets all stacks: the stamp counts how often that was, above the number of the layer that is in use. */
void cr_memo_void(struct cr_memo *memo);

/* Goes on with another layer, below CR_MEMO_LAYERS: entries are met only in the one they were kept in, and the same stack may have another
 * site in each. */
static inline void cr_memo_layer(struct cr_memo *memo, uint32_t layer)
{
    memo->stamp = memo->stamp - memo->stamp % CR_MEMO_LAYERS + layer;
}

#define CR_MEMO_MIX UINT64_C(0x9e3779b97f4a7c15)

static inline struct cr_memo_hint *cr_memo_hint(struct cr_memo *memo, uintptr_t pc)
{
    return &memo->hint[(uint64_t)pc * CR_MEMO_MIX >> (64 - CR_MEMO_HINT_BITS)];
}

/* Where the stack at start would be kept. */
CR_UNWIND_LOOKS static inline struct cr_memo_entry *cr_memo_entry(struct cr_memo *memo,
                                                                  const struct cr_unwind_start *start)
{
    uintptr_t pc = start->pc, sp = start->sp;
    uint64_t mixed = ((uint64_t)pc ^ (uint64_t)sp << 20) * CR_MEMO_MIX;
    for (uint32_t i = 0; i < CR_MEMO_NEAR; i++) {
        const struct cr_memo_hint *hint = cr_memo_hint(memo, pc);
        if (hint->pc != pc || sp + hint->slot - memo->stack_low >= memo->stack_bytes)
            break;
        pc = *(const uintptr_t *)(sp + hint->slot);
        sp += hint->bytes;
        mixed = (mixed ^ pc) * CR_MEMO_MIX;
    }
    return &memo->entry[mixed >> (64 - CR_MEMO_ENTRY_BITS)];
}

/* Whether the stack at start is the entry's. */
CR_UNWIND_LOOKS static inline bool cr_memo_meets(const struct cr_memo *memo, const struct cr_memo_entry *entry,
                                                 const struct cr_unwind_start *start)
{
    if (entry->pc != start->pc || entry->sp != start->sp || entry->stamp != memo->stamp ||
        (entry->fp != start->fp && !entry->any_fp))
        return false;
    uintptr_t changed = 0;
    for (uint32_t i = 0; i < entry->words; i++)
        changed |= *(const uintptr_t *)(start->sp + entry->offset[i]) ^ entry->value[i];
    return !changed;
}

/* The site of the stack at start; 0: it is none of the recent ones. */
static inline uint32_t cr_memo_find(struct cr_memo *memo, const struct cr_unwind_start *start)
{
    if (memo->last && cr_memo_meets(memo, memo->last, start))
        return memo->last->site;
    struct cr_memo_entry *entry = memo->last ? memo->last->next : NULL;
    if (!entry || !cr_memo_meets(memo, entry, start)) {
        entry = cr_memo_entry(memo, start);
        if (!cr_memo_meets(memo, entry, start))
            return 0;
        if (memo->last)
            memo->last->next = entry;
    }
    memo->last = entry;
    return entry->site;
}

/* Keeps the stack that state has just captured from start, if it is of the kind that can be. */
void cr_memo_keep(struct cr_memo *memo, const struct cr_unwind_state *state, const struct cr_unwind_start *start,
                  uint32_t site);

#endif
