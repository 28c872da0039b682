/* unwind_step.c - one step of the walk with every check, for the frames that unwind.c's quick step leaves. See unwind_step.h. */
#include "base/unwind_step.h"

#include "platform/unwind_platform.h"

#define SAME_STACK_BYTES 65536u
#define MOST_STACKS 8 /* a walk that changes stacks more often is going in a circle */

/* On the thread's own stack everything from the start's frame on can be read. Elsewhere (coroutines, sigaltstack) bounds are unknown, and a
 * guard page may follow any page: each is tried once per capture, and only when the walk arrives there. */
bool cr_unwind_memory_has(struct cr_unwind_memory *memory, uintptr_t address)
{
    if (address & (sizeof(uintptr_t) - 1))
        return false;
    if (address - memory->low < memory->high - memory->low)
        return true;
    uintptr_t stack_bytes = memory->stack_high - memory->stack_low;
    bool on_stack = address - memory->stack_low < stack_bytes;
    bool live = on_stack && memory->live - memory->stack_low < stack_bytes && address >= memory->live;
    if (!live && !cr_unwind_readable(address))
        return false;
    uintptr_t page = address & ~CR_UNWIND_PAGE_MASK;
    if (on_stack) {
        memory->low = address;
        memory->high = memory->stack_high;
    } else if (page == memory->high) {
        memory->high += CR_UNWIND_PAGE_MASK + 1;
    } else {
        memory->low = page;
        memory->high = page + CR_UNWIND_PAGE_MASK + 1;
    }
    return true;
}

static bool ends(struct cr_unwind_walk *walk, enum cr_unwind_end end)
{
    walk->end = end;
    return false;
}

/* Whether a caller's frame may begin at cfa: outwards of this one or, by way of the frame pointer, on another stack. A little further out is no other
 * stack, though its page may not have been tried yet. */
static bool plausible(struct cr_unwind_walk *walk, uintptr_t cfa, bool by_fp)
{
    bool here = cfa - walk->memory.low <= walk->memory.high - walk->memory.low || cfa - walk->sp < SAME_STACK_BYTES;
    if (here || !by_fp)
        return cfa > walk->sp;
    return ++walk->stacks <= MOST_STACKS;
}

/* The end of every step: the caller's state from the words at ra_slot and, unless 0, fp_slot. */
static bool go_out(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame, uintptr_t cfa, uintptr_t ra_slot,
                   uintptr_t fp_slot)
{
    if (!cr_unwind_memory_has(&walk->memory, ra_slot))
        return ends(walk, CR_UNWIND_BAD_READ);
    uintptr_t ra = CR_UNWIND_STRIP(*(const uintptr_t *)ra_slot);
    if (ra == 0) {
        walk->null_slot = ra_slot;
        return ends(walk, CR_UNWIND_ROOT);
    }
    if (fp_slot && !cr_unwind_memory_has(&walk->memory, fp_slot))
        return ends(walk, CR_UNWIND_BAD_READ);
    if (fp_slot)
        walk->fp = *(const uintptr_t *)fp_slot;
    frame[0].fp_slot = fp_slot;
    frame[1].pc_slot = ra_slot;
    walk->pc = ra;
    walk->sp = cfa;
    return true;
}

static bool step_frame(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame, uint32_t rule)
{
    bool by_fp = rule & CR_RULE_BASE_FP;
    uintptr_t base = cr_rule_base(rule, walk->sp, walk->fp);
    uintptr_t cfa = cr_rule_cfa(rule, base);
    uintptr_t ra_slot = cr_rule_ra_slot(rule, base, cfa);
    uintptr_t fp_slot = cr_rule_fp_slot(rule, base, cfa);
    frame->flags = by_fp ? CR_FRAME_USES_FP : 0;
    if (rule == CR_RULE_FRAME_POINTER && walk->fp == 0)
        return ends(walk, CR_UNWIND_ROOT); /* as ABIs that keep frame pointers mark it */
    if (!plausible(walk, cfa, by_fp))
        return ends(walk, CR_UNWIND_BAD_CFA);
    return go_out(walk, frame, cfa, ra_slot, fp_slot == ra_slot ? 0 : fp_slot);
}

/* The CFA is itself kept in the frame, below the saved fp. */
static bool step_realigned(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame, uint32_t rule)
{
    uintptr_t fp = walk->fp;
    uintptr_t cfa_slot = fp - (cr_rule_cfa(rule, fp) - fp);
    frame->flags = CR_FRAME_USES_FP;
    if (!plausible(walk, fp, true))
        return ends(walk, CR_UNWIND_BAD_CFA);
    if (!cr_unwind_memory_has(&walk->memory, cfa_slot))
        return ends(walk, CR_UNWIND_BAD_READ);
    uintptr_t cfa = *(const uintptr_t *)cfa_slot;
    if (cfa <= fp)
        return ends(walk, CR_UNWIND_BAD_CFA);
    frame->cfa_slot = cfa_slot;
    return go_out(walk, frame, cfa, cfa - sizeof(uintptr_t), fp);
}

