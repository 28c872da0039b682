/* leak_graph.c - see leak_graph.h. Marking; the index of blocks is in leak_index.c.
 *
 * A block is marked once in each step and scanned once after that. Blocks that are marked and not yet scanned ("grey") lie on a stack of fixed
 * size; when it is full, later ones stay grey off it, and are found by passes over all blocks. */
#include "events/leak_graph.h"

#include <string.h>

#include "events/leak_index.h"
#include "platform/platform.h"
#include "base/banned.h"

#define PIECE_BYTES ((uintptr_t)1 << 20) /* of larger ranges only the pages that have contents are looked at */
#define WORD sizeof(uintptr_t)
#define COPY_BYTES ((size_t)64 << 10)

/* What a pointer found now means. */
enum step {
    STEP_REACH,    /* from what is reachable */
    STEP_POSSIBLE, /* from what is possibly lost */
    STEP_VISIT,    /* from what is lost: who else is */
    STEP_CLAIM,    /* from a leader: who is lost through it */
};

static struct {
    enum step step;
    const struct cr_leak_range *range;
    size_t ranges, last_range;
    struct cr_leak_tree tree;
    bool direct, copies; /* copies: memory can be copied safely */
} mark;

static uintptr_t copy[COPY_BYTES / sizeof(uintptr_t)];

/* Pieces of reachable blocks, address >> PIECE_SHIFT at its low bits; 0: none. What points into one tells nothing any more, and
 * a pool has very many such pointers to its inside. */
#define PIECE_SHIFT 9
#define PIECES 8192u
static uintptr_t settled[PIECES];

bool cr_leak_graph_begin(void)
{
    memset(settled, 0, sizeof settled);
    bool made = cr_leak_index_make();
    if (!made)
        cr_leak_index_drop();
    return made;
}

void cr_leak_graph_end(void) { cr_leak_index_drop(); }

/* ---- what may be read ---- */

void cr_leak_readable(const struct cr_leak_range *ranges, size_t count, bool direct)
{
    uintptr_t probe = 1, word = 0;
    mark.copies = cr_os_read_memory((uintptr_t)&probe, &word, sizeof word) == sizeof word;
    mark.direct = direct;
    mark.range = ranges;
    mark.ranges = count;
    mark.last_range = 0;
}

/* The first range that ends behind an address; most questions are about the one of the last time. */
static const struct cr_leak_range *range_at(uintptr_t address)
{
    const struct cr_leak_range *last = &mark.range[mark.last_range];
    if (mark.ranges && address - last->start < last->end - last->start)
        return last;
    size_t low = 0, high = mark.ranges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mark.range[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == mark.ranges)
        return NULL;
    mark.last_range = low;
    return &mark.range[low];
}

static bool readable(uintptr_t address, size_t bytes)
{
    const struct cr_leak_range *range = range_at(address);
    return range && address >= range->start && range->end - address >= bytes;
}

static uintptr_t word_at(uintptr_t address) { return *(const uintptr_t *)address; }

/* ---- pointers to the inside that count as pointers to the block ---- */

/* A std::string of the old kind: length, capacity and count stand before what the pointer points at, and a zero behind. */
static bool is_string(uintptr_t start, uint64_t size, uintptr_t inside)
{
    if (inside != 3 * WORD || size < 3 * WORD)
        return false;
    uintptr_t length = word_at(start), capacity = word_at(start + WORD);
    return length <= capacity && 3 * WORD + capacity + 1 == size;
}

/* new[] of things with a destructor: their number stands before the first. */
static bool is_array(uintptr_t start, uint64_t size, uintptr_t inside)
{
    if (inside != WORD || size <= WORD)
        return false;
    uintptr_t count = word_at(start);
    return count && (size - WORD) % count == 0;
}

/* An allocator on top of malloc that keeps the size before each block, as sqlite3's. */
static bool is_sized(uintptr_t start, uint64_t size, uintptr_t inside)
{
    return inside == 8 && size > 8 && word_at(start) == size - 8;
}

/* A table of virtual functions, at an offset of its object: the word before the one before it says that offset, negated
 * (Itanium C++ ABI, 2.5.2). */
static bool is_table_for(uintptr_t table, uintptr_t offset)
{
    const struct cr_leak_range *range = table % WORD == 0 ? range_at(table) : NULL;
    return range && range->constant && table >= range->start + 2 * WORD && word_at(table - 2 * WORD) == 0 - offset;
}

/* A base class that is not the first: it begins with a table of its own. */
static bool is_base(uintptr_t start, uint64_t size, uintptr_t inside)
{
    return inside % WORD == 0 && size >= inside + WORD && is_table_for(word_at(start), 0) &&
           is_table_for(word_at(start + inside), inside);
}

static bool counts_as_start(uintptr_t start, uint64_t size, uintptr_t inside)
{
    return readable(start, size) && (is_string(start, size, inside) || is_array(start, size, inside) ||
                                     is_sized(start, size, inside) || is_base(start, size, inside));
}

