/* leak_index.c - see leak_index.h. */
#include "events/leak_index.h"

#include <string.h>

#include "events/leak_graph.h"
#include "platform/platform.h"
#include "base/banned.h"

#define REGION_BYTES ((uintptr_t)1 << CR_REGION_SHIFT)
#define FIRST_HOME_BITS 10
#define LEAST_GREY 1024u

struct cr_leak_index cr_leak_index;

static uint64_t region_number(uintptr_t address) { return address >> CR_REGION_SHIFT; }
static uint32_t offset_in(uintptr_t address) { return (uint32_t)((address & (REGION_BYTES - 1)) >> 3); }

/* ---- regions ---- */

static void enter_home(uint32_t region)
{
    struct cr_leak_index *index = &cr_leak_index;
    uint32_t *home =
        &index->home[index->region[region].number * UINT64_C(0x9e3779b97f4a7c15) >> (64 - index->home_bits)];
    index->region[region].next = *home;
    *home = region + 1;
}

/* Room for twice as many regions, and a home for each. */
static bool grow_regions(void)
{
    struct cr_leak_index *index = &cr_leak_index;
    uint32_t bits = index->home_bits ? index->home_bits + 1 : FIRST_HOME_BITS;
    struct cr_leak_region *region = cr_os_map(sizeof *region << bits);
    uint32_t *home = cr_os_map(sizeof *home << bits);
    bool grown = region && home;
    if (grown && index->region)
        memcpy(region, index->region, index->regions * sizeof *region);
    if (index->region && grown) {
        cr_os_unmap(index->region, sizeof *region << index->home_bits);
        cr_os_unmap(index->home, sizeof *home << index->home_bits);
    }
    if (!grown) {
        if (region)
            cr_os_unmap(region, sizeof *region << bits);
        return false;
    }
    index->region = region;
    index->home = home;
    index->home_bits = bits;
    index->region_room = 1u << bits;
    for (uint32_t i = 0; i < index->regions; i++)
        enter_home(i);
    return true;
}

static struct cr_leak_region *get_region(uint64_t number)
{
    struct cr_leak_index *index = &cr_leak_index;
    struct cr_leak_region *found = index->home_bits ? cr_leak_region_find(number) : NULL;
    if (found)
        return found;
    if (index->regions == index->region_room && !grow_regions())
        return NULL;
    index->region[index->regions] = (struct cr_leak_region){.number = number, .before = CR_LEAK_NONE};
    uint64_t bit = number & ((1u << CR_LEAK_SEEN_BITS) - 1);
    index->seen[bit / 64] |= UINT64_C(1) << bit % 64;
    enter_home(index->regions);
    return &index->region[index->regions++];
}

/* Shell sort: regions are few, and mostly in order. */
static void sort_regions(void)
{
    struct cr_leak_index *index = &cr_leak_index;
    for (uint32_t gap = index->regions / 2; gap; gap /= 2)
        for (uint32_t i = gap; i < index->regions; i++) {
            struct cr_leak_region moving = index->region[i];
            uint32_t at = i;
            for (; at >= gap && index->region[at - gap].number > moving.number; at -= gap)
                index->region[at] = index->region[at - gap];
            index->region[at] = moving;
        }
    memset(index->home, 0, sizeof *index->home << index->home_bits);
    for (uint32_t i = 0; i < index->regions; i++)
        enter_home(i);
}

/* ---- blocks ---- */

static bool failed;

/* Counts a block, and makes all regions it lies in. */
static void count_block(void *context, struct cr_record *record)
{
    (void)context;
    struct cr_leak_index *index = &cr_leak_index;
    uintptr_t address = record->address, end = address + cr_record_size(record);
    struct cr_leak_region *region = address && !failed ? get_region(region_number(address)) : NULL;
    if (!region) {
        failed = failed || address;
        return;
    }
    region->count++;
    index->count++;
    if (address < index->lowest)
        index->lowest = address;
    if (end >= index->highest)
        index->highest = end + 1; /* a block of 0 bytes has an address, too */
    for (uint64_t number = region_number(address) + 1; end > address && number <= region_number(end - 1); number++)
        if (!get_region(number))
            failed = true;
}

/* Enters a block in its region, in any order. */
static void enter_block(void *context, struct cr_record *record)
{
    (void)context;
    uintptr_t address = record->address;
    const struct cr_leak_index *index = &cr_leak_index;
    struct cr_leak_region *region = address ? cr_leak_region_find(region_number(address)) : NULL;
    if (!region)
        return;
    bool last = region == &index->region[index->regions - 1];
    uint32_t end = last ? index->count : region[1].first;
    if (region->first + region->count == end)
        return; /* it came meanwhile: a thread could not be stopped */
    cr_leak_index.entry[region->first + region->count++] =
        (struct cr_leak_entry){.record = cr_record_index(record), .place = offset_in(address)};
}

