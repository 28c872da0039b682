/* interpose_placed_darwin.c - a zone for placed blocks (events/placement.h), so that whoever asks libmalloc about one gets an answer.
 *
 * Calls that pass the hooks, of system libraries among themselves, look for the zone of a block by asking every registered one for its
 * size. This one knows the placed blocks: malloc_size is exact, malloc_zone_from_ptr finds it, and free and realloc end here. It makes no
 * blocks of its own: what is asked of it comes from the default zone, unplaced. */
#include "platform/interpose.h"

#include <stdint.h>

#include "entry/placed.h"

static malloc_zone_t zone;

/* At least 1 for a block: 0 says that it is another zone's. */
static size_t zone_size(malloc_zone_t *self, const void *block)
{
    struct cr_placed_block placed;
    (void)self;
    if (!cr_may_be_placed(block) || !cr_placed_may_ask(block) || !cr_placed_find(block, &placed))
        return 0;
    return placed.size ? placed.size : 1;
}

static void *zone_malloc(malloc_zone_t *self, size_t size)
{
    (void)self;
    return malloc_zone_malloc(malloc_default_zone(), size);
}

static void *zone_calloc(malloc_zone_t *self, size_t count, size_t size)
{
    (void)self;
    return malloc_zone_calloc(malloc_default_zone(), count, size);
}

static void *zone_valloc(malloc_zone_t *self, size_t size)
{
    (void)self;
    return malloc_zone_valloc(malloc_default_zone(), size);
}

static void *zone_memalign(malloc_zone_t *self, size_t align, size_t size)
{
    (void)self;
    return malloc_zone_memalign(malloc_default_zone(), align, size);
}

static void zone_free(malloc_zone_t *self, void *block)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_thread *thread = cr_hook_enter();
    (void)self;
    if (!thread) {
        cr_pass_free(block);
        return;
    }
    if (!cr_hooks_free_placed(thread, block, "free", NULL, &start))
        free(block); /* made through this zone, by the default one */
    cr_leave(thread);
}

static void zone_free_sized(malloc_zone_t *self, void *block, size_t size)
{
    (void)size;
    zone_free(self, block);
}

static void *zone_realloc(malloc_zone_t *self, void *block, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    (void)self;
    return cr_hooks_resize(block, size, "realloc", &start);
}

static unsigned zone_batch_malloc(malloc_zone_t *self, size_t size, void **results, unsigned count)
{
    (void)self;
    return malloc_zone_batch_malloc(malloc_default_zone(), size, results, count);
}

static void zone_batch_free(malloc_zone_t *self, void **blocks, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        zone_free(self, blocks[i]);
}

static void zone_destroy(malloc_zone_t *self) { (void)self; }

/* ---- what libmalloc and the debugger ask of every zone ---- */

static kern_return_t enumerate(task_t task, void *context, unsigned types, vm_address_t address, memory_reader_t reader,
                               vm_range_recorder_t recorder)
{
    (void)task, (void)context, (void)types, (void)address, (void)reader, (void)recorder;
    return KERN_SUCCESS; /* nothing that others could find */
}

static size_t good_size(malloc_zone_t *self, size_t size)
{
    (void)self;
    return size;
}

static boolean_t yes(malloc_zone_t *self)
{
    (void)self;
    return 1;
}

static boolean_t no(malloc_zone_t *self)
{
    (void)self;
    return 0;
}

static void print(malloc_zone_t *self, boolean_t verbose) { (void)self, (void)verbose; }
static void log_address(malloc_zone_t *self, void *address) { (void)self, (void)address; }
static void nothing(malloc_zone_t *self)
{
    (void)self;
} /* crunch's own locks are held over a fork by entry/lifecycle.c */

static void statistics(malloc_zone_t *self, malloc_statistics_t *stats)
{
    (void)self;
    *stats = (malloc_statistics_t){0};
}

static malloc_introspection_t introspection = {
    .enumerator = enumerate,
    .good_size = good_size,
    .check = yes,
    .print = print,
    .log = log_address,
    .force_lock = nothing,
    .force_unlock = nothing,
    .statistics = statistics,
    .zone_locked = no,
    .reinit_lock = nothing,
};

#define ZONE_VERSION 9 /* the first with reinit_lock, without which a forked child would unlock what is not locked */

static malloc_zone_t zone = {
    .size = zone_size,
    .malloc = zone_malloc,
    .calloc = zone_calloc,
    .valloc = zone_valloc,
    .free = zone_free,
    .realloc = zone_realloc,
    .destroy = zone_destroy,
    .zone_name = "crunch",
    .batch_malloc = zone_batch_malloc,
    .batch_free = zone_batch_free,
    .introspect = &introspection,
    .version = ZONE_VERSION,
    .memalign = zone_memalign,
    .free_definite_size = zone_free_sized,
};

void cr_hooks_placed_start(void) { malloc_zone_register(&zone); }
