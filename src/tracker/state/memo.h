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
#define CR_MEMO_AT_ONCE 4u
#define CR_MEMO_NEAR 3u /* callers that take part in finding an entry */
#define CR_MEMO_ENTRY_BITS 8
#define CR_MEMO_ENTRIES (1u << CR_MEMO_ENTRY_BITS)
#define CR_MEMO_HISTORY_BITS 14
#define CR_MEMO_HISTORY_STEP 2
#define CR_MEMO_HINT_BITS 10 /* of 128, two hot places of xmllint shared one: a fifth of its stacks were walked */

struct cr_memo_entry {
    uintptr_t pc, sp, fp;
    uintptr_t fp_part; /* which bits of the frame pointer count: all, or none */
    uint32_t site;
    uint32_t stamp;
    uint32_t words;                 /* a multiple of CR_MEMO_AT_ONCE: the last one may stand there more than once */
    uint32_t kept;                  /* how many were, up to this one */
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
    uint32_t kept;                    /* entries, ever */
    uint32_t expected;                /* the number of the entry that next[] gives for the history */
    uint32_t history;                 /* of the entries met or kept last */
    uint8_t
        next[1u << CR_MEMO_HISTORY_BITS]; /* the entry that came after this history, the last time: likely to again */
    struct cr_memo_hint hint[1u << CR_MEMO_HINT_BITS];
    struct cr_memo_entry entry[CR_MEMO_ENTRIES];
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

/* How much a word of the stack, by its number in the entry, differs from what it was. */
CR_UNWIND_LOOKS static inline uintptr_t cr_memo_change(const struct cr_memo_entry *entry, uintptr_t sp, uint32_t i)
{
    return *(const uintptr_t *)(sp + entry->offset[i]) ^ entry->value[i];
}

/* Whether the stack at start is the entry's. */
CR_UNWIND_LOOKS static inline bool cr_memo_meets(const struct cr_memo *memo, const struct cr_memo_entry *entry,
                                                 const struct cr_unwind_start *start)
{
    uintptr_t sp = start->sp, changed = 0;
    if (entry->pc != start->pc || entry->sp != sp || entry->stamp != memo->stamp ||
        ((entry->fp ^ start->fp) & entry->fp_part))
        return false;
    for (uint32_t i = 0; i < entry->words; i += CR_MEMO_AT_ONCE)
        changed |= cr_memo_change(entry, sp, i) | cr_memo_change(entry, sp, i + 1) | cr_memo_change(entry, sp, i + 2) |
                   cr_memo_change(entry, sp, i + 3);
    return !changed;
}

/* The same where it is not the entry that was expected. */
uint32_t cr_memo_find_other(struct cr_memo *memo, const struct cr_unwind_start *start);

/* The entry of this number was met. What is expected next is looked up now, while nobody waits for it. */
CR_HOT void cr_memo_note(struct cr_memo *memo, uint32_t number)
{
    memo->history = (memo->history << CR_MEMO_HISTORY_STEP ^ number) % (1u << CR_MEMO_HISTORY_BITS);
    memo->expected = memo->next[memo->history];
}

/* The site of the stack at start; 0: it is none of the recent ones. */
CR_HOT uint32_t cr_memo_find(struct cr_memo *memo, const struct cr_unwind_start *start)
{
    const struct cr_memo_entry *entry = &memo->entry[memo->expected];
    if (CR_UNLIKELY(!cr_memo_meets(memo, entry, start)))
        return cr_memo_find_other(memo, start);
    cr_memo_note(memo, memo->expected);
    return entry->site;
}

/* Keeps the stack that state has just captured from start, if it is of the kind that can be. */
void cr_memo_keep(struct cr_memo *memo, const struct cr_unwind_state *state, const struct cr_unwind_start *start,
                  uint32_t site);

#endif
