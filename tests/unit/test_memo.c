/* state/memo: a stack is met again only when everything it was found by is unchanged; and with the memo every stack of a random
 * program has the site that a walk from scratch gives it. */
#include "state/memo.h"

#include "random.h"
#include "stacks.h"
#include "state/call_tree.h"
#include "tap.h"
#include "tracker.h"

/* ---- a stack made by hand ---- */

#define FRAMES 10u
#define WORDS (2u * FRAMES)
#define LEAF_PC 0x555500u

static struct made {
    uintptr_t stack[64];
    struct cr_unwind_state state;
    struct cr_memo memo;
    struct cr_unwind_start start;
} made;

/* Ten frames of 32 bytes, each with a return address and a saved frame pointer in it, and kept as site 7. */
static void make(void)
{
    memset(&made, 0, sizeof made);
    for (uint32_t i = 0; i < 64; i++)
        made.stack[i] = 1000 + i;
    struct cr_unwind_state *state = &made.state;
    for (uint32_t i = 0; i <= FRAMES; i++) { /* from the outermost to the leaf, which has number FRAMES */
        uintptr_t *frame = &made.stack[4 * (FRAMES - i)];
        state->sp[i] = (uintptr_t)frame;
        state->slot_count[i] = 2 * i;
        state->pc[i] = i < FRAMES ? frame[-1] : LEAF_PC;
        for (uint32_t w = 2 * i; w < 2 * i + 2 && w < WORDS; w++) {
            state->slot[w] = frame - 1 - w % 2;
            state->value[w] = *state->slot[w];
        }
    }
    state->frames = state->joinable = FRAMES + 1;
    state->slots_inside = true;
    state->needs_fp[FRAMES] = true;
    made.start = (struct cr_unwind_start){.pc = LEAF_PC, .sp = (uintptr_t)made.stack, .fp = 42};
    made.memo.stamp = CR_MEMO_LAYERS + 1;
    made.memo.stack_low = (uintptr_t)made.stack;
    made.memo.stack_bytes = sizeof made.stack;
}

static void keep(void) { cr_memo_keep(&made.memo, &made.state, &made.start, 7); }

/* Both ways to an entry: the one that is expected, and the one its hash leads to. */
static bool is_met(void)
{
    bool met = cr_memo_find(&made.memo, &made.start) == 7;
    made.memo.expected = CR_MEMO_ENTRIES - 1 - made.memo.expected;
    return met | (cr_memo_find(&made.memo, &made.start) == 7);
}

static bool every_word_counts(void)
{
    bool right = true;
    for (uint32_t i = 0; i < WORDS; i++) {
        uintptr_t *word = made.state.slot[i], was = *word;
        for (int bit = 0; bit < 64; bit += 9) {
            *word = was ^ (uintptr_t)1 << bit;
            right = right && !is_met();
        }
        *word = was;
        right = right && is_met();
    }
    return right;
}

static bool a_start_counts(uintptr_t *part)
{
    uintptr_t was = *part;
    *part += 8;
    bool right = !is_met();
    *part = was;
    return right && is_met();
}

static void test_made_stack(void)
{
    make();
    ok(!is_met(), "what was not kept is not met");
    keep();
    ok(is_met(), "what was kept is met");
    ok(every_word_counts(), "but not with any bit of a word changed");
    made.stack[0] = made.stack[4] = made.stack[63] = 0;
    ok(is_met(), "words that the walk does not read may change");
    ok(a_start_counts(&made.start.pc) && a_start_counts(&made.start.sp), "pc and sp count");
    ok(a_start_counts(&made.start.fp), "and fp, where the walk depends on it");
    cr_memo_layer(&made.memo, 5);
    bool met = is_met();
    cr_memo_layer(&made.memo, 1);
    ok(!met && is_met(), "a stack is met in its own layer only");
    cr_memo_void(&made.memo);
    ok(!is_met(), "and no more once all are void");
    uint32_t first = made.memo.stamp;
    keep();
    made.memo.stamp |= UINT32_MAX / CR_MEMO_LAYERS * CR_MEMO_LAYERS;
    cr_memo_void(&made.memo);
    ok(made.memo.stamp < first && made.memo.stamp >= CR_MEMO_LAYERS, "stamps begin anew after the last");
    cr_memo_void(&made.memo);
    made.memo.stamp = first;
    ok(!is_met(), "and what was kept under the same one before is gone");

    make();
    made.state.needs_fp[FRAMES] = false;
    keep();
    made.start.fp = 43;
    ok(is_met(), "fp counts not where no frame depends on it");
}

