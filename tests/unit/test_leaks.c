/* events/leak_graph: classes of random graphs of blocks against a slow reference, large blocks, deep chains, heuristics, memory that
 * cannot be read. */
#include <sys/mman.h>

#include "events/leak_graph.h"
#include "events/leak_index.h"
#include "random.h"
#include "platform/platform.h"
#include "tap.h"
#include "tracker.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define MOST 64

static char *arena;
static struct cr_thread *self;
static uintptr_t root[8];

static uint32_t below(uint32_t limit)
{
    static uint64_t state = 1;
    return (uint32_t)random_below(&state, limit);
}

static const struct cr_unwind_start *here(void)
{
    static struct cr_unwind_start start;
    start = (struct cr_unwind_start){.pc = (uintptr_t)here + 1, .sp = (uintptr_t)&start, .fp = 0};
    return &start;
}

static void make(void *block, size_t size) { cr_on_alloc(self, block, size, CR_KIND_MALLOC, here()); }

/* Says that the arena and the roots may be read, in the order of their addresses. */
static void readable(bool direct)
{
    static struct cr_leak_range ranges[2];
    struct cr_leak_range roots = {(uintptr_t)root, (uintptr_t)(root + 8), false};
    struct cr_leak_range blocks = {(uintptr_t)arena, (uintptr_t)arena + ARENA_BYTES, false};
    bool first = roots.start < blocks.start;
    ranges[0] = first ? roots : blocks;
    ranges[1] = first ? blocks : roots;
    cr_leak_readable(ranges, 2, direct);
}

static void begin(void)
{
    ok(cr_leak_graph_begin(), "the graph is made");
    readable(true);
}

static uint64_t indirect_blocks, indirect_bytes;
static uint32_t trees;

static void on_tree(void *context, const struct cr_leak_tree *tree)
{
    (void)context;
    trees++;
    indirect_blocks += tree->indirect_blocks;
    indirect_bytes += tree->indirect_bytes;
}

static void classify(void)
{
    trees = 0;
    indirect_blocks = indirect_bytes = 0;
    cr_leak_mark_words((uintptr_t)root, (uintptr_t)(root + 8), 1);
    cr_leak_classify(on_tree, NULL);
}

static enum cr_leak_class class_of(const void *block)
{
    uintptr_t start;
    uint32_t found = cr_leak_find((uintptr_t)block, &start);
    return found != CR_LEAK_NONE && start == (uintptr_t)block ? cr_leak_class(found) : CR_LEAK_UNKNOWN;
}

/* ---- random graphs ---- */

static struct {
    uint32_t count;
    char *block[MOST];
    size_t size[MOST];
    /* edge[a][b]: a (MOST: the roots) has a word that points at the start (1) or the inside (2) of b */
    uint8_t edge[MOST + 1][MOST];
    enum cr_leak_class class[MOST];
} graph;

/* A word for a pointer of kind 1 or 2 at a block; insides are odd, so that no heuristic takes them for starts. */
static uintptr_t pointer(uint32_t to, unsigned kind)
{
    return (uintptr_t)graph.block[to] + (kind == 2 ? 1 + 2 * (below((uint32_t)graph.size[to] / 2)) : 0);
}

static void point(uint32_t from, uint32_t to, unsigned kind)
{
    uintptr_t *words = from == MOST ? root : (uintptr_t *)(void *)graph.block[from];
    size_t count = from == MOST ? 8 : graph.size[from] / 8;
    for (size_t i = 0; i < count; i++)
        if (!words[i]) {
            words[i] = pointer(to, kind);
            graph.edge[from][to] |= (uint8_t)kind;
            return;
        }
}

static void draw(void)
{
    memset(&graph, 0, sizeof graph);
    memset(root, 0, sizeof root);
    madvise(arena, ARENA_BYTES, MADV_DONTNEED);
    graph.count = 1 + below(MOST);
    char *at = arena;
    for (uint32_t i = 0; i < graph.count; i++) {
        size_t size = below(20) ? 8 * (1 + below(12)) : (size_t)below(3) << 20;
        size = size ? size : 8;
        at += 16 * below(3);
        if (!below(30))
            at += (size_t)below(3) << 20;
        graph.block[i] = at;
        graph.size[i] = size;
        make(at, size);
        at += (size + 15) & ~(size_t)15;
    }
    uint32_t edges = below(3 * graph.count);
    for (uint32_t i = 0; i < edges; i++)
        point(below(12) ? below(graph.count) : MOST, below(graph.count), 1 + !below(4));
}

/* Spreads a class over the edges until nothing changes. */
static void spread(enum cr_leak_class from, unsigned kinds, enum cr_leak_class class)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t a = 0; a < graph.count; a++)
            for (uint32_t b = 0; b < graph.count; b++)
                if (graph.class[a] == from && graph.edge[a][b] & kinds && graph.class[b] == CR_LEAK_UNKNOWN) {
                    graph.class[b] = class;
                    changed = true;
                }
    }
}

