/* format_time.h - the part of format.h that is about time: sections TIMELINE, SERIES, HISTOGRAMS and THREADINFO of a recording. */
#ifndef CR_BASE_FORMAT_TIME_H
#define CR_BASE_FORMAT_TIME_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

/* What item 0 of a thinned history (TIMELINE, SERIES) begins with. Of CR_HALF(section) = H, items 1..H and 2H+1..3H take turns in
 * holding the history's first half, items H+1..2H hold its second: the halves change when neighbours have been merged, by one store
 * to `state`, so that the history is whole at every moment. Written by one thread at a time. */
struct cr_history {
    _Atomic uint64_t state;       /* entries << 1 | whether the first half is in items 2H+1..3H */
    _Atomic uint64_t interval_ns; /* entries are at least about so far apart */
};
#define CR_TIMELINE_HALF 2048u
#define CR_SERIES_HALF 64u

struct cr_timeline {
    struct cr_history history;
    /* Extremes of the process's live bytes since the last point, as far as threads have handed them in. */
    _Atomic int64_t low_bytes, high_bytes;
    uint64_t reserved[4];
};

/* The process at a moment, and what lay between the point before and this one. */
struct cr_point {
    uint64_t time_ns; /* since header.start_ns */
    int64_t live_bytes, live_blocks;
    int64_t low_bytes, high_bytes; /* least and most live bytes since the point before */
    uint64_t allocations;          /* so far */
    uint64_t bytes_allocated;
    uint64_t resident_bytes; /* macOS: physical footprint; 0: not asked since the point before */
};
static_assert(sizeof(struct cr_timeline) == 64 && sizeof(struct cr_point) == 64, "");

#define CR_SERIES_SITES 63u
struct cr_series_entry {
    uint32_t site; /* item of SITES, for all items of its place */
    uint32_t blocks;
    uint64_t bytes;
};
/* The places with most live bytes at a moment. */
struct cr_series_point {
    uint64_t time_ns; /* since header.start_ns */
    uint32_t count;   /* of top[] */
    uint32_t places;  /* with live bytes, in all */
    struct cr_series_entry top[CR_SERIES_SITES];
};
static_assert(sizeof(struct cr_series_point) == 1024, "");

enum cr_histogram_kind {
    CR_HISTOGRAM_LIVES = 1, /* lifetimes of blocks that ended */
    CR_HISTOGRAM_SIZES = 2, /* their sizes */
    CR_HISTOGRAM_RESIZES = 3,
};

#define CR_LIVES_BY_ALLOCATIONS                                                                                        \
    16u /* powers of 4: 0 to 3, 4 to 15, ... allocations of its thread between a block's two ends */
#define CR_LIVES_BY_TIME 14u /* powers of 4 of 2^20 ns, from 1: 1 to 3, 4 to 15, ..., the last without end */
#define CR_SIZES 30u         /* powers of 2: 0 and 1, 2 and 3, 4 to 7, ..., the last without end */

/* Of one item of SITES, and written by its thread alone. Counts stop at UINT32_MAX.
 * LIVES: by allocations, the blocks that their own thread ended and that were not temporary; what is missing in that sum was ended by
 * other threads. By time, all; what is missing in that sum lived less than 2^20 ns, as far as the coarse clock tells.
 * SIZES: of blocks that ended; those of extra.size are left out. */
struct cr_histogram {
    uint32_t site;
    uint32_t kind; /* enum cr_histogram_kind */
    union {
        struct {
            _Atomic uint32_t by_allocations[CR_LIVES_BY_ALLOCATIONS], by_time[CR_LIVES_BY_TIME];
        } lives;
        _Atomic uint32_t sizes[CR_SIZES];
        struct { /* realloc at this site, of blocks already there */
            _Atomic uint64_t grown, shrunk, moved;
            _Atomic uint64_t copied_bytes; /* by those that moved */
            _Atomic uint64_t longest;      /* most times that one block has grown, up to 255 */
        } resizes;
    };
};
static_assert(sizeof(struct cr_histogram) == 128, "");

enum cr_thread_state {
    CR_THREAD_INFO_FREE = 0,
    CR_THREAD_INFO_RUNS = 1,  /* its counts: the slot's, minus those here */
    CR_THREAD_INFO_ENDED = 2, /* its counts are those here */
};

#define CR_THREAD_INFOS 4096u

/* A thread. Counts are of what it did itself, whoever made or ended the block otherwise. */
struct cr_thread_info {
    _Atomic uint32_t state; /* enum cr_thread_state; stored last, cleared first */
    uint32_t number;        /* as in struct cr_block_entry; item 0: how many threads it sums up */
    uint32_t slot;          /* item of THREADS */
    uint32_t reserved;
    uint64_t system_id;
    uint64_t start_ns, end_ns; /* since header.start_ns */
    uint64_t allocations, frees, bytes_allocated, bytes_freed;
    char name[32]; /* the last one known */
    uint64_t reserved2[3];
};
static_assert(sizeof(struct cr_thread_info) == 128, "");

#endif
