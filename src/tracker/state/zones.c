/* zones.c - see zones.h. */
#include "state/zones.h"

#include <string.h>

#include "base/lock.h"
#include "base/banned.h"

#define REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))
#define PATTERN REPEAT(CR_ZONE_BYTE)
#define HEADER_MARK (PATTERN & UINT64_C(0xffffffff00000000))

static uint64_t load(const void *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}

static void store(void *at, uint64_t word) { __builtin_memcpy(at, &word, sizeof word); }

size_t cr_zone_total(size_t size, size_t align)
{
    size_t room = CR_ZONE_FRONT + (align > 16 ? align - 16 : 0);
    if (align > CR_ZONE_MOST_ALIGN || size > PTRDIFF_MAX - (size_t)64 - room)
        return 0;
    return room + cr_zone_reach(size);
}

void *cr_zone_lay(void *base, size_t size, size_t align)
{
    uintptr_t at = (uintptr_t)base + CR_ZONE_FRONT;
    if (align > 16)
        at = (at + align - 1) & ~(uintptr_t)(align - 1);
    size_t front = at - (uintptr_t)base;
    uint64_t header = front == CR_ZONE_FRONT ? PATTERN : HEADER_MARK | front;
    char *block = (char *)base + front, *end = block + cr_zone_reach(size);
    store(block - 16, header);
    store(block - 8, PATTERN);
    store(block + size, PATTERN); /* 16 to 31 bytes up to the header: these four cover them */
    store(block + size + 8, PATTERN);
    store(end - 24, PATTERN);
    store(end - 16, PATTERN);
    store(end - 8, header);
    return block;
}

static bool is_header(uint64_t word) { return (word & HEADER_MARK) == HEADER_MARK; }

bool cr_zone_is_whole(const void *block, size_t size)
{
    const char *start = block, *end = start + cr_zone_reach(size);
    uint64_t header = load(start - 16);
    uint64_t changed = (load(start - 8) ^ PATTERN) | (load(start + size) ^ PATTERN) |
                       (load(start + size + 8) ^ PATTERN) | (load(end - 24) ^ PATTERN) | (load(end - 16) ^ PATTERN) |
                       (load(end - 8) ^ header);
    return !changed && is_header(header);
}

/* The header word, from the end that still has it; 0: none. */
static uint64_t header_of(const char *block, size_t size)
{
    uint64_t front = load(block - 16), rear = load(block + cr_zone_reach(size) - 8);
    return is_header(rear) ? rear : is_header(front) ? front : 0;
}

void *cr_zone_base(const void *block, size_t size)
{
    uint64_t header = header_of(block, size);
    if (!header)
        return NULL;
    return (void *)((uintptr_t)block - (header == PATTERN ? CR_ZONE_FRONT : header & ~HEADER_MARK));
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
    compare(&damage, block, from, to, REPEAT(byte));
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

/* Not by memset for the many small ones: it is a call into whatever the program has put in its place. */
#define SMALL 256u

static void fill_piece(char *at, size_t bytes, uint8_t byte)
{
    if (bytes > SMALL) {
        memset(at, byte, bytes);
        return;
    }
    uint64_t pattern = REPEAT(byte);
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8)
        store(at + i, pattern);
    for (; i < bytes; i++)
        at[i] = (char)byte;
}

static bool piece_is_whole(const char *at, size_t bytes)
{
    uint64_t changed = 0, pattern = REPEAT(CR_FILL_FREED);
    size_t i = 0;
    if (bytes > SMALL) /* equal to itself, eight bytes on, if it begins with the pattern */
        return load(at) == pattern && !memcmp(at, at + 8, bytes - 8);
    for (; i + 8 <= bytes; i += 8)
        changed |= load(at + i) ^ pattern;
    for (; i < bytes; i++)
        changed |= (uint8_t)at[i] ^ CR_FILL_FREED;
    return !changed;
}

void cr_fill(void *block, size_t size, uint8_t byte)
{
    struct pieces pieces = pieces_of(size);
    fill_piece(block, pieces.first, byte);
    fill_piece((char *)block + pieces.second_at, size - pieces.second_at, byte);
}

bool cr_fill_is_whole(const void *block, size_t size)
{
    struct pieces pieces = pieces_of(size);
    return piece_is_whole(block, pieces.first) &&
           piece_is_whole((const char *)block + pieces.second_at, size - pieces.second_at);
}

struct cr_damage cr_fill_damage(const void *block, size_t size)
{
    struct cr_damage damage = {.bytes = 0};
    struct pieces pieces = pieces_of(size);
    compare(&damage, block, 0, (int64_t)pieces.first, REPEAT(CR_FILL_FREED));
    compare(&damage, block, (int64_t)pieces.second_at, (int64_t)size, REPEAT(CR_FILL_FREED));
    return damage;
}
