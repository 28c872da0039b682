/* state/call_tree: one node per (parent, address), against a map, from several threads at once, through all sizes of its table, and
 * when the modules that addresses belong to go. */
#include "state/call_tree.h"

#include "platform/platform.h"
#include "plugin.h"
#include "random.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#define NODES 40000u
#define ADDRESSES 60u
#define THREADS 8u
#define LOOKUPS 30000u

static uintptr_t address_of(uint64_t i) { return 0x100000001000 + i * 24; } /* no module's */

static const struct cr_node *node_item(uint32_t i) { return CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, i); }

static uint64_t address_in(uint32_t node)
{
    return CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, node_item(node)->pc)->address_module;
}

/* ---- one thread ---- */

static uint32_t reference[NODES][ADDRESSES]; /* by parent and address */

static void test_random_use(void)
{
    uint64_t random = 5;
    uint32_t nodes = CR_MARKERS;
    bool known = true, new = true, filled = true;
    while (nodes < NODES) {
        uint32_t parent = (uint32_t)random_below(&random, random_below(&random, 2) ? nodes : CR_MARKERS + nodes / 50);
        uint64_t i = random_below(&random, ADDRESSES);
        uint32_t *id = &reference[parent][i], found = cr_tree_child(parent, address_of(i));
        if (*id) {
            known = known && found == *id;
            continue;
        }
        new = new &&found == nodes++;
        filled = filled && node_item(found)->parent == parent && address_in(found) == address_of(i);
        *id = found;
    }
    ok(new, "each new pair of parent and address is a new node, %u of them in tables of several sizes", NODES);
    ok(known, "each known pair is the node it was");
    ok(filled, "nodes name their parent and their address");
    ok(section_count(CR_SECTION_PCS) == CR_MARKERS + ADDRESSES, "an address is one item, however many nodes have it");
    bool all = true;
    for (uint32_t parent = 0; parent < NODES; parent++)
        for (uint32_t i = 0; i < ADDRESSES; i++)
            all = all && (!reference[parent][i] || cr_tree_child(parent, address_of(i)) == reference[parent][i]);
    ok(all && section_count(CR_SECTION_NODES) == NODES, "all are still found in the last table");
}

/* ---- several threads ---- */

static struct walker {
    uint64_t random;
    uint32_t node[LOOKUPS];
} walker[THREADS];

/* Everybody asks for the same stacks, in another order and at the same time. */
static void *walk(void *argument)
{
    struct walker *self = argument;
    uint32_t shift = (uint32_t)random_below(&self->random, LOOKUPS);
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        uint32_t stack = (i / 40 * 40 + shift + i * 7 % 40) % LOOKUPS, node = 0;
        for (uint32_t digits = stack + LOOKUPS; digits; digits /= 12)
            node = cr_tree_child(node, address_of(1000 + digits % 12));
        self->node[stack] = node;
    }
    return NULL;
}

static void test_threads(void)
{
    uint32_t before = section_count(CR_SECTION_NODES), agree = 0;
    for (uint32_t i = 0; i < THREADS; i++)
        walker[i].random = i;
    threads_run(THREADS, walk, walker, sizeof *walker);
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        bool same = walker[0].node[i] != 0;
        for (uint32_t t = 1; t < THREADS; t++)
            same = same && walker[t].node[i] == walker[0].node[i];
        agree += same;
    }
    ok(agree == LOOKUPS, "threads at once get one node per stack");
    bool twins = false;
    uint32_t nodes = section_count(CR_SECTION_NODES);
    for (uint32_t i = before; i < nodes; i++)
        twins = twins || cr_tree_child(node_item(i)->parent, (uintptr_t)address_in(i)) != i;
    ok(!twins && nodes > before, "and none was made twice (%u)", nodes - before);
}

/* ---- memory ---- */

#define JUST_DOUBLED                                                                                                   \
    (393216u + 1000) /* three quarters of 2^19 entries are full: its table has just become the next larger one */
#define NODE_BYTES 64u

static void test_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip("a sanitizer has memory of its own");
#else
    uint64_t random = 9, before = cr_os_resident_bytes();
    uint32_t first = section_count(CR_SECTION_NODES), nodes;
    while ((nodes = section_count(CR_SECTION_NODES)) < JUST_DOUBLED)
        cr_tree_child(CR_MARKERS + (uint32_t)random_below(&random, nodes - CR_MARKERS),
                      address_of(random_below(&random, ADDRESSES)));
    uint64_t bytes = (cr_os_resident_bytes() - before) / (nodes - first);
    ok(bytes > 16 && bytes <= NODE_BYTES, "a node takes at most %u bytes, even where the table has just doubled (%u)",
       NODE_BYTES, (unsigned)bytes);
#endif
}

/* ---- modules that go ---- */

static void test_generation(void)
{
    struct plugin plugin;
    uintptr_t own = (uintptr_t)test_generation + 1;
    if (!plugin_build(&plugin, "plugin", 1) || !plugin_open(&plugin)) {
        skip("no compiler here");
        return;
    }
    uint32_t stays = cr_tree_child(0, own), leaf = cr_tree_child(stays, plugin.address),
             inner = cr_tree_child(leaf, own);
    ok(leaf == cr_tree_child(stays, plugin.address) && inner != stays, "a plug-in's frames are nodes as all are");
    uint32_t generation = cr_modules_generation;
    ok(plugin_close(&plugin) && cr_modules_generation == generation + 1, "its end is a new generation");
    bool kept = cr_tree_child(0, own) == stays;
    for (uint32_t parent = 0; parent < NODES; parent += 7)
        for (uint32_t i = 0; i < ADDRESSES; i++)
            kept = kept && (!reference[parent][i] || cr_tree_child(parent, address_of(i)) == reference[parent][i]);
    ok(kept, "nodes of what stays are found as before");
    uint32_t again = cr_tree_child(stays, plugin.address);
    ok(again != leaf && again == cr_tree_child(stays, plugin.address),
       "the plug-in's are found no more, its address is a new node");
    ok(node_item(leaf)->parent == stays && node_item(inner)->parent == leaf, "but what was recorded stands");
    plugin_remove(&plugin);
}

int main(void)
{
    if (!tracker_start())
        return 1;
    test_random_use();
    test_threads();
    test_memory();
    test_generation();
    ok(tracker_end(), "nothing else was written");
    return tap_done();
}