static void expect(void)
{
    static bool leads[MOST][MOST];
    for (uint32_t b = 0; b < graph.count; b++)
        if (graph.edge[MOST][b] & 1)
            graph.class[b] = CR_LEAK_REACHABLE;
    spread(CR_LEAK_REACHABLE, 1, CR_LEAK_REACHABLE);
    for (uint32_t b = 0; b < graph.count; b++)
        for (uint32_t a = 0; a <= MOST; a++)
            if ((a == MOST || (a < graph.count && graph.class[a] == CR_LEAK_REACHABLE)) && graph.edge[a][b] &&
                graph.class[b] == CR_LEAK_UNKNOWN)
                graph.class[b] = CR_LEAK_POSSIBLE;
    spread(CR_LEAK_POSSIBLE, 3, CR_LEAK_POSSIBLE);
    for (uint32_t a = 0; a < graph.count; a++)
        for (uint32_t b = 0; b < graph.count; b++)
            leads[a][b] = graph.class[a] == CR_LEAK_UNKNOWN && graph.class[b] == CR_LEAK_UNKNOWN && graph.edge[a][b];
    for (uint32_t k = 0; k < graph.count; k++)
        for (uint32_t a = 0; a < graph.count; a++)
            for (uint32_t b = 0; b < graph.count; b++)
                leads[a][b] = leads[a][b] || (leads[a][k] && leads[k][b]);
    for (uint32_t b = 0; b < graph.count; b++) {
        if (graph.class[b] != CR_LEAK_UNKNOWN)
            continue;
        bool leader = true; /* whoever leads to it is in its circle, and behind it */
        for (uint32_t a = 0; a < graph.count; a++)
            leader = leader && !(leads[a][b] && a != b && (!leads[b][a] || a < b));
        graph.class[b] = leader ? CR_LEAK_DEFINITE : CR_LEAK_INDIRECT;
    }
}

static bool holder_is_right(uint32_t number)
{
    uint32_t holder = cr_leak_holder(number);
    uintptr_t address = cr_leak_address(number), size = cr_record_size(cr_leak_record(number)), word;
    if (cr_leak_class(number) == CR_LEAK_DEFINITE)
        return holder == 0;
    if (holder & CR_HOLDER_ROOT)
        word = root[(holder & ~CR_HOLDER_ROOT) - 1];
    else {
        word = 0;
        const uintptr_t *words = (const uintptr_t *)cr_leak_address(holder - 1);
        for (size_t i = 0; i < cr_record_size(cr_leak_record(holder - 1)) / 8; i++)
            if (words[i] - address < size)
                word = words[i];
    }
    return word - address < size;
}

static bool one_graph(void)
{
    draw();
    expect();
    bool made = cr_leak_graph_begin(), right = made;
    readable(below(2));
    classify();
    uint64_t blocks = 0, bytes = 0;
    right = right && cr_leak_count() == graph.count;
    for (uint32_t i = 0; right && i < graph.count; i++) {
        right = class_of(graph.block[i]) == graph.class[i] && cr_leak_address(i) == (uintptr_t)graph.block[i] &&
                holder_is_right(i);
        blocks += graph.class[i] == CR_LEAK_INDIRECT;
        bytes += graph.class[i] == CR_LEAK_INDIRECT ? graph.size[i] : 0;
        if (!right)
            printf("# block %u of %u: %d, not %d\n", i, graph.count, (int)class_of(graph.block[i]),
                   (int)graph.class[i]);
    }
    right = right && blocks == indirect_blocks && bytes == indirect_bytes;
    cr_leak_graph_end();
    for (uint32_t i = 0; i < graph.count; i++)
        cr_on_free(self, graph.block[i], 0);
    return right;
}

static void test_random_graphs(void)
{
    int right = 0, graphs = 3000;
    for (int i = 0; i < graphs; i++)
        right += one_graph();
    ok(right == graphs, "%d of %d random graphs are classified as by the reference", right, graphs);
}

/* ---- shapes ---- */

static void test_chain(void)
{
    madvise(arena, ARENA_BYTES, MADV_DONTNEED);
    const uint32_t count = 200000;
    char *first = arena;
    for (uint32_t i = 0; i < count; i++) { /* each points at the one before it: no pass in order of addresses helps */
        *(char **)(void *)(first + 32 * i) = i ? first + 32 * (i - 1) : NULL;
        make(first + 32 * i, 24);
    }
    memset(root, 0, sizeof root);
    begin();
    classify();
    ok(class_of(first + 32 * (count - 1)) == CR_LEAK_DEFINITE && trees == 1 && indirect_blocks == count - 1,
       "of a long chain the first is lost, and all others through it");
    cr_leak_graph_end();
    root[3] = (uintptr_t)first + 32 * (count - 1);
    begin();
    classify();
    ok(!trees && class_of(first) == CR_LEAK_REACHABLE, "with a root it is reachable to its end");
    cr_leak_graph_end();
    for (uint32_t i = 0; i < count; i++)
        cr_on_free(self, first + 32 * i, 0);
}

