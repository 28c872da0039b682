/* unwind.c - captures a stack, and recognises what it shares with the thread's previous one. See unwind.h.
 *
 * Invariant of the state: walking from frame i of it reads exactly slots 0 .. slot_count[i]-1, whose values were value[]. So a frame met
 * again with the same pc, sp and fp, with all these slots unchanged, has the same callers again, without walking. The slots are kept
 * apart from the frames, as two flat arrays, because comparing them is nearly all the work for a deep stack. */
#include "base/unwind.h"

#include "base/unwind_step.h"

#include "platform/platform.h"
#include "platform/unwind_platform.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_WALK 65536u
#define NOT_JOINED UINT32_MAX

const char *cr_unwind_end_text(enum cr_unwind_end end)
{
    static const char *const text[CR_UNWIND_ENDS] = {
        [CR_UNWIND_ROOT] = "reached the outermost frame",
        [CR_UNWIND_NO_RULE] = "no unwind table for the code, and no frame pointer",
        [CR_UNWIND_BAD_RULE] = "unwind table not understood",
        [CR_UNWIND_BAD_CFA] = "implausible frame address",
        [CR_UNWIND_BAD_READ] = "stack not readable",
        [CR_UNWIND_TOO_DEEP] = "too deep",
        [CR_UNWIND_LOST] = "registers of the caller unknown",
        [CR_UNWIND_BUSY] = "interrupted another capture",
    };
    return (unsigned)end < CR_UNWIND_ENDS ? text[end] : "?";
}

/* ---- recognising ---------------------------------------------------------------------------------------------------- */

/* How many of the first count slots remain to be explained: 0 if all hold their values, else the number of the last one that does not,
 * plus one. Eight at a time without a branch; every slot lies in memory that can be read. */
CR_UNWIND_LOOKS static uint32_t last_changed(const struct cr_unwind_state *state, uint32_t count)
{
    uintptr_t *const *slot = state->slot;
    const uintptr_t *value = state->value;
    while (count >= 8) {
        uintptr_t changed = 0;
#pragma GCC unroll 8
        for (uint32_t i = 1; i <= 8; i++)
            changed |= *slot[count - i] ^ value[count - i];
        if (changed)
            break;
        count -= 8;
    }
    while (count > 0 && *slot[count - 1] == value[count - 1])
        count--;
    return count;
}

/* The same where slots may lie outside of the thread's own stack: its pages may have gone since. */
CR_UNWIND_LOOKS static uint32_t last_changed_careful(const struct cr_unwind_state *state, uint32_t count,
                                                     struct cr_unwind_memory *memory)
{
    while (count > 0 && cr_unwind_memory_has(memory, (uintptr_t)state->slot[count - 1]) &&
           *state->slot[count - 1] == state->value[count - 1])
        count--;
    return count;
}

static uint32_t dropped_at_depth(uint32_t depth)
{
    return depth <= CR_UNWIND_DEPTH
               ? 0
               : (depth - CR_UNWIND_DEPTH + CR_UNWIND_DEPTH_STEP - 1) / CR_UNWIND_DEPTH_STEP * CR_UNWIND_DEPTH_STEP;
}

/* Whether the previous stack's frame before *next, and all outside of it, are those of the frame the walk is at. If so *next becomes its index, else
 * that of the next that may be, plus one, as all indices of the search. */
static bool joins(const struct cr_unwind_state *state, uint32_t *next, uintptr_t fp, struct cr_unwind_memory *memory)
{
    uint32_t index = *next - 1;
    *next = index;
    if (state->needs_fp[index] && state->fp[index] != fp)
        return false;
    uint32_t count = state->slot_count[index];
    bool readable = state->slots_inside && memory->high == state->stack_high;
    uint32_t changed = readable ? last_changed(state, count) : last_changed_careful(state, count, memory);
    if (changed) { /* frames that depend on a changed slot need not be tried */
        while (*next > 0 && state->slot_count[*next - 1] >= changed)
            --*next;
        return false;
    }
    return true;
}

/* A stack that was too deep lacks its outermost frames; once it has shrunk, some are wanted again. Called where the walk, with walked frames behind
 * it, has met the frame at index. If so, sets how many frames to walk in all, and how many are outside of those. */
