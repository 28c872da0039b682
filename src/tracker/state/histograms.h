/* histograms.h - how long the blocks of a site lived, how large they were, and what realloc did (struct cr_histogram of
 * base/format.h).
 *
 * A site gets a histogram when there is something to say: most have blocks of one size, or only temporary ones, or none that ended.
 * Everything is counted when a block ends, at the thread's own item, by that thread. Without memory item 0 is counted in, which
 * nobody reads. */
#ifndef CR_STATE_HISTOGRAMS_H
#define CR_STATE_HISTOGRAMS_H

#include "state/sites.h"

#define CR_APART_UNKNOWN UINT32_MAX

#ifdef CR_WITHOUT_HISTOGRAMS /* for `make bench` alone; histograms.c is left out then */
#define cr_histogram_wants(item, size, age) ((void)(item), (void)(size), (void)(age), false)
#define cr_histogram_death(item, size, age, apart) ((void)(item), (void)(size), (void)(age), (void)(apart))
#define cr_histogram_resize(item, was, is, moved, growth)                                                              \
    ((void)(item), (void)(was), (void)(is), (void)(moved), (void)(growth))
#else

/* Whether the end of a temporary block has to be told to cr_histogram_death, as that of any other block has. */
static inline bool cr_histogram_wants(uint32_t item, uint64_t size, uint32_t age)
{
    return (age | (size ^ CR_LOAD(cr_site_extra(item)->size))) != 0;
}

/* A block of the item ended at this age, after cr_site_death. apart: allocations that its thread has made since, or
 * CR_APART_UNKNOWN: it was temporary, or another thread's. */
void cr_histogram_death(uint32_t item, uint64_t size, uint32_t age, uint32_t apart);

/* realloc made a block of size `is` out of one of size `was`, which has grown `growth` times by now. */
void cr_histogram_resize(uint32_t item, uint64_t was, uint64_t is, bool moved, unsigned growth);

#endif
#endif