/* What must not be kept, and why. */
static bool is_kept_after(void (*change)(void))
{
    make();
    change();
    keep();
    return is_met();
}

static void nothing(void) {}
static void other_bounds(void) { made.memo.stack_low = (uintptr_t)made.stack + sizeof made.stack; }
static void no_bounds(void) { made.memo.stack_low = made.memo.stack_bytes = 0; }
static void slots_elsewhere(void) { made.state.slots_inside = false; }
static void slot_below(void) { made.start.sp += 64; }
static void signal_frame(void) { made.state.joinable--; }
static void too_deep(void) { made.state.dropped = CR_UNWIND_DEPTH_STEP; }
static void too_many_words(void) { made.state.slot_count[made.state.frames - 1] = CR_MEMO_WORDS + 1; }
static void other_leaf(void) { made.start.pc++; }

static void test_what_is_kept(void)
{
    ok(is_kept_after(nothing), "a stack within the thread's own bounds is kept");
    ok(!is_kept_after(other_bounds) && !is_kept_after(no_bounds), "none of another stack, or of unknown bounds");
    ok(!is_kept_after(slots_elsewhere) && !is_kept_after(slot_below), "none whose words lie elsewhere, or below sp");
    ok(!is_kept_after(signal_frame), "none with a signal frame");
    ok(!is_kept_after(too_deep) && !is_kept_after(too_many_words), "none that is too deep");
    ok(!is_kept_after(other_leaf), "none that is not the start's");
    make();
    cr_memo_keep(&made.memo, &made.state, &made.start, 0);
    ok(!cr_memo_find(&made.memo, &made.start), "none without a site");
}

/* ---- a random program ---- */

#define ROUTES 300
#define CALLS 20000

static struct {
    struct cr_thread *thread;
    struct cr_unwind_state scratch;
    int met, wrong;
} program;

/* The block's site against a walk that knows nothing of earlier ones. */
static void check(struct stacks *stacks, const struct cr_unwind_start *start)
{
    (void)stacks;
    struct cr_thread *thread = program.thread;
    struct cr_unwind_state *scratch = &program.scratch;
    void *block = (void *)0x100000000000;
    program.met += cr_memo_find(thread->memo, start) != 0;
    cr_on_alloc(thread, block, 1, CR_KIND_MALLOC, start);
    const struct cr_site *site = cr_site(cr_record(*cr_block_slot((uintptr_t)block, false))->node);
    cr_on_free(thread, block, 0);

    scratch->stack_low = thread->unwind->stack_low;
    scratch->stack_high = thread->unwind->stack_high;
    scratch->joinable = 0;
    struct cr_unwind_stack stack = cr_unwind_capture(scratch, start);
    uint32_t node = stack.end;
    for (uint32_t i = 0; i + 1 < stack.frames; i++)
        node = cr_tree_child(node, scratch->pc[i]);
    program.wrong += site->parent != node || site->address != start->pc || scratch->pc[stack.frames - 1] != start->pc;
}

static void change_route(struct stacks *route, uint64_t *random)
{
    route->depth = (uint32_t)random_below(random, 20);
    for (uint32_t i = (uint32_t)random_below(random, 20); i < STACKS_DEEPEST; i++)
        route->digit[i] = (uint8_t)random_below(random, 4);
    route->leaf = (uint8_t)random_below(random, 2);
}

static void test_random_program(void)
{
    static struct stacks route[ROUTES];
    uint64_t random = 11;
    for (int i = 0; i < ROUTES; i++) {
        route[i] = i ? route[i - 1] : (struct stacks){.reached = check};
        change_route(&route[i], &random);
    }
    program.thread = cr_enter();
    uint64_t near = 0;
    for (int i = 0; i < CALLS; i++) { /* mostly among a few, which change slowly */
        near += random_below(&random, 50) == 0;
        stacks_run(&route[(near + random_below(&random, 5)) % ROUTES]);
    }
    cr_leave(program.thread);
    ok(program.wrong == 0, "each of %d stacks has the site that a walk from scratch gives it", CALLS);
    ok(program.met > CALLS / 2, "most were met, not walked (%d)", program.met);
}

int main(void)
{
    test_made_stack();
    test_what_is_kept();
    if (!tracker_start())
        return 1;
    test_random_program();
    ok(tracker_end(), "nothing else was written");
    return tap_done();
}
