/* histograms.c - see histograms.h. */
#include "state/histograms.h"

#include "base/counter.h"
#include "base/banned.h"

static inline void count(_Atomic uint32_t *counter)
{
    uint32_t value = CR_LOAD(*counter) + 1;
    if (CR_LIKELY(value != 0))
        CR_STORE(*counter, value);
}

/* Of a number that is not 0. */
static unsigned log_2(uint64_t number) { return 63u ^ (unsigned)__builtin_clzll(number); }

/* Makes a histogram that an item does not have yet. Without memory item 0 goes on to serve, which nobody reads. */
static void make(uint32_t item, _Atomic uint32_t *reference, enum cr_histogram_kind kind)
{
    const struct cr_histogram fresh = {.site = item, .kind = kind};
    uint32_t made = cr_recording_append(CR_SECTION_HISTOGRAMS, &fresh, 1);
    if (made != CR_NO_ITEM)
        CR_STORE(*reference, made);
}

/* The first block of an item that ends: its size needs no histogram. Returns whether it is the first. */
static CR_COLD bool is_first_size(uint32_t item, uint64_t size)
{
    const struct cr_site *site = cr_site(item);
    if (CR_LOAD(site->allocations) - (uint64_t)(int64_t)CR_LOAD(site->live_blocks) != 1 || size > UINT32_MAX)
        return false;
    CR_STORE(cr_site_extra(item)->size, (uint32_t)size);
    return true;
}

/* The histograms are there, as far as they are needed. */
CR_HOT void count_death(const struct cr_site_extra *extra, uint64_t size, uint32_t age, uint32_t apart)
{
    struct cr_histogram *lives = cr_histogram(CR_LOAD(extra->lives)), *sizes = cr_histogram(CR_LOAD(extra->sizes));
    if (CR_LIKELY(apart != CR_APART_UNKNOWN))
        count(&lives->lives.by_allocations[log_2(apart | 1) / 2]);
    if (CR_UNLIKELY(age != 0)) {
        unsigned bucket = log_2(age) / 2;
        count(&lives->lives.by_time[bucket < CR_LIVES_BY_TIME ? bucket : CR_LIVES_BY_TIME - 1]);
    }
    if (size != CR_LOAD(extra->size)) {
        unsigned bucket = log_2(size | 1);
        count(&sizes->sizes[bucket < CR_SIZES ? bucket : CR_SIZES - 1]);
    }
}

static CR_COLD void make_and_count(uint32_t item, uint64_t size, uint32_t age, uint32_t apart)
{
    struct cr_site_extra *extra = cr_site_extra(item);
    if (!CR_LOAD(extra->lives) && (age || apart != CR_APART_UNKNOWN))
        make(item, &extra->lives, CR_HISTOGRAM_LIVES);
    if (!CR_LOAD(extra->sizes) && size != CR_LOAD(extra->size) && !is_first_size(item, size))
        make(item, &extra->sizes, CR_HISTOGRAM_SIZES);
    count_death(extra, size, age, apart);
}

void cr_histogram_death(uint32_t item, uint64_t size, uint32_t age, uint32_t apart)
{
    const struct cr_site_extra *extra = cr_site_extra(item);
    if (CR_UNLIKELY(!CR_LOAD(extra->lives) || (!CR_LOAD(extra->sizes) && size != CR_LOAD(extra->size))))
        make_and_count(item, size, age, apart);
    else
        count_death(extra, size, age, apart);
}

void cr_histogram_resize(uint32_t item, uint64_t was, uint64_t is, bool moved, unsigned growth)
{
    _Atomic uint32_t *reference = &cr_site_extra(item)->resizes;
    if (CR_UNLIKELY(!CR_LOAD(*reference)))
        make(item, reference, CR_HISTOGRAM_RESIZES);
    struct cr_histogram *resizes = cr_histogram(CR_LOAD(*reference));
    CR_ADD(resizes->resizes.grown, is > was);
    CR_ADD(resizes->resizes.shrunk, is < was);
    if (moved) {
        CR_ADD(resizes->resizes.moved, 1);
        CR_ADD(resizes->resizes.copied_bytes, is < was ? is : was);
    }
    if (growth > CR_LOAD(resizes->resizes.longest))
        CR_STORE(resizes->resizes.longest, growth);
}