/* ---- order ---- */

#define DIGIT_BITS 9
#define DIGITS (1u << DIGIT_BITS)

static void sort_by_digit(const struct cr_leak_entry *from, struct cr_leak_entry *to, uint32_t count, unsigned shift)
{
    uint32_t next[DIGITS] = {0}, sum = 0;
    for (uint32_t i = 0; i < count; i++)
        next[(from[i].place & CR_LEAK_OFFSET_MASK) >> shift & (DIGITS - 1)]++;
    for (uint32_t i = 0; i < DIGITS; i++) {
        uint32_t here = next[i];
        next[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < count; i++)
        to[next[(from[i].place & CR_LEAK_OFFSET_MASK) >> shift & (DIGITS - 1)]++] = from[i];
}

#define FEW 32u

static void sort_few(struct cr_leak_entry *entry, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct cr_leak_entry moving = entry[i];
        uint32_t at = i;
        for (; at && entry[at - 1].place > moving.place; at--)
            entry[at] = entry[at - 1];
        entry[at] = moving;
    }
}

/* By offset, and finds blocks that have the same. */
static void sort_region(struct cr_leak_region *region, struct cr_leak_entry *spare)
{
    struct cr_leak_entry *entry = &cr_leak_index.entry[region->first];
    if (region->count <= FEW)
        sort_few(entry, region->count);
    else {
        sort_by_digit(entry, spare, region->count, 0);
        sort_by_digit(spare, entry, region->count, DIGIT_BITS);
    }
    for (uint32_t i = 1; i < region->count; i++)
        if ((entry[i].place & CR_LEAK_OFFSET_MASK) == (entry[i - 1].place & CR_LEAK_OFFSET_MASK))
            entry[i - 1].place |= CR_LEAK_DOUBLE;
}

static void make_directory(struct cr_leak_region *region, uint32_t *used)
{
    struct cr_leak_index *index = &cr_leak_index;
    uint32_t bits = 0;
    while (region->count >> (bits + 2) && bits < CR_LEAK_OFFSET_BITS)
        bits++; /* 2^bits <= count / 2, or 1 */
    region->shift = CR_LEAK_OFFSET_BITS - bits;
    region->directory = *used;
    uint32_t at = region->first, end = region->first + region->count;
    for (uint32_t unit = 0; unit < 1u << bits; unit++) {
        while (at < end && cr_leak_offset(at) >> region->shift < unit)
            at++;
        index->directory[(*used)++] = at;
    }
}

/* Large blocks are known in every region they reach into. */
static void reach_out(uint32_t block)
{
    uintptr_t address = cr_leak_address(block), end = address + cr_leak_size(block);
    if (end <= address)
        return;
    for (uint64_t number = region_number(address) + 1; number <= region_number(end - 1); number++) {
        struct cr_leak_region *region = cr_leak_region_find(number);
        if (region)
            region->before = block;
    }
}

static void number_regions(void)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < cr_leak_index.regions; i++) {
        struct cr_leak_region *region = &cr_leak_index.region[i];
        region->first = first;
        first += region->count;
        region->count = 0;
    }
}

static void order_all(struct cr_leak_entry *spare)
{
    struct cr_leak_index *index = &cr_leak_index;
    uint32_t used = 0;
    for (uint32_t i = 0; i < index->regions; i++) {
        struct cr_leak_region *region = &index->region[i];
        sort_region(region, spare);
        make_directory(region, &used);
        for (uint32_t block = region->first; block < region->first + region->count; block++)
            reach_out(block);
    }
}

static uint32_t largest_region(void)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < cr_leak_index.regions; i++)
        most = cr_leak_index.region[i].count > most ? cr_leak_index.region[i].count : most;
    return most;
}

bool cr_leak_index_make(void)
{
    struct cr_leak_index *index = &cr_leak_index;
    *index = (struct cr_leak_index){.lowest = UINTPTR_MAX};
    failed = !grow_regions();
    if (!failed)
        cr_block_each(count_block, NULL);
    if (failed)
        return false;
    sort_regions();
    size_t spare_bytes = ((size_t)largest_region() + 1) * sizeof *index->entry;
    index->entry_bytes = ((size_t)index->count + 1) * sizeof *index->entry;
    index->directory_bytes = ((size_t)index->count / 2 + index->regions + 1) * sizeof *index->directory;
    index->grey_room = index->count / 2 > LEAST_GREY ? index->count / 2 : LEAST_GREY;
    index->grey_bytes = index->grey_room * sizeof *index->grey;
    index->entry = cr_os_map(index->entry_bytes);
    index->directory = cr_os_map(index->directory_bytes);
    index->grey = cr_os_map(index->grey_bytes);
    struct cr_leak_entry *spare = cr_os_map(spare_bytes);
    bool made = index->entry && index->directory && index->grey && spare;
    if (made) {
        cr_os_expect_use(index->entry, index->entry_bytes);
        cr_os_expect_use(index->directory, index->directory_bytes);
        number_regions();
        for (uint32_t i = 0; i < index->count; i++)
            index->entry[i].place = CR_LEAK_DOUBLE; /* until it is filled */
        cr_block_each(enter_block, NULL);
        order_all(spare);
    }
    if (spare)
        cr_os_unmap(spare, spare_bytes);
    return made;
}