static __attribute__((noinline)) bool wants_more(const struct cr_unwind_state *state, uint32_t index, uint32_t walked,
                                                 struct cr_unwind_walk *walk)
{
    uint32_t depth = state->dropped + index + 1 + walked;
    uint32_t dropped = dropped_at_depth(depth);
    if (dropped >= state->dropped)
        return false;
    bool known = state->end != CR_UNWIND_TOO_DEEP; /* else nobody knows how many they are */
    walk->dropped = known ? dropped : state->dropped;
    walk->most = known ? depth - dropped : CR_UNWIND_DEPTH;
    return true;
}

/* ---- walking -------------------------------------------------------------------------------------------------------- */

/* One step with the common rule, in memory known to be readable: nearly every step is. False: cr_unwind_step must look. */
static inline bool step_common(uintptr_t *pc, uintptr_t *sp, uintptr_t *fp, uintptr_t high,
                               struct cr_unwind_frame *frame)
{
    uint32_t rule = cr_unwind_rule_peek(*pc - 1);
    uintptr_t base = cr_rule_base(rule, *sp, *fp);
    uintptr_t cfa = cr_rule_cfa(rule, base);
    uintptr_t ra_slot = cr_rule_ra_slot(rule, base, cfa);
    uintptr_t fp_slot = cr_rule_fp_slot(rule, base, cfa);
    uintptr_t room = high - *sp; /* without branches: each would be one more to be mispredicted */
    bool outside =
        (ra_slot - *sp >= room) | (fp_slot - *sp >= room) | (cfa - *sp - 1 >= room) | (((ra_slot | fp_slot) & 7u) != 0);
    if (__builtin_expect((rule == 0) | outside, 0))
        return false;
    uintptr_t ra = *(const uintptr_t *)ra_slot;
    if (__builtin_expect(ra == 0, 0))
        return false;
    uintptr_t saved_fp = *(const uintptr_t *)fp_slot;
    bool saved = fp_slot != ra_slot;
    frame->fp_slot = saved ? fp_slot : 0;
    frame->cfa_slot = 0;
    frame->flags = rule & CR_RULE_BASE_FP ? CR_FRAME_USES_FP : 0;
    frame[1].pc_slot = ra_slot;
    *pc = CR_UNWIND_STRIP(ra);
    *sp = cfa;
    *fp = saved ? saved_fp : *fp;
    return true;
}

/* Walks outwards until the root or a frame of the previous stack. Frames go to state->fresh, leaf first; returns how many there are, of which the
 * first CR_UNWIND_DEPTH are kept. *joined receives the previous stack's index of the frame after the last, or NOT_JOINED. A walk that needs not go to
 * the root, since its number of frames is known, sets walk->dropped. */
static uint32_t walk_out(struct cr_unwind_state *state, struct cr_unwind_walk *walk, uint32_t *joined)
{
    uintptr_t pc = walk->pc, sp = walk->sp, fp = walk->fp;
    uint32_t next = state->joinable;
    *joined = NOT_JOINED;
    for (uint32_t count = 0; count < walk->most; count++) {
        struct cr_unwind_frame *frame = &state->fresh[count < CR_UNWIND_DEPTH ? count : CR_UNWIND_DEPTH];
        /* Frame addresses grow outwards: the previous stack's frames inside of this one are passed by. */
        while (next > 0 && state->sp[next - 1] < sp)
            next--;
        while (next > 0 && state->sp[next - 1] == sp && state->pc[next - 1] == pc && !walk->exact) {
            if (!joins(state, &next, fp, &walk->memory))
                continue;
            if (__builtin_expect(state->dropped == 0, 1) || !wants_more(state, next, count, walk)) {
                *joined = next;
                return count;
            }
            next = 0;
        }
        frame->pc = pc;
        frame->sp = sp;
        frame->fp = fp;
        if (walk->exact || !step_common(&pc, &sp, &fp, walk->memory.high, frame)) {
            walk->pc = pc;
            walk->sp = sp;
            walk->fp = fp;
            if (!cr_unwind_step(walk, frame)) {
                walk->dropped = 0;
                return count + 1;
            }
            pc = walk->pc;
            sp = walk->sp;
            fp = walk->fp;
        }
    }
    walk->end = walk->most == MAX_WALK ? CR_UNWIND_TOO_DEEP : state->end;
    return walk->most;
}