/* Whether fp, which lies not outwards of this frame, is that of a caller on another stack than the thread's own, as where Go calls C. More is asked
 * than on the same stack, since it may be any pointer: two records in a row. */
CR_UNWIND_LOOKS static bool chains_elsewhere(struct cr_unwind_walk *walk, uintptr_t fp)
{
    struct cr_unwind_memory *memory = &walk->memory;
    uintptr_t own = memory->stack_high - memory->stack_low;
    if (walk->sp - memory->stack_low >= own || fp - memory->stack_low < own || ++walk->stacks > MOST_STACKS)
        return false;
    for (unsigned records = 0; records < 2; records++) {
        const uintptr_t *record = (const uintptr_t *)fp;
        if (!cr_unwind_memory_has(memory, fp) || !cr_unwind_memory_has(memory, fp + sizeof fp) || record[0] <= fp ||
            !cr_unwind_follows_call(CR_UNWIND_STRIP(record[1])))
            return false;
        fp = record[0];
    }
    return true;
}

/* Code without a table that returns right behind its call, as the trampolines that CPython makes for its functions do. */
CR_UNWIND_LOOKS static bool returns(struct cr_unwind_walk *walk, struct cr_unwind_return *found)
{
    uintptr_t sp = walk->sp;
    return cr_unwind_returns(walk->pc, found) && cr_unwind_memory_has(&walk->memory, sp + found->ra) &&
           cr_unwind_follows_call(CR_UNWIND_STRIP(*(const uintptr_t *)(sp + found->ra)));
}

/* Code without a table (made at run time, or assembly): the frame pointer may hold. It does if it points at a frame outside of this one that
 * leads back to behind a call, and either on outwards or into code with a table. A chain that has led here ends with a null record. */
CR_UNWIND_LOOKS static bool step_chain(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame)
{
    uintptr_t fp = walk->fp;
    const uintptr_t *record = (const uintptr_t *)fp;
    frame->flags = CR_FRAME_USES_FP;
    if ((cr_unwind_rule(walk->pc) & CR_RULE_KIND_MASK) != CR_RULE_NONE)
        return ends(
            walk,
            CR_UNWIND_ROOT); /* no call ends where a function begins: makecontext put this here, to be returned to */
    struct cr_unwind_return found;
    if (returns(walk, &found))
        return go_out(walk, frame, walk->sp + found.cfa, walk->sp + found.ra, found.fp == UINT32_MAX ? 0 : walk->sp + found.fp);
    if ((fp < walk->sp && !chains_elsewhere(walk, fp)) || !cr_unwind_memory_has(&walk->memory, fp) ||
        !cr_unwind_memory_has(&walk->memory, fp + sizeof fp))
        return ends(walk, CR_UNWIND_NO_RULE);
    uintptr_t ra = CR_UNWIND_STRIP(record[1]);
    uint32_t next = cr_unwind_rule(ra - 1);
    enum cr_rule_kind kind = next & CR_RULE_KIND_MASK;
    bool chain_ends = record[0] == 0 || kind != CR_RULE_NONE; /* code with tables may use fp for anything */
    bool by_fp = kind == CR_RULE_NONE || kind == CR_RULE_END || (kind == CR_RULE_FRAME && next & CR_RULE_BASE_FP);
    if (!cr_unwind_follows_call(ra) || !(record[0] > fp || chain_ends) || !(CR_FRAME_RECORD_ON_TOP || by_fp))
        return ends(walk, record[0] == 0 && walk->chained ? CR_UNWIND_ROOT : CR_UNWIND_NO_RULE);
    walk->chained = true;
    return go_out(walk, frame, fp + 2 * sizeof fp, fp + sizeof fp, fp);
}

bool cr_unwind_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame)
{
    frame->fp_slot = 0;
    frame->cfa_slot = 0;
    frame->flags = 0;
    if (walk->exact)
        return cr_unwind_full_step(walk, frame);
    uint32_t rule = cr_unwind_rule(walk->pc - 1);
    switch ((enum cr_rule_kind)(rule & CR_RULE_KIND_MASK)) {
    case CR_RULE_FRAME: return step_frame(walk, frame, rule);
    case CR_RULE_REALIGN: return step_realigned(walk, frame, rule);
    case CR_RULE_NONE: return step_chain(walk, frame);
    case CR_RULE_END: return ends(walk, CR_UNWIND_ROOT);
    case CR_RULE_FULL:
    case CR_RULE_SIGNAL: return cr_unwind_full_step(walk, frame);
    case CR_RULE_BAD: break;
    }
    return ends(walk, CR_UNWIND_BAD_RULE);
}
