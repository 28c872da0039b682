/* memo.c - see memo.h. */
#include "state/memo.h"

#include "base/banned.h"

/* Remembers where the nearest frames have their return addresses: each the first word its step read. */
static void give_hints(struct cr_memo *memo, const struct cr_unwind_state *state)
{
    for (uint32_t i = state->frames - 1, n = 0; i > 0 && n < CR_MEMO_NEAR; i--, n++) {
        uint32_t first = state->slot_count[i - 1];
        uintptr_t slot = (uintptr_t)state->slot[first] - state->sp[i], bytes = state->sp[i - 1] - state->sp[i];
        if (first < state->slot_count[i] && slot < UINT32_MAX && bytes < UINT32_MAX)
            *cr_memo_hint(memo, state->pc[i]) = (struct cr_memo_hint){state->pc[i], (uint32_t)slot, (uint32_t)bytes};
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
    struct cr_memo_entry *entry = cr_memo_entry(memo, start);
    entry->stamp = 0;
    for (uint32_t i = 0; i < words; i++) {
        uintptr_t offset = (uintptr_t)state->slot[i] - start->sp;
        if (offset > UINT32_MAX)
            return;
        entry->offset[i] = (uint32_t)offset;
        entry->value[i] = state->value[i];
    }
    entry->pc = start->pc;
    entry->sp = start->sp;
    entry->fp = start->fp;
    entry->any_fp = !state->needs_fp[leaf];
    entry->site = site;
    entry->words = words;
    entry->stamp = memo->stamp;
    memo->last = entry;
}
