/* memo.c - see memo.h. */
#include "state/memo.h"

#include "base/banned.h"

#define MIX UINT64_C(0x9e3779b97f4a7c15)

static struct cr_memo_hint *hint_of(struct cr_memo *memo, uintptr_t pc)
{
    return &memo->hint[(uint64_t)pc * MIX >> (64 - CR_MEMO_HINT_BITS)];
}

/* Where the stack at start would be kept: here, or in the neighbour of this entry. */
CR_UNWIND_LOOKS static struct cr_memo_entry *place_of(struct cr_memo *memo, const struct cr_unwind_start *start)
{
    uintptr_t pc = start->pc, sp = start->sp;
    uint64_t mixed = ((uint64_t)pc ^ (uint64_t)sp << 20) * MIX;
    for (uint32_t i = 0; i < CR_MEMO_NEAR; i++) {
        const struct cr_memo_hint *hint = hint_of(memo, pc);
        if (hint->pc != pc || sp + hint->slot - memo->stack_low >= memo->stack_bytes)
            break;
        pc = *(const uintptr_t *)(sp + hint->slot);
        sp += hint->bytes;
        mixed = (mixed ^ pc) * MIX;
    }
    return &memo->entry[mixed >> (64 - CR_MEMO_ENTRY_BITS)];
}

static struct cr_memo_entry *neighbour(struct cr_memo *memo, const struct cr_memo_entry *entry)
{
    return &memo->entry[(entry - memo->entry) ^ 1];
}

/* From now on it is expected here. */
static void note(struct cr_memo *memo, const struct cr_memo_entry *entry)
{
    uint32_t number = (uint32_t)(entry - memo->entry);
    memo->next[memo->history] = (uint8_t)number;
    cr_memo_note(memo, number);
}

uint32_t cr_memo_find_other(struct cr_memo *memo, const struct cr_unwind_start *start)
{
    struct cr_memo_entry *entry = place_of(memo, start);
    if (!cr_memo_meets(memo, entry, start) && !cr_memo_meets(memo, entry = neighbour(memo, entry), start))
        return 0;
    note(memo, entry);
    return entry->site;
}

/* Remembers where the nearest frames have their return addresses: each the first word its step read. */
static void give_hints(struct cr_memo *memo, const struct cr_unwind_state *state)
{
    for (uint32_t i = state->frames - 1, n = 0; i > 0 && n < CR_MEMO_NEAR; i--, n++) {
        uint32_t first = state->slot_count[i - 1];
        uintptr_t slot = (uintptr_t)state->slot[first] - state->sp[i], bytes = state->sp[i - 1] - state->sp[i];
        if (first < state->slot_count[i] && slot < UINT32_MAX && bytes < UINT32_MAX)
            *hint_of(memo, state->pc[i]) = (struct cr_memo_hint){state->pc[i], (uint32_t)slot, (uint32_t)bytes};
    }
}

void cr_memo_void(struct cr_memo *memo)
{
    uint32_t layer = memo->stamp % CR_MEMO_LAYERS, times = memo->stamp / CR_MEMO_LAYERS + 1;
    if (times > UINT32_MAX / CR_MEMO_LAYERS) { /* stamps begin anew, so none of old may be left */
        for (uint32_t i = 0; i < sizeof memo->entry / sizeof *memo->entry; i++)
            memo->entry[i].stamp = 0;
        times = 1;
    }
    memo->stamp = times * CR_MEMO_LAYERS + layer;
}

void cr_memo_keep(struct cr_memo *memo, const struct cr_unwind_state *state, const struct cr_unwind_start *start,
                  uint32_t site)
{
    uint32_t leaf = state->frames - 1, words = state->slot_count[leaf];
    bool lasting = state->joinable == state->frames && state->slots_inside && state->dropped == 0;
    if (!site || !lasting || words > CR_MEMO_WORDS || state->pc[leaf] != start->pc ||
        start->sp - memo->stack_low >= memo->stack_bytes)
        return;
    give_hints(memo, state);
    struct cr_memo_entry *entry = place_of(memo, start), *other = neighbour(memo, entry);
    if (entry->stamp == memo->stamp && (other->stamp != memo->stamp || other->kept < entry->kept))
        entry = other; /* the one kept longer ago */
    entry->kept = ++memo->kept;
    entry->stamp = 0;
    for (uint32_t i = 0; i < words; i++) {
        uintptr_t offset = (uintptr_t)state->slot[i] - start->sp;
        if (offset > UINT32_MAX)
            return;
        entry->offset[i] = (uint32_t)offset;
        entry->value[i] = state->value[i];
    }
    for (; words % CR_MEMO_AT_ONCE; words++) {
        entry->offset[words] = entry->offset[words - 1];
        entry->value[words] = entry->value[words - 1];
    }
    entry->pc = start->pc;
    entry->sp = start->sp;
    entry->fp = start->fp;
    entry->fp_part = state->needs_fp[leaf] ? UINTPTR_MAX : 0;
    entry->site = site;
    entry->words = words;
    entry->stamp = memo->stamp;
    note(memo, entry);
}
