/* zones.c - see zones.h. */
#include "state/zones.h"

#include <string.h>

#include "base/lock.h"
#include "base/banned.h"

#define PATTERN CR_ZONE_PATTERN

static bool is_pattern(const char *from, const char *to)
{
    while (from < to && (uint8_t)*from == CR_ZONE_BYTE)
        from++;
    return from == to;
}

static bool is_header(uint64_t word)
{
    uint64_t front = word & ~CR_ZONE_HEADER;
    return word == PATTERN || ((word & CR_ZONE_HEADER) == CR_ZONE_HEADER && front > CR_ZONE_FRONT && front % 16 == 0 &&
                               front <= CR_ZONE_MOST_ALIGN);
}

/* The header word, from an end that still has it; 0: none. */
static uint64_t header_of(const char *block, size_t size)
{
    uint64_t front = cr_zone_load(block - 16), rear = cr_zone_load(block + cr_zone_reach(size) - 8);
    return is_header(rear) ? rear : is_header(front) ? front : 0;
}

/* Who wrote to a header from the block has written to the pattern before it, too; who wrote to it alone leaves two of which one is right. */
void *cr_zone_base(const void *block, size_t size)
{
    const char *start = block, *end = start + cr_zone_reach(size);
    uint64_t front = cr_zone_load(start - 16), rear = cr_zone_load(end - 8);
    bool front_stands = is_header(front) && is_pattern(start - 8, start);
    bool rear_stands = is_header(rear) && is_pattern(start + size, end - 8);
    if (front_stands && rear_stands ? front != rear
                                    : !front_stands && !rear_stands && (front != rear || !is_header(rear)))
        return NULL;
    uint64_t header = rear_stands ? rear : front;
    return (void *)((uintptr_t)block - (header == PATTERN ? CR_ZONE_FRONT : header & ~CR_ZONE_HEADER));
}

/* ---- damage ---- */

static void note(struct cr_damage *damage, const char *block, int64_t at, uint8_t expected)
{
    if (!damage->bytes++)
        damage->first = at;
    damage->last = at;
    int64_t place = at - damage->first;
    if (place >= (int64_t)sizeof damage->found)
        return;
    for (; damage->found_bytes <= place; damage->found_bytes++) /* with what lies unchanged in between */
        damage->found[damage->found_bytes] = damage->expected[damage->found_bytes] =
            (uint8_t)block[damage->first + damage->found_bytes];
    damage->expected[place] = expected;
}

static void compare(struct cr_damage *damage, const char *block, int64_t from, int64_t to, uint64_t pattern)
{
    for (int64_t at = from; at < to; at++) {
        uint8_t expected = (uint8_t)(pattern >> (at - from) % 8 * 8);
        if ((uint8_t)block[at] != expected)
            note(damage, block, at, expected);
    }
}

struct cr_damage cr_zone_damage(const void *block, size_t size)
{
    struct cr_damage damage = {.bytes = 0};
    uint64_t header = header_of(block, size);
    if (!header)
        header = PATTERN;
    int64_t end = (int64_t)cr_zone_reach(size);
    compare(&damage, block, (int64_t)size, end - 8, PATTERN);
    compare(&damage, block, end - 8, end, header);
    if (!damage.bytes) {
        compare(&damage, block, -16, -8, header);
        compare(&damage, block, -8, 0, PATTERN);
    }
    return damage;
}

struct cr_damage cr_pattern_damage(const void *block, int64_t from, int64_t to, uint8_t byte)
{
    struct cr_damage damage = {.bytes = 0};
    compare(&damage, block, from, to, CR_ZONE_REPEAT(byte));
    return damage;
}

/* ---- fill ---- */

/* The bytes of a block that are filled: two pieces, the second empty unless the block is large. */
struct pieces {
    size_t first, second_at;
};

static struct pieces pieces_of(size_t size)
{
    if (CR_LIKELY(size <= CR_FILL_MOST))
        return (struct pieces){size, size};
    return (struct pieces){CR_FILL_MOST / 2, size - CR_FILL_MOST / 2};
}

/* Not by memset for the many small ones: it is a call into whatever the program has put in its place. Pieces that overlap at the end and in
 * the middle make one way through for each power of two. */
