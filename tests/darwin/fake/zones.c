/* zones.c - libmalloc for system.c: zones, of which every block knows its own, and an end of the program for whoever frees what is none. */
#define _GNU_SOURCE
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 65536

struct zone {
    void *reserved[2];
    size_t (*size)(struct zone *zone, const void *block);
    void *allocating[3];
    void (*free)(struct zone *zone, void *block);
    void *(*realloc)(struct zone *zone, void *block, size_t bytes);
    void *rest[20];
};

static struct zone *registered; /* by the tracker */

/* Every live block, with its zone. */
static struct {
    const void *block;
    struct zone *zone;
    size_t bytes;
} live[BLOCKS];
static int taken;

static void lock(void)
{
    while (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}
static void unlock(void) { __atomic_store_n(&taken, 0, __ATOMIC_RELEASE); }

static size_t find(const void *block)
{
    size_t i = 0;
    while (i < BLOCKS && live[i].block != block)
        i++;
    return i;
}

static void *put(struct zone *zone, void *block, size_t bytes)
{
    lock();
    size_t i = block ? find(NULL) : BLOCKS;
    if (i < BLOCKS)
        live[i].block = block, live[i].zone = zone, live[i].bytes = bytes;
    unlock();
    return block;
}

/* What libmalloc does with a block that is not there. */
static void take(struct zone *zone, const void *block)
{
    lock();
    size_t i = find(block);
    if (i == BLOCKS || (zone && live[i].zone != zone)) {
        static const char said[] = "pointer being freed was not allocated\n";
        (void)!write(2, said, sizeof said - 1);
        abort();
    }
    live[i].block = NULL;
    unlock();
}

static size_t size_in(struct zone *zone, const void *block)
{
    lock();
    size_t i = find(block), bytes = i < BLOCKS && live[i].zone == zone ? (live[i].bytes + 15) & ~(size_t)15 : 0;
    unlock();
    return bytes;
}

static struct zone standard = {.size = size_in};

/* ---- the default zone by its plain names ---- */

void *fake_malloc(size_t bytes) { return put(&standard, malloc(bytes), bytes); }
void *fake_calloc(size_t count, size_t bytes) { return put(&standard, calloc(count, bytes), count * bytes); }
void *fake_valloc(size_t bytes) { return put(&standard, aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095), bytes); }
void *fake_aligned_alloc(size_t align, size_t bytes) { return put(&standard, aligned_alloc(align, bytes), bytes); }

int fake_posix_memalign(void **block, size_t align, size_t bytes)
{
    int error = posix_memalign(block, align, bytes);
    if (!error)
        put(&standard, *block, bytes);
    return error;
}

static bool is_anothers(const void *block)
{
    return block && find(block) == BLOCKS && registered && registered->size(registered, block);
}

void fake_free(void *block)
{
    if (is_anothers(block)) {
        registered->free(registered, block);
        return;
    }
    if (block)
        take(NULL, block);
    free(block);
}

/* Of whatever zone. */
void *fake_realloc(void *block, size_t bytes)
{
    if (is_anothers(block))
        return registered->realloc(registered, block, bytes);
    lock();
    size_t i = find(block);
    struct zone *zone = block && i < BLOCKS ? live[i].zone : &standard;
    unlock();
    if (block)
        take(NULL, block);
    return put(zone, realloc(block, bytes), bytes);
}

void *reallocf(void *block, size_t bytes) { return fake_realloc(block, bytes); }

/* ---- zones ---- */

struct zone *malloc_default_zone(void) { return &standard; }

struct zone *malloc_create_zone(size_t bytes, unsigned flags)
{
    struct zone *zone = calloc(1, sizeof *zone);
    (void)bytes, (void)flags;
    zone->size = size_in;
    return zone;
}

void *malloc_zone_malloc(struct zone *zone, size_t bytes) { return put(zone, malloc(bytes), bytes); }
void *malloc_zone_calloc(struct zone *zone, size_t count, size_t bytes)
{
    return put(zone, calloc(count, bytes), count * bytes);
}
void *malloc_zone_valloc(struct zone *zone, size_t bytes)
{
    return put(zone, aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095), bytes);
}
void *malloc_zone_memalign(struct zone *zone, size_t align, size_t bytes)
{
    return put(zone, aligned_alloc(align, bytes), bytes);
}
void malloc_zone_free(struct zone *zone, void *block) { take(zone, block), free(block); }

void *malloc_zone_realloc(struct zone *zone, void *block, size_t bytes)
{
    if (block)
        take(zone, block);
    return put(zone, realloc(block, bytes), bytes);
}

unsigned malloc_zone_batch_malloc(struct zone *zone, size_t bytes, void **blocks, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        blocks[i] = malloc_zone_malloc(zone, bytes);
    return count;
}

void malloc_zone_batch_free(struct zone *zone, void **blocks, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        malloc_zone_free(zone, blocks[i]);
        blocks[i] = NULL; /* as libmalloc does */
    }
}

void malloc_destroy_zone(struct zone *zone)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (live[i].block && live[i].zone == zone) {
            free((void *)live[i].block);
            live[i].block = NULL;
        }
    free(zone);
}

struct zone *malloc_zone_from_ptr(const void *block)
{
    size_t i = find(block);
    return block && i < BLOCKS ? live[i].zone : NULL;
}

void malloc_zone_register(struct zone *zone) { registered = zone; }
size_t malloc_size(const void *block)
{
    return malloc_zone_from_ptr(block) ? size_in(malloc_zone_from_ptr(block), block) : 0;
}
size_t malloc_good_size(size_t bytes) { return (bytes + 15) & ~(size_t)15; }

void malloc_zone_statistics(struct zone *zone, void *totals)
{
    struct mallinfo2 known = mallinfo2();
    (void)zone;
    memcpy(totals, &(struct {
               unsigned blocks;
               size_t used, most, taken;
           }){0, known.uordblks, 0, known.arena},
           32);
}