/* ---- marking ---- */

static void set(uint32_t block, enum cr_leak_class class, uint32_t holder)
{
    cr_leak_set_class(block, class);
    cr_leak_index.entry[block].holder = holder;
}

static void claim(uint32_t block, uint32_t holder)
{
    set(block, CR_LEAK_INDIRECT, holder);
    mark.tree.indirect_blocks++;
    mark.tree.indirect_bytes += cr_leak_size(block);
    cr_leak_push(block);
}

/* A word of `holder` points at a block, inside bytes behind its start. */
static void found(uint32_t block, uintptr_t start, uintptr_t inside, uint32_t holder)
{
    enum cr_leak_class now = cr_leak_class_now(block);
    switch (mark.step) {
    case STEP_REACH:
        if (now == CR_LEAK_REACHABLE)
            return;
        if (!inside || counts_as_start(start, cr_leak_size(block), inside)) {
            set(block, CR_LEAK_REACHABLE, holder);
            cr_leak_push(block);
            __builtin_prefetch(cr_leak_record(block)); /* it is scanned soon */
            __builtin_prefetch((const void *)start);
        } else if (now == CR_LEAK_UNKNOWN)
            set(block, CR_LEAK_POSSIBLE, holder); /* to be scanned when all that is reachable is known */
        return;
    case STEP_POSSIBLE:
        if (now == CR_LEAK_UNKNOWN) {
            set(block, CR_LEAK_POSSIBLE, holder);
            cr_leak_push(block);
        }
        return;
    case STEP_VISIT:
        if (now == CR_LEAK_UNKNOWN) {
            cr_leak_set_class(block, CR_LEAK_DEFINITE); /* for now: not claimed by anybody */
            cr_leak_push(block);
        }
        return;
    case STEP_CLAIM:
        if (now == CR_LEAK_DEFINITE && block != mark.tree.leader)
            claim(block, holder);
        return;
    }
}

/* Notes the piece that an address is in, if it is the block's alone. */
static void settle(uintptr_t address, uint32_t block, uintptr_t start)
{
    uintptr_t piece = address >> PIECE_SHIFT, low = piece << PIECE_SHIFT, high = low + (1u << PIECE_SHIFT), other;
    if (start <= low && high - start <= cr_leak_size(block) && cr_leak_find(high - 1, &other) == block)
        settled[piece % PIECES] = piece;
}

static void consider(uintptr_t value, uint32_t holder)
{
    uintptr_t piece = value >> PIECE_SHIFT, start;
    if (settled[piece % PIECES] == piece)
        return;
    uint32_t block = cr_leak_find(value, &start);
    if (block == CR_LEAK_NONE)
        return;
    uintptr_t inside = value - start;
    if (inside && inside >= cr_leak_size(block))
        return;
    found(block, start, inside, holder);
    if (inside && cr_leak_class_now(block) == CR_LEAK_REACHABLE)
        settle(value, block, start);
}

/* Words that look like pointers wait here while the memory that tells what they point at is on its way: it is in no cache, and
 * waiting for each in turn would take three quarters of the time. All are considered before the next step. */
#define AHEAD 16u /* a power of 2 */
static struct {
    uintptr_t value;
    const uint32_t *unit;
    uint32_t holder;
} waiting[AHEAD];
static uint32_t waiting_at;

static void put(uintptr_t value, uint32_t holder)
{
    uintptr_t piece = value >> PIECE_SHIFT;
    if (!cr_leak_may_find(value) || settled[piece % PIECES] == piece)
        return;
    uint32_t at = waiting_at++ % AHEAD;
    uintptr_t old = waiting[at].value;
    uint32_t old_holder = waiting[at].holder;
    waiting[at].value = value;
    waiting[at].holder = holder;
    waiting[at].unit = cr_leak_find_soon(value);
    cr_leak_find_sooner(waiting[(at + AHEAD / 2) % AHEAD].unit);
    if (old)
        consider(old, old_holder);
}

/* Whether any was waiting. */
static bool put_all(void)
{
    bool any = false;
    for (uint32_t i = 0; i < AHEAD; i++) {
        uintptr_t value = waiting[i].value;
        waiting[i].value = 0;
        waiting[i].unit = NULL;
        any = any || value;
        if (value)
            consider(value, waiting[i].holder);
    }
    return any;
}

/* holder CR_HOLDER_ROOT or above: each word is a holder of its own, counted up. */
static void scan_words(const uintptr_t *word, size_t count, uint64_t holder)
{
    uintptr_t lowest = cr_leak_index.lowest, span = cr_leak_index.highest - lowest;
    bool roots = holder >= CR_HOLDER_ROOT;
    for (size_t i = 0; i < count; i++) {
        if (CR_LIKELY(word[i] - lowest >= span))
            continue;
        uint64_t number = roots ? holder + i : holder;
        put(word[i], number > UINT32_MAX ? UINT32_MAX : (uint32_t)number);
    }
}

