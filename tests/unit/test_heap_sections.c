/* state/heap_sections, and what recorder makes of them: a name is one frame outside of all others; the same call stack under two names is two
 * sites, whichever way they are found. */
#include "state/heap_sections.h"

#include "state/call_tree.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#define THREADS 8u

static const struct cr_node *node_item(uint32_t i) { return CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, i); }
static uint64_t pc_item(uint32_t pc) { return CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module; }

/* The node that a site hangs under in the end: its outermost frame. */
static uint32_t outermost(uint32_t site)
{
    uint32_t node = cr_site(site)->parent;
    while (node_item(node)->parent >= CR_MARKERS)
        node = node_item(node)->parent;
    return node;
}

/* The name of the section that is a site's outermost frame; NULL: none is. */
static const char *name_of(uint32_t site)
{
    uint64_t packed = pc_item(node_item(outermost(site))->pc);
    return packed >> CR_PC_BITS == CR_PC_SECTION ? cr_section_items[CR_SECTION_STRINGS] + (packed & CR_PC_ADDRESS)
                                                 : NULL;
}

static __attribute__((noinline)) uint32_t hook(struct cr_thread *thread)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    return cr_site_here(thread, &start);
}

static __attribute__((noinline)) uint32_t site_in(struct cr_thread *thread, const char *name)
{
    cr_thread_section(thread, name);
    uint32_t site = hook(thread);
    __asm__ volatile("" ::: "memory");
    return site;
}

static void test_sites(void)
{
    static const char *const names[] = {NULL, "one", "two", NULL, "one", "two", "two", "one", ""};
    struct cr_thread *thread = cr_enter();
    uint32_t first[3] = {0}, pcs = 0;
    bool named = true, same = true;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            uint32_t site = site_in(thread, names[i]), which = !names[i] || !*names[i] ? 0 : names[i][0] == 'o' ? 1 : 2;
            const char *name = name_of(site);
            named = named && (which ? name && !strcmp(name, names[i]) : !name);
            first[which] = first[which] ? first[which] : site;
            same = same && site == first[which];
            if (round == 0)
                pcs = section_count(CR_SECTION_PCS);
        }
    ok(named, "a stack's outermost frame is the section it was found in");
    ok(same && first[0] != first[1] && first[1] != first[2], "and each name's site is found again");
    ok(section_count(CR_SECTION_PCS) == pcs, "nothing is entered twice");
    uint32_t node = outermost(first[1]), inside = cr_site(first[1])->parent;
    while (node_item(inside)->parent != node)
        inside = node_item(inside)->parent;
    ok(node_item(node)->parent < CR_MARKERS &&
           cr_tree_child(node_item(node)->parent, cr_heap_section("one").address) == node,
       "it hangs under the root or a marker");
    uintptr_t address = (uintptr_t)(pc_item(node_item(inside)->pc) & CR_PC_ADDRESS);
    ok(cr_tree_child(node, address) == inside, "and its children are found by their paths");
    struct cr_unwind_start start = CR_UNWIND_START();
    cr_thread_section(thread, "one");
    uint32_t stack = cr_stack_here(thread, &start);
    while (node_item(stack)->parent >= CR_MARKERS)
        stack = node_item(stack)->parent;
    ok(pc_item(node_item(stack)->pc) >> CR_PC_BITS != CR_PC_SECTION, "a stack of an error is in none");
    uint32_t again[2];
    for (volatile int i = 0; i < 2; i++) { /* volatile: one call, not two of an unrolled loop */
        again[i] = site_in(thread, "one");
        cr_stack_here(thread, &start);
    }
    ok(again[0] == again[1] && !strcmp(name_of(again[0]), "one"), "which does not change those of blocks");
    cr_thread_section(thread, NULL);
    cr_leave(thread);
}

/* The stack while another capture is interrupted has no frames but the leaf. */
static void test_interrupted(void)
{
    struct cr_thread *thread = cr_enter();
    struct cr_unwind_start start = {.pc = (uintptr_t)test_interrupted + 1, .sp = 16, .fp = 0};
    cr_thread_section(thread, "busy");
    thread->unwind->busy = true;
    uint32_t site = cr_site_here(thread, &start);
    thread->unwind->busy = false;
    const char *name = name_of(site);
    ok(name && !strcmp(name, "busy") && node_item(cr_site(site)->parent)->parent == CR_UNWIND_BUSY,
       "in a section, too, the marker says what is missing");
    cr_thread_section(thread, NULL);
    cr_leave(thread);
}

static void *ask(void *argument)
{
    struct cr_heap_section *found = argument;
    char name[32];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "name %d", i);
        found[i] = cr_heap_section(name);
    }
    return NULL;
}

static void test_names(void)
{
    static struct cr_heap_section found[THREADS][500];
    threads_run(THREADS, ask, found, sizeof *found);
    ok(!memcmp(found[0], found[THREADS - 1], sizeof *found) && found[0][0].address != found[0][499].address &&
           found[0][7].number && found[0][7].number != found[0][8].number,
       "threads at once get one section per name");

    char longest[CR_HEAP_SECTION_NAME_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    longest[CR_HEAP_SECTION_NAME_BYTES] = 0;
    struct cr_heap_section fits = cr_heap_section(longest);
    longest[CR_HEAP_SECTION_NAME_BYTES] = 'x';
    longest[CR_HEAP_SECTION_NAME_BYTES + 1] = 0;
    struct cr_heap_section other = cr_heap_section(longest);
    ok(fits.number && fits.number < CR_HEAP_SECTION_OTHER && other.number == CR_HEAP_SECTION_OTHER,
       "a name of 200 bytes has a section, one of 201 belongs to the others");

    uint32_t own = fits.number;
    char name[32];
    for (int i = 500; own < CR_HEAP_SECTIONS && i < 2000; i++) {
        snprintf(name, sizeof name, "name %d", i);
        own = cr_heap_section(name).number;
    }
    uint32_t bytes = section_count(CR_SECTION_STRINGS);
    ok(own == CR_HEAP_SECTIONS && cr_heap_section("one too many").address == other.address &&
           cr_heap_section("another").address == other.address,
       "after 1,000 names all others are one");
    ok(cr_heap_section("name 3").address == found[0][3].address && section_count(CR_SECTION_STRINGS) == bytes,
       "and known ones are found, without more room");
    ok(!cr_heap_section_is(other.address + ((uintptr_t)1 << 40)) && !cr_heap_section_is((uintptr_t)test_names) &&
           cr_heap_section_is(other.address),
       "no other address is taken for one");
    ok(!cr_heap_section(NULL).number && !cr_heap_section("").number, "no name is no section");
}

int main(void)
{
    if (!tracker_start())
        return 1;
    test_sites();
    test_interrupted();
    test_names();
    ok(tracker_end(), "the recording is the one file written");
    return tap_done();
}
