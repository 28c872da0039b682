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

#define CR_ZONE_FRONT 16u /* bytes in front of a block that are looked at */
#define CR_ZONE_BYTE 0xfdu
#define CR_FILL_FREED 0xddu /* what a freed block holds */
#define CR_ZONE_MOST_ALIGN ((size_t)1 << 30)
#define CR_FILL_MOST ((size_t)16 << 20) /* of larger blocks the first and the last half of this are filled */

/* Bytes to ask the allocator for, for a block of that size and alignment (a power of two); 0: too many. */
size_t cr_zone_total(size_t size, size_t align);
/* From the block to the end of its rear zone. */
static inline size_t cr_zone_reach(size_t size) { return ((size + 15) & ~(size_t)15) + 24; }

/* Lays the zones into total bytes at base, which is aligned to 16. The block. */
void *cr_zone_lay(void *base, size_t size, size_t align);
/* Whether nobody wrote to a block's zones. */
bool cr_zone_is_whole(const void *block, size_t size);
/* What to give back to the allocator; NULL: both ends have been overwritten, and nobody knows. */
void *cr_zone_base(const void *block, size_t size);

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