void cr_leak_index_drop(void)
{
    struct cr_leak_index *index = &cr_leak_index;
    if (index->region)
        cr_os_unmap(index->region, sizeof *index->region << index->home_bits);
    if (index->home)
        cr_os_unmap(index->home, sizeof *index->home << index->home_bits);
    if (index->entry)
        cr_os_unmap(index->entry, index->entry_bytes);
    if (index->directory)
        cr_os_unmap(index->directory, index->directory_bytes);
    if (index->grey)
        cr_os_unmap(index->grey, index->grey_bytes);
    *index = (struct cr_leak_index){.lowest = UINTPTR_MAX};
}

/* ---- asking ---- */

uint32_t cr_leak_find(uintptr_t address, uintptr_t *start)
{
    const struct cr_leak_index *index = &cr_leak_index;
    const struct cr_leak_region *region = cr_leak_region_find(region_number(address));
    if (!region)
        return CR_LEAK_NONE;
    uint32_t offset = offset_in(address), end = region->first + region->count;
    uint32_t at = region->count ? index->directory[region->directory + (offset >> region->shift)] : end;
    while (at < end && cr_leak_offset(at) <= offset)
        at++;
    if (at > region->first) {
        *start = (region->number << CR_REGION_SHIFT) + ((uintptr_t)cr_leak_offset(at - 1) << 3);
        return at - 1;
    }
    if (region->before != CR_LEAK_NONE)
        *start = cr_leak_address(region->before);
    return region->before;
}

const uint32_t *cr_leak_find_soon(uintptr_t address)
{
    const struct cr_leak_region *region = cr_leak_region_find(region_number(address));
    if (!region || !region->count)
        return NULL;
    const uint32_t *unit = &cr_leak_index.directory[region->directory + (offset_in(address) >> region->shift)];
    __builtin_prefetch(unit);
    return unit;
}

uint32_t cr_leak_count(void) { return cr_leak_index.count; }
struct cr_record *cr_leak_record(uint32_t block) { return cr_record(cr_leak_index.entry[block].record); }
uint32_t cr_leak_holder(uint32_t block) { return cr_leak_index.entry[block].holder; }
enum cr_leak_class cr_leak_class(uint32_t block) { return cr_leak_class_now(block); }

/* The first region whose blocks begin behind a number of entries, or at it. */
static uint32_t region_of(uint32_t block)
{
    uint32_t low = 0, high = cr_leak_index.regions;
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;
        if (cr_leak_index.region[middle].first <= block)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The record says it, unless it has changed meanwhile: a thread could not be stopped. */
uintptr_t cr_leak_address(uint32_t block)
{
    uintptr_t address = cr_leak_record(block)->address;
    const struct cr_leak_region *region = cr_leak_region_find(region_number(address));
    if (CR_LIKELY(region && block - region->first < region->count && offset_in(address) == cr_leak_offset(block)))
        return address;
    return (cr_leak_index.region[region_of(block)].number << CR_REGION_SHIFT) + ((uintptr_t)cr_leak_offset(block) << 3);
}

uint32_t cr_leak_first_behind(uintptr_t address)
{
    uint32_t low = 0, high = cr_leak_index.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cr_leak_address(middle) + cr_leak_size(middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- grey ---- */

uint32_t cr_leak_pop(void)
{
    struct cr_leak_index *index = &cr_leak_index;
    while (index->grey_count || index->grey_elsewhere) {
        if (index->grey_count) {
            uint32_t block = index->grey[--index->grey_count];
            index->entry[block].place &= ~CR_LEAK_GREY;
            return block;
        }
        /* The stack was full: take up as many as it holds, from where the last pass ended. */
        uint32_t looked = 0;
        for (; looked < index->count && index->grey_count < index->grey_room; looked++) {
            if (index->entry[index->grey_next].place & CR_LEAK_GREY)
                index->grey[index->grey_count++] = index->grey_next;
            index->grey_next = (index->grey_next + 1) % index->count;
        }
        index->grey_elsewhere = looked < index->count;
    }
    return CR_LEAK_NONE;
}