/* ---- keeping --------------------------------------------------------------------------------------------------------- */

struct kept {
    uint32_t frames, slots;
    bool barrier, inside;
};

static void keep_slot(struct cr_unwind_state *state, struct kept *kept, uintptr_t address)
{
    state->slot[kept->slots] = (uintptr_t *)address;
    state->value[kept->slots++] = *(const uintptr_t *)address;
    kept->inside = kept->inside && address - state->stack_low < state->stack_high - state->stack_low;
}

/* Appends frame to the state. Its caller is the state's last frame so far, if any, found where outer->pc_slot says. */
static void keep_frame(struct cr_unwind_state *state, struct kept *kept, const struct cr_unwind_frame *frame,
                       const struct cr_unwind_frame *outer)
{
    uint32_t i = kept->frames++;
    bool caller_needs_fp = i > 0 && state->needs_fp[i - 1];
    if (outer && outer->pc_slot)
        keep_slot(state, kept, outer->pc_slot);
    if (caller_needs_fp && frame->fp_slot)
        keep_slot(state, kept, frame->fp_slot);
    if (frame->cfa_slot)
        keep_slot(state, kept, frame->cfa_slot);
    state->pc[i] = frame->pc;
    state->sp[i] = frame->sp;
    state->fp[i] = frame->fp;
    state->needs_fp[i] = frame->flags & CR_FRAME_USES_FP || (caller_needs_fp && !frame->fp_slot);
    state->slot_count[i] = kept->slots;
    kept->barrier = kept->barrier || frame->flags & CR_FRAME_BARRIER;
    if (!kept->barrier)
        state->joinable = i + 1;
}

/* The first frame of a stack: what ended the walk is part of what must be met again. */
static void keep_end(struct cr_unwind_state *state, struct kept *kept, struct cr_unwind_frame *outermost,
                     const struct cr_unwind_walk *walk)
{
    if (walk->null_slot)
        keep_slot(state, kept, walk->null_slot);
    if (walk->end != CR_UNWIND_ROOT)
        outermost->flags |= CR_FRAME_USES_FP;
    state->end = walk->end;
    state->walks[walk->end]++;
}

/* Leaves out the outermost frames of the state, which are fewer than it has. */
static void drop_outermost(struct cr_unwind_state *state, uint32_t count)
{
    uint32_t rest = state->frames - count;
    uint32_t slots = state->slot_count[count];
    uint32_t slots_rest = state->slot_count[state->frames - 1] - slots;
    memmove(state->pc, state->pc + count, rest * sizeof *state->pc);
    memmove(state->sp, state->sp + count, rest * sizeof *state->sp);
    memmove(state->fp, state->fp + count, rest * sizeof *state->fp);
    memmove(state->needs_fp, state->needs_fp + count, rest * sizeof *state->needs_fp);
    memmove(state->slot, state->slot + slots, slots_rest * sizeof(state->slot[0]));
    memmove(state->value, state->value + slots, slots_rest * sizeof *state->value);
    for (uint32_t i = 0; i < rest; i++)
        state->slot_count[i] = state->slot_count[i + count] - slots;
    state->joinable = state->joinable > count ? state->joinable - count : 0;
    state->frames = rest;
}

/* Leaves out what is too deep: of the state's frames that stay, and of the fresh ones. Returns how many fresh ones are to be kept. */
static uint32_t limit_depth(struct cr_unwind_state *state, uint32_t walked)
{
    uint32_t dropped = dropped_at_depth(state->dropped + state->frames + walked);
    uint32_t more = dropped - state->dropped;
    state->dropped = dropped;
    if (more < state->frames) {
        if (more)
            drop_outermost(state, more);
        return walked;
    }
    more -= state->frames;
    state->frames = 0;
    return walked - more;
}

