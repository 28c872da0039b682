/* leaks.c - see leaks.h. */
#include "events/leaks.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "events/leak_index.h"
#include "events/leak_roots.h"
#include "state/modules.h"
#include "base/banned.h"

#define FIRST_SUMS 1024u
#define IGNORED_MOST 16384u
#define WAITS_MS 10000

static struct {
    struct cr_leak_sum *sum; /* hash table by site and class; leak UNKNOWN: free */
    uint32_t sums, room;
    struct cr_leaks_totals totals;
    uint32_t roots; /* holders handed out that are roots */
    bool gathered, direct;
} leaks;

static struct {
    _Atomic uintptr_t address; /* 0: free */
    _Atomic uint32_t born;     /* of the block's record: another block at the same place has another */
} ignored[IGNORED_MOST];

/* ---- what the program says ---- */

static const struct cr_record *record_at(uintptr_t address)
{
    uint32_t index = cr_block_peek(address);
    return index ? cr_record(index) : NULL;
}

bool cr_leaks_ignore(uintptr_t address)
{
    const struct cr_record *record = record_at(address);
    if (!record)
        return true; /* no block: nothing will be said of it */
    for (uint32_t i = 0; i < IGNORED_MOST; i++) {
        uintptr_t present = atomic_load(&ignored[i].address);
        const struct cr_record *other = present && present != address ? record_at(present) : NULL;
        bool vacant = !present || present == address || !other || other->born != atomic_load(&ignored[i].born);
        if (vacant && atomic_compare_exchange_strong(&ignored[i].address, &present, address)) {
            atomic_store(&ignored[i].born, record->born);
            return true;
        }
    }
    return false;
}

static void mark_ignored(void)
{
    uint64_t number = cr_leak_roots_number(CR_ROOT_USER);
    for (uint32_t i = 0; i < IGNORED_MOST; i++) {
        uintptr_t start, address = atomic_load(&ignored[i].address);
        uint32_t block = address ? cr_leak_find(address, &start) : CR_LEAK_NONE;
        if (block != CR_LEAK_NONE && start == address && cr_leak_record(block)->born == atomic_load(&ignored[i].born))
            cr_leak_mark_block(block, number);
    }
}

/* ---- sums ---- */