static void test_fan(void)
{
    const uint32_t count = 100000;
    uintptr_t *table = (uintptr_t *)(void *)arena;
    char *first = arena + 8 * count;
    for (uint32_t i = 0; i < count; i++) {
        table[i] = (uintptr_t)first + 32 * i;
        memset(first + 32 * i, 0, 24);
        make(first + 32 * i, 24);
    }
    make(table, 8 * count);
    memset(root, 0, sizeof root);
    root[0] = (uintptr_t)table;
    begin();
    classify();
    bool all = true;
    for (uint32_t i = 0; i < cr_leak_count(); i++)
        all = all && cr_leak_class(i) == CR_LEAK_REACHABLE;
    ok(all && cr_leak_count() == count + 1, "more blocks at once than the stack of grey ones holds are all reached");
    size_t bytes = cr_leak_index.entry_bytes + cr_leak_index.directory_bytes + cr_leak_index.grey_bytes +
                   cr_leak_index.regions * (sizeof(struct cr_leak_region) + 8);
    ok(bytes <= 16 * (size_t)count + 40 * cr_leak_index.regions + 4096, "%zu bytes a block are needed", bytes / count);
    cr_leak_graph_end();
    for (uint32_t i = 0; i < count; i++)
        cr_on_free(self, first + 32 * i, 0);
    cr_on_free(self, table, 0);
}

/* ---- pointers to the inside ---- */

static enum cr_leak_class with_inside(const uintptr_t *words, size_t size, uintptr_t inside)
{
    memset(arena, 0, 256);
    memcpy(arena, words, 64);
    make(arena, size);
    memset(root, 0, sizeof root);
    root[0] = (uintptr_t)arena + inside;
    bool made = cr_leak_graph_begin();
    struct cr_leak_range range[3] = {{(uintptr_t)root, (uintptr_t)(root + 8), false},
                                     {(uintptr_t)arena, (uintptr_t)arena + 4096, false},
                                     {(uintptr_t)arena + 4096, (uintptr_t)arena + 8192, true}};
    if (range[0].start > range[1].start) {
        struct cr_leak_range first = range[0];
        memmove(range, range + 1, 2 * sizeof *range);
        range[2] = first;
    }
    cr_leak_readable(range, 3, true);
    classify();
    enum cr_leak_class class = made ? class_of(arena) : CR_LEAK_UNKNOWN;
    cr_leak_graph_end();
    cr_on_free(self, arena, 0);
    return class;
}

static void test_heuristics(void)
{
    uintptr_t string[8] = {5, 30, 1}, wrong[8] = {31, 30, 1}, array[8] = {7}, sized[8] = {56};
    ok(with_inside(string, 24 + 31, 24) == CR_LEAK_REACHABLE, "a string of the old kind is held by its characters");
    ok(with_inside(wrong, 24 + 31, 24) == CR_LEAK_POSSIBLE, "but not if its length makes no sense");
    ok(with_inside(array, 8 + 7 * 12, 8) == CR_LEAK_REACHABLE, "an array with a count by its first element");
    ok(with_inside(array, 8 + 7 * 12 + 1, 8) == CR_LEAK_POSSIBLE, "but not if the elements do not fill it");
    ok(with_inside(sized, 64, 8) == CR_LEAK_REACHABLE, "a block with its size before it by what follows");
    uintptr_t *tables = (uintptr_t *)(void *)(arena + 4096);
    tables[0] = 0;
    tables[8] = (uintptr_t)-16;
    uintptr_t object[8] = {(uintptr_t)&tables[2], 0, (uintptr_t)&tables[10]},
              other[8] = {(uintptr_t)&tables[2], 0, 0, (uintptr_t)&tables[10]};
    ok(with_inside(object, 64, 16) == CR_LEAK_REACHABLE, "an object by its second base");
    ok(with_inside(other, 64, 24) == CR_LEAK_POSSIBLE, "but not at another offset than its table says");
    ok(with_inside(array, 64, 63) == CR_LEAK_POSSIBLE, "a block by its last byte, possibly");
    ok(with_inside(array, 64, 64) == CR_LEAK_DEFINITE, "and not by the byte behind it");
}

/* ---- what cannot be read ---- */

static void test_unreadable(void)
{
    size_t page = cr_os_page_bytes();
    char *block = arena, *child = arena + 16 * page;
    memset(block, 0, 3 * page);
    memset(child, 0, 64);
    *(char **)(void *)(block + 2 * page) = child;
    make(block, 3 * page);
    make(child, 64);
    memset(root, 0, sizeof root);
    root[0] = (uintptr_t)block;
    ok(!mprotect(block + page, page, PROT_NONE), "a page of a block that cannot be read");
    begin();
    readable(false); /* as if it had become so just now */
    classify();
    ok(class_of(child) == CR_LEAK_REACHABLE, "what lies behind it is seen");
    cr_leak_graph_end();
    ok(!mprotect(block + page, page, PROT_READ | PROT_WRITE), "it can be read again");
    cr_on_free(self, block, 0);
    cr_on_free(self, child, 0);
}

int main(void)
{
    arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED || !tracker_start() || !(self = cr_enter()))
        return 1;
    test_random_graphs();
    test_chain();
    test_fan();
    test_heuristics();
    test_unreadable();
    cr_leave(self);
    ok(tracker_end(), "nothing else was written");
    return tap_done();
}