/* A piece that may turn out not to be readable, in part. */
static void scan_copy(uintptr_t from, uintptr_t to, uint64_t holder)
{
    bool roots = holder >= CR_HOLDER_ROOT;
    uintptr_t page = cr_os_page_bytes();
    while (from < to) {
        size_t wanted = to - from < COPY_BYTES ? to - from : COPY_BYTES;
        size_t got = cr_os_read_memory(from, copy, wanted);
        scan_words(copy, got / WORD, holder);
        size_t done =
            got == wanted ? wanted : ((from + got) | (page - 1)) + 1 - from; /* over the page that cannot be read */
        from += done;
        holder += roots ? done / WORD : 0;
    }
}

/* The words of any range, as far as they can be read. */
static void scan(uintptr_t start, uintptr_t end, uint64_t holder, bool direct)
{
    uintptr_t first = start;
    bool roots = holder >= CR_HOLDER_ROOT;
    while (start < end) {
        const struct cr_leak_range *range = range_at(start);
        if (!range || range->start >= end)
            return;
        uintptr_t from = start > range->start ? start : range->start, to = end < range->end ? end : range->end;
        start = to;
        while (from < to) {
            uintptr_t until = to;
            if (to - from > PIECE_BYTES && !cr_os_next_resident(&from, to, &until))
                break;
            from = (from + WORD - 1) & ~(WORD - 1);
            uint64_t number = roots ? holder + (from - first) / WORD : holder;
            if (until > from && direct)
                scan_words((const uintptr_t *)from, (until - from) / WORD, number);
            else if (until > from)
                scan_copy(from, until, number);
            from = until;
        }
    }
}

/* Scans all that is grey. */
static void drain(void)
{
    for (;;) {
        uint32_t block = cr_leak_pop();
        if (block == CR_LEAK_NONE && put_all())
            continue;
        if (block == CR_LEAK_NONE)
            return;
        uintptr_t start = cr_leak_address(block);
        scan(start, start + cr_leak_size(block), (uint64_t)block + 1, mark.direct || !mark.copies);
    }
}

static uint64_t root_holder(uint64_t number)
{
    return CR_HOLDER_ROOT | (number < CR_HOLDER_ROOT_MOST ? number : CR_HOLDER_ROOT_MOST);
}

void cr_leak_mark_words(uintptr_t start, uintptr_t end, uint64_t number)
{
    start = (start + WORD - 1) & ~(WORD - 1);
    mark.step = STEP_REACH;
    if (start < end)
        scan(start, end, root_holder(number), !mark.copies);
    drain();
}

void cr_leak_mark_value(uintptr_t value, uint64_t number)
{
    mark.step = STEP_REACH;
    consider(value, (uint32_t)root_holder(number));
    drain();
}

void cr_leak_mark_block(uint32_t block, uint64_t number)
{
    mark.step = STEP_REACH;
    found(block, cr_leak_address(block), 0, (uint32_t)root_holder(number));
    drain();
}

/* ---- what is not reachable ---- */

static void mark_possible(void)
{
    mark.step = STEP_POSSIBLE;
    for (uint32_t i = 0; i < cr_leak_index.count; i++)
        if (cr_leak_class_now(i) == CR_LEAK_POSSIBLE) {
            cr_leak_push(i);
            drain();
        }
}

/* Two passes find the fewest blocks that lead to all others that are lost, which in each circle is one block. First, from the lowest address on,
 * whatever has not been visited is a candidate, and visits. A block that leads to a candidate and was not visited by it or before it
 * would have to be a later candidate or visited by one; so from the last candidate to the first, one that nobody has claimed is a leader,
 * and claims all it leads to. */
static void find_candidates(void)
{
    mark.step = STEP_VISIT;
    for (uint32_t i = 0; i < cr_leak_index.count; i++)
        if (cr_leak_class_now(i) == CR_LEAK_UNKNOWN && !(cr_leak_index.entry[i].place & CR_LEAK_DOUBLE)) {
            cr_leak_set_class(i, CR_LEAK_DEFINITE);
            cr_leak_index.entry[i].place |= CR_LEAK_CANDIDATE;
            cr_leak_push(i);
            drain();
        }
}

void cr_leak_classify(void (*lost)(void *context, const struct cr_leak_tree *tree), void *context)
{
    mark_possible();
    find_candidates();
    mark.step = STEP_CLAIM;
    for (uint32_t i = cr_leak_index.count; i-- > 0;) {
        if (!(cr_leak_index.entry[i].place & CR_LEAK_CANDIDATE) || cr_leak_class_now(i) != CR_LEAK_DEFINITE)
            continue;
        mark.tree = (struct cr_leak_tree){.leader = i};
        cr_leak_push(i);
        drain();
        lost(context, &mark.tree);
    }
}