static struct cr_leak_sum *find_sum(uint32_t site, uint32_t class)
{
    uint32_t at = (uint32_t)(((uint64_t)site << 3 | class) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (leaks.room - 1);
    while (leaks.sum[at].leak && (leaks.sum[at].site != site || leaks.sum[at].leak != class))
        at = (at + 1) & (leaks.room - 1);
    return &leaks.sum[at];
}

static bool grow_sums(void)
{
    struct cr_leak_sum *old = leaks.sum;
    uint32_t old_room = leaks.room, room = old_room ? 2 * old_room : FIRST_SUMS;
    struct cr_leak_sum *sum = cr_os_map(room * sizeof *sum);
    if (!sum)
        return false;
    leaks.sum = sum;
    leaks.room = room;
    for (uint32_t i = 0; i < old_room; i++)
        if (old[i].leak)
            *find_sum(old[i].site, old[i].leak) = old[i];
    if (old)
        cr_os_unmap(old, old_room * sizeof *old);
    return true;
}

/* NULL: no memory; the sum then lacks in LEAKS, and the totals stay right. */
static struct cr_leak_sum *get_sum(uint32_t site, uint32_t class)
{
    if (leaks.sums >= leaks.room / 4 * 3 && !grow_sums() && leaks.sums + 1 >= leaks.room)
        return NULL;
    struct cr_leak_sum *sum = find_sum(site, class);
    if (!sum->leak) {
        sum->site = site;
        sum->leak = class;
        leaks.sums++;
    }
    return sum;
}

/* Whether a block is none that the program could lose: its runtime's, or freed in a way that is not recorded. */
static bool is_nobodys(const struct cr_record *record, bool (*is_runtime)(const struct cr_record *record))
{
    return cr_record_tag(record) & CR_TAG_GONE || is_runtime(record);
}

static void add_block(uint32_t block, bool (*is_runtime)(const struct cr_record *record))
{
    enum cr_leak_class class = cr_leak_class(block);
    if (class == CR_LEAK_REACHABLE && is_nobodys(cr_leak_record(block), is_runtime))
        return;
    uint64_t size = cr_leak_size(block);
    leaks.totals.blocks[class]++;
    leaks.totals.bytes[class] += size;
    struct cr_leak_sum *sum = class ? get_sum(cr_leak_record(block)->node, class) : NULL;
    if (sum) {
        sum->blocks++;
        sum->bytes += size;
    }
}

static void add_tree(void *context, const struct cr_leak_tree *tree)
{
    (void)context;
    struct cr_leak_sum *sum = get_sum(cr_leak_record(tree->leader)->node, CR_LEAK_DEFINITE);
    if (sum) {
        sum->indirect_blocks += tree->indirect_blocks;
        sum->indirect_bytes += tree->indirect_bytes;
    }
}

/* ---- the whole ---- */

bool cr_leaks_gather(const struct cr_os_registers *self, const struct cr_os_stop *stop)
{
    if (leaks.gathered)
        return true; /* before the fork that made this process */
    leaks.gathered = cr_leak_roots_gather(self, stop);
    leaks.direct = !stop->left_out;
    for (size_t i = 0; i < stop->count; i++)
        leaks.direct = leaks.direct && stop->thread[i].standing == CR_OS_STOPPED;
    return leaks.gathered;
}

bool cr_leaks_gathered(void) { return leaks.gathered; }

bool cr_leaks_scan(bool (*is_runtime)(const struct cr_record *record))
{
    size_t count;
    leaks.totals = (struct cr_leaks_totals){0};
    leaks.roots = 0;
    if (!cr_leak_graph_begin())
        return false;
    const struct cr_leak_range *ranges = cr_leak_roots_ranges(&count);
    cr_leak_readable(ranges, count, leaks.direct);
    cr_leak_roots_mark();
    mark_ignored();
    for (uint32_t i = 0; i < cr_leak_count(); i++)
        if (cr_leak_class(i) != CR_LEAK_REACHABLE && is_nobodys(cr_leak_record(i), is_runtime))
            cr_leak_mark_block(i, cr_leak_roots_number(CR_ROOT_RUNTIME));
    cr_leak_classify(add_tree, NULL);
    for (uint32_t i = 0; i < cr_leak_count(); i++)
        add_block(i, is_runtime);
    return true;
}

void cr_leaks_done(void)
{
    cr_leak_graph_end();
    cr_leak_roots_drop();
    if (leaks.sum)
        cr_os_unmap(leaks.sum, leaks.room * sizeof *leaks.sum);
    leaks.gathered = false;
    leaks.sum = NULL;
    leaks.sums = leaks.room = 0;
}

static bool is_runtimes(const struct cr_record *record)
{
    return cr_record_tag(record) & CR_TAG_RUNTIME || cr_modules_initialises(record->node);
}

/* One at a time: a thread that comes while another one looks is stopped itself, and tries again afterwards. */
static int stop_patiently(struct cr_os_stop *stop)
{
    struct timespec pause = {0, 1000000};
    int error = 0;
    for (int i = 0; i < WAITS_MS && (error = cr_os_threads_stop(true, stop)) == -EBUSY; i++)
        nanosleep(&pause, NULL);
    return error;
}

uint64_t cr_leaks_lost_now(const struct cr_os_registers *self)
{
    struct cr_os_held held;
    struct cr_os_stop stop;
    uint64_t lost = 0;
    cr_os_hold_signals(&held);
    if (!stop_patiently(&stop)) {
        if (cr_leaks_gather(self, &stop) && cr_leaks_scan(is_runtimes))
            lost = leaks.totals.bytes[CR_LEAK_DEFINITE] + leaks.totals.bytes[CR_LEAK_INDIRECT];
        cr_leaks_done();
        cr_os_threads_go(false);
    }
    cr_os_release_signals(&held);
    return lost;
}

/* ---- answers ---- */

void cr_leaks_each_sum(void (*visit)(void *context, const struct cr_leak_sum *sum), void *context)
{
    for (uint32_t i = 0; i < leaks.room; i++)
        if (leaks.sum[i].leak)
            visit(context, &leaks.sum[i]);
}

struct cr_leaks_totals cr_leaks_totals(void) { return leaks.totals; }

/* Roots are numbered as they are met, so that writing them needs no table: a second look meets them in the same order. */
uint32_t cr_leaks_holder(uint32_t block)
{
    uint32_t holder = cr_leak_holder(block);
    return holder & CR_HOLDER_ROOT ? CR_HOLDER_ROOT | leaks.roots++ : holder;
}

void cr_leaks_write_roots(struct cr_writer *writer, struct cr_blocks_header *header)
{
    size_t bytes;
    for (uint32_t i = 0; i < cr_leak_count(); i++) {
        uint32_t holder = cr_leak_holder(i);
        if (!(holder & CR_HOLDER_ROOT))
            continue;
        struct cr_root_entry entry = cr_leak_roots_describe(holder & ~CR_HOLDER_ROOT);
        cr_writer_put(writer, &entry, sizeof entry);
    }
    const char *names = cr_leak_roots_names(&bytes);
    if (bytes)
        cr_writer_put(writer, names, bytes);
    header->roots = leaks.roots;
    header->name_bytes = bytes;
}
