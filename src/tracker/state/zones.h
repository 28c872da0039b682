/* zones.h - how a block lies between its red zones, and the patterns that fill what the program has no business in.
 *
 *   base ... | header word | 0xfd x 8 | the block, size bytes | 0xfd x 16 to 31 | header word |
 *            block - 16              block                    block + size                    base + total
 *
 * The header word is 0xfdfdfdfd above, and below how far the block lies behind its base: 0xfdfdfdfd again for the usual 16 bytes, the
 * number itself where the block is aligned to more. It stands at both ends, so that the base is still known when one end has been
 * overwritten. Blocks are aligned to 16 bytes at least, as the allocator's own.
 *
 * Pure functions over memory that the caller owns. */
#ifndef CR_STATE_ZONES_H
#define CR_STATE_ZONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

#define CR_ZONE_FRONT 16u /* bytes in front of a block that are looked at */
#define CR_ZONE_BYTE 0xfdu
#define CR_FILL_FREED 0xddu /* what a freed block holds */
#define CR_ZONE_MOST_ALIGN ((size_t)1 << 30)
#define CR_FILL_MOST ((size_t)16 << 20) /* of larger blocks the first and the last half of this are filled */

#define CR_ZONE_REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))
#define CR_ZONE_PATTERN CR_ZONE_REPEAT(CR_ZONE_BYTE)
#define CR_ZONE_HEADER (CR_ZONE_PATTERN & UINT64_C(0xffffffff00000000))

/* From the block to the end of its rear zone. */
static inline size_t cr_zone_reach(size_t size) { return ((size + 15) & ~(size_t)15) + 24; }
/* Bytes to ask the allocator for, for a block of that size and alignment (a power of two); 0: too many. */
static inline size_t cr_zone_total(size_t size, size_t align)
{
    size_t room = CR_ZONE_FRONT + (align > 16 ? align - 16 : 0);
    if (CR_UNLIKELY(align > CR_ZONE_MOST_ALIGN || size > PTRDIFF_MAX - (size_t)64 - room))
        return 0;
    return room + cr_zone_reach(size);
}

/* memcpy itself is a call under -fno-builtin */
static inline uint64_t cr_zone_load(const char *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}
static inline void cr_zone_store(char *at, uint64_t word) { __builtin_memcpy(at, &word, sizeof word); }

/* Lays the zones into total bytes at base, which is aligned to 16. The block. */
static inline void *cr_zone_lay(void *base, size_t size, size_t align)
{
    uintptr_t at = (uintptr_t)base + CR_ZONE_FRONT;
    if (align > 16)
        at = (at + align - 1) & ~(uintptr_t)(align - 1);
    size_t front = at - (uintptr_t)base;
    uint64_t header = front == CR_ZONE_FRONT ? CR_ZONE_PATTERN : CR_ZONE_HEADER | front;
    char *block = (char *)base + front, *end = block + cr_zone_reach(size);
    cr_zone_store(block - 16, header);
    cr_zone_store(block - 8, CR_ZONE_PATTERN);
    cr_zone_store(block + size, CR_ZONE_PATTERN); /* 16 to 31 bytes up to the header: these four cover them */
    cr_zone_store(block + size + 8, CR_ZONE_PATTERN);
    cr_zone_store(end - 24, CR_ZONE_PATTERN);
    cr_zone_store(end - 16, CR_ZONE_PATTERN);
    cr_zone_store(end - 8, header);
    return block;
}

/* Whether nobody wrote to a block's zones. */
static inline bool cr_zone_is_whole(const void *block, size_t size)
{
    const char *start = block, *end = start + cr_zone_reach(size);
    uint64_t header = cr_zone_load(start - 16), pattern = CR_ZONE_PATTERN;
    uint64_t changed = (cr_zone_load(start - 8) ^ pattern) | (cr_zone_load(start + size) ^ pattern) |
                       (cr_zone_load(start + size + 8) ^ pattern) | (cr_zone_load(end - 24) ^ pattern) |
                       (cr_zone_load(end - 16) ^ pattern) | (cr_zone_load(end - 8) ^ header);
    return !changed && (header & CR_ZONE_HEADER) == CR_ZONE_HEADER;
}

/* What to give back to the allocator; NULL: nobody knows, because both ends have been overwritten. */
void *cr_zone_base(const void *block, size_t size);
/* The same where the zones are whole. */
static inline void *cr_zone_whole_base(const void *block)
{
    uint64_t header = cr_zone_load((const char *)block - 16);
    uint64_t front = CR_LIKELY(header == CR_ZONE_PATTERN) ? CR_ZONE_FRONT : header & ~CR_ZONE_HEADER;
    return (void *)((uintptr_t)block - front);
}

/* What was found changed in a zone or a freed block. */
struct cr_damage {
    int64_t first, last;  /* the first and last changed byte, from the block's start: negative before it */
    uint64_t bytes;       /* changed, in all */
    uint8_t found[16];    /* what stands at `first` and behind it, up to `last` */
    uint8_t expected[16]; /* and what should */
    uint8_t found_bytes;
};
/* Of a block's zones: the rear one, or if that is whole the front one. Of a freed block: whatever is not the pattern. */
struct cr_damage cr_zone_damage(const void *block, size_t size);
struct cr_damage cr_fill_damage(const void *block, size_t size);
/* Of the bytes block[from .. to - 1]: whatever is not `byte`. */
struct cr_damage cr_pattern_damage(const void *block, int64_t from, int64_t to, uint8_t byte);

/* Fills a block, of large ones both ends; whether one still holds CR_FILL_FREED. */
void cr_fill(void *block, size_t size, uint8_t byte);
bool cr_fill_is_whole(const void *block, size_t size);

#endif