#define SMALL 512u

typedef uint64_t wide __attribute__((vector_size(16)));

CR_HOT void store_wide(char *at, wide two) { __builtin_memcpy(at, &two, 16); }

static void fill_tiny(char *at, size_t bytes, uint64_t pattern)
{
    char *end = at + bytes;
    if (bytes >= 8) {
        cr_zone_store(at, pattern);
        cr_zone_store(end - 8, pattern);
    } else
        while (at < end)
            *at++ = (char)pattern;
}

CR_HOT void fill_small(char *at, size_t bytes, uint8_t byte)
{
    uint64_t pattern = CR_ZONE_REPEAT(byte);
    wide two = {pattern, pattern};
    char *end = at + bytes;
    if (CR_UNLIKELY(bytes < 16)) {
        fill_tiny(at, bytes, pattern);
        return;
    }
    for (; end - at > 64; at += 32) {
        store_wide(at, two);
        store_wide(at + 16, two);
    }
    if (end - at > 32) {
        store_wide(at + 16, two);
        store_wide(end - 32, two);
    }
    store_wide(at, two);
    store_wide(end - 16, two);
}

static void fill_piece(char *at, size_t bytes, uint8_t byte)
{
    if (bytes > SMALL)
        memset(at, byte, bytes);
    else
        fill_small(at, bytes, byte);
}

CR_HOT wide differs(const char *at, wide two)
{
    wide found;
    __builtin_memcpy(&found, at, 16);
    return found ^ two;
}

static bool tiny_is_whole(const char *at, size_t bytes, uint64_t pattern)
{
    const char *end = at + bytes;
    uint64_t changed = 0;
    if (bytes >= 8)
        return cr_zone_load(at) == pattern && cr_zone_load(end - 8) == pattern;
    while (at < end)
        changed |= (uint8_t)*at++ ^ CR_FILL_FREED;
    return !changed;
}

CR_HOT bool small_is_whole(const char *at, size_t bytes)
{
    uint64_t pattern = CR_ZONE_REPEAT(CR_FILL_FREED);
    wide two = {pattern, pattern}, changed = {0, 0};
    const char *end = at + bytes;
    if (CR_UNLIKELY(bytes < 16))
        return tiny_is_whole(at, bytes, pattern);
    for (; end - at > 64; at += 32)
        changed |= differs(at, two) | differs(at + 16, two);
    if (end - at > 32)
        changed |= differs(at + 16, two) | differs(end - 32, two);
    changed |= differs(at, two) | differs(end - 16, two);
    return !(changed[0] | changed[1]);
}

static bool piece_is_whole(const char *at, size_t bytes)
{
    if (bytes <= SMALL)
        return small_is_whole(at, bytes);
    /* equal to itself, eight bytes on, if it begins with the pattern */
    return cr_zone_load(at) == CR_ZONE_REPEAT(CR_FILL_FREED) && !memcmp(at, at + 8, bytes - 8);
}

void cr_fill(void *block, size_t size, uint8_t byte)
{
    if (CR_LIKELY(size <= SMALL)) {
        fill_small(block, size, byte);
        return;
    }
    struct pieces pieces = pieces_of(size);
    fill_piece(block, pieces.first, byte);
    fill_piece((char *)block + pieces.second_at, size - pieces.second_at, byte);
}

bool cr_fill_is_whole(const void *block, size_t size)
{
    if (CR_LIKELY(size <= SMALL))
        return small_is_whole(block, size);
    struct pieces pieces = pieces_of(size);
    return piece_is_whole(block, pieces.first) &&
           piece_is_whole((const char *)block + pieces.second_at, size - pieces.second_at);
}

struct cr_damage cr_fill_damage(const void *block, size_t size)
{
    struct cr_damage damage = {.bytes = 0};
    struct pieces pieces = pieces_of(size);
    compare(&damage, block, 0, (int64_t)pieces.first, CR_ZONE_REPEAT(CR_FILL_FREED));
    compare(&damage, block, (int64_t)pieces.second_at, (int64_t)size, CR_ZONE_REPEAT(CR_FILL_FREED));
    return damage;
}