/* Puts the fresh frames after those of the state that were met again (joined) or in their place. Returns how many are not where they were. */
static uint32_t keep(struct cr_unwind_state *state, struct cr_unwind_walk *walk, uint32_t walked, uint32_t joined)
{
    bool met = joined != NOT_JOINED;
    uint32_t old_dropped = state->dropped;
    state->frames = met ? joined + 1 : 0;
    if (!met)
        state->dropped = old_dropped = walk->dropped;
    uint32_t fresh = limit_depth(state, walked);
    bool stays = state->frames > 0;
    struct kept kept = {.frames = state->frames, .inside = !stays || state->slots_inside};
    kept.slots = stays ? state->slot_count[state->frames - 1] : 0;
    state->joinable = state->frames;
    if (!met)
        keep_end(state, &kept, &state->fresh[fresh - 1], walk);
    for (uint32_t i = fresh; i-- > 0;)
        keep_frame(state, &kept, &state->fresh[i], kept.frames > 0 ? &state->fresh[i + 1] : NULL);
    state->frames = kept.frames;
    state->slots_inside = kept.inside;
    return state->dropped == old_dropped ? fresh : state->frames;
}

static void start_walk(struct cr_unwind_walk *walk, const struct cr_unwind_state *state, uintptr_t pc, uintptr_t sp,
                       uintptr_t fp)
{
    walk->pc = pc;
    walk->sp = sp;
    walk->fp = fp;
    walk->exact = false;
    walk->stacks = 0;
    walk->chained = false;
    walk->most = MAX_WALK;
    walk->dropped = 0;
    walk->null_slot = 0;
    walk->all.known = false;
    struct cr_unwind_memory *memory = &walk->memory;
    memory->stack_low = state->stack_low;
    memory->stack_high = state->stack_high;
    memory->live = memory->low = (sp & ~(uintptr_t)7) - 8; /* the return address lies there */
    bool on_stack = memory->live - state->stack_low < state->stack_high - state->stack_low;
    memory->high = on_stack ? state->stack_high : (memory->low | CR_UNWIND_PAGE_MASK) + 1;
}

/* Walks, and keeps what was found. */
static struct cr_unwind_stack capture(struct cr_unwind_state *state, struct cr_unwind_walk *walk)
{
    uint32_t joined;
    uint32_t walked = walk_out(state, walk, &joined);
    uint32_t fresh = 0;
    if (walked > 0)
        fresh = keep(state, walk, walked, joined);
    else
        state->frames = joined + 1;
    return (struct cr_unwind_stack){
        .frames = state->frames, .fresh = fresh, .truncated = state->dropped > 0, .end = state->end};
}

/* After what was found before has turned out to be wanting. */
static __attribute__((noinline, cold)) struct cr_unwind_stack capture_anew(struct cr_unwind_state *state, uintptr_t pc,
                                                                           uintptr_t sp, uintptr_t fp)
{
    struct cr_unwind_walk walk;
    state->joinable = 0;
    start_walk(&walk, state, pc, sp, fp);
    return capture(state, &walk);
}

struct cr_unwind_stack cr_unwind_capture_at(struct cr_unwind_state *state, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
    if (state->busy) {
        state->walks[CR_UNWIND_BUSY]++;
        return (struct cr_unwind_stack){.end = CR_UNWIND_BUSY};
    }
    state->busy = true;
    atomic_signal_fence(memory_order_seq_cst); /* a handler must see it before anything is half done */
    uint32_t generation = cr_unwind_generation();
    if (state->generation != generation) {
        state->generation = generation;
        state->joinable = 0;
    }
    struct cr_unwind_walk walk;
    start_walk(&walk, state, pc, sp, fp);
    struct cr_unwind_stack stack = capture(state, &walk);
    if (__builtin_expect(stack.end == CR_UNWIND_NO_RULE, 0) && cr_unwind_modules_retry())
        stack = capture_anew(state, pc, sp, fp);
    atomic_signal_fence(memory_order_seq_cst);
    state->busy = false;
    return stack;
}

struct cr_unwind_stack cr_unwind_capture_registers(struct cr_unwind_state *state,
                                                   const struct cr_os_registers *registers)
{
    struct cr_unwind_walk walk;
    state->joinable = 0;
    start_walk(&walk, state, registers->pc, registers->sp, registers->fp);
    walk.memory.live = registers->sp;
    walk.memory.low = walk.memory.high = (registers->sp + 7) & ~(uintptr_t)7; /* nothing is proven readable yet */
    cr_unwind_start_exact(&walk, registers);
    struct cr_unwind_stack stack = capture(state, &walk);
    if (stack.frames && state->pc[stack.frames - 1] == registers->pc)
        state->pc[stack.frames - 1]++;
    state->joinable = 0;
    return stack;
}
