/* state/zones: for every size and alignment, where the block lies, that a change of any single byte around it is noticed and told,
 * and that its base is known however one end is overwritten. */
#include "state/zones.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tap.h"

static const size_t aligns[] = {16, 32, 64, 256, 4096};

static char *lay(void **base, size_t size, size_t align)
{
    size_t total = cr_zone_total(size, align);
    if (posix_memalign(base, 16, total))
        abort();
    memset(*base, 0x11, total);
    return cr_zone_lay(*base, size, align);
}

static bool lies_well(const char *block, const char *base, size_t size, size_t align)
{
    return (uintptr_t)block % align == 0 && block - base >= CR_ZONE_FRONT &&
           block + cr_zone_reach(size) <= base + cr_zone_total(size, align) && cr_zone_is_whole(block, size) &&
           cr_zone_base(block, size) == base && !cr_zone_damage(block, size).bytes;
}

/* Each byte of both zones changed alone. */
static bool each_byte_counts(char *block, const char *base, size_t size)
{
    for (int64_t at = -16; at < (int64_t)cr_zone_reach(size); at += at == -1 ? (int64_t)size + 1 : 1) {
        char before = block[at];
        block[at] = (char)(before ^ 0x40);
        struct cr_damage damage = cr_zone_damage(block, size);
        bool told = damage.bytes == 1 && damage.last == damage.first && damage.found_bytes == 1;
        /* which of the two copies of a header is the changed one is not always to be known, but the base is */
        bool in_header = at < -8 || at >= (int64_t)cr_zone_reach(size) - 8;
        told = told && (in_header || (damage.first == at && damage.found[0] == (uint8_t)block[at]));
        bool noticed = !cr_zone_is_whole(block, size);
        const char *believed = cr_zone_base(block, size);
        bool found = believed == base || (in_header && !believed);
        block[at] = before;
        if (!told || !noticed || !found)
            return false;
    }
    return true;
}

static bool an_overwritten_end_hides_nothing(char *block, const char *base, size_t size)
{
    char front[16], rear[64];
    size_t reach = cr_zone_reach(size);
    memcpy(front, block - 16, 16);
    memcpy(rear, block + size, reach - size);
    memset(block - 16, 'A', 16);
    bool right = cr_zone_base(block, size) == base && cr_zone_damage(block, size).first == -16;
    memcpy(block - 16, front, 16);
    memset(block + size, 'B', reach - size);
    struct cr_damage damage = cr_zone_damage(block, size);
    right = right && cr_zone_base(block, size) == base && damage.first == (int64_t)size &&
            damage.bytes == reach - size && damage.last == (int64_t)reach - 1 && damage.found_bytes == 16 &&
            damage.found[15] == 'B';
    memset(block - 16, 'A', 16);
    right = right && !cr_zone_base(block, size);
    memcpy(block - 16, front, 16);
    memcpy(block + size, rear, reach - size);
    return right && cr_zone_is_whole(block, size);
}

/* An overrun that ends within the header at the rear, an underrun within the one at the front. */
static bool a_part_of_a_header_is_not_believed(char *block, const char *base, size_t size)
{
    size_t reach = cr_zone_reach(size);
    bool right = true;
    for (size_t bytes = 1; bytes < 8; bytes++) {
        char front[16], rear[64];
        memcpy(front, block - 16, 16);
        memcpy(rear, block + size, reach - size);
        memset(block + size, 0x10, reach - 8 + bytes - size);
        right = right && cr_zone_base(block, size) == base;
        memcpy(block + size, rear, reach - size);
        memset(block - 8 - bytes, 0x10, 8 + bytes);
        right = right && cr_zone_base(block, size) == base;
        memcpy(block - 16, front, 16);
    }
    return right;
}

static void sizes_and_alignments(void)
{
    bool well = true, bytes = true, ends = true;
    for (size_t a = 0; a < sizeof aligns / sizeof *aligns; a++)
        for (size_t size = 0; size < 100; size++) {
            void *base;
            char *block = lay(&base, size, aligns[a]);
            well = well && lies_well(block, base, size, aligns[a]);
            bytes = bytes && each_byte_counts(block, base, size);
            ends = ends && an_overwritten_end_hides_nothing(block, base, size) &&
                   a_part_of_a_header_is_not_believed(block, base, size);
            free(base);
        }
    ok(well, "blocks lie aligned between whole zones, and lead to their base");
    ok(bytes, "a change of any byte of a zone is noticed and told");
    ok(ends, "a base is known while one end is whole");
    ok(!cr_zone_total(SIZE_MAX - 10, 16) && !cr_zone_total(PTRDIFF_MAX, 16) && !cr_zone_total(8, (size_t)1 << 31),
       "what cannot be asked for is not");
}

static void fills(void)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 256, 257, 300, 5000};
    bool right = true;
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        char *block = malloc(size + 1);
        block[size] = 'x';
        cr_fill(block, size, CR_FILL_FREED);
        right = right && block[size] == 'x' && cr_fill_is_whole(block, size);
        for (size_t n = 0; n < 50 && size; n++) {
            size_t at = random_next(&random) % size;
            block[at] = (char)n;
            struct cr_damage damage = cr_fill_damage(block, size);
            right = right && !cr_fill_is_whole(block, size) && damage.first == (int64_t)at && damage.bytes == 1 &&
                    damage.found[0] == n;
            block[at] = (char)CR_FILL_FREED;
        }
        free(block);
    }
    ok(right, "a fill ends where the block does, and a change of any byte is noticed");

    size_t large = CR_FILL_MOST + 100;
    char *block = calloc(1, large);
    cr_fill(block, large, CR_FILL_FREED);
    ok(cr_fill_is_whole(block, large) && !block[large / 2] && block[large - 1] == (char)CR_FILL_FREED,
       "of a large block both ends are filled");
    block[large / 2] = 1;
    bool middle = cr_fill_is_whole(block, large);
    block[large - 3] = 1;
    ok(middle && !cr_fill_is_whole(block, large) && cr_fill_damage(block, large).first == (int64_t)large - 3,
       "and both ends are looked at");
    free(block);
}

int main(void)
{
    sizes_and_alignments();
    fills();
    return tap_done();
}
