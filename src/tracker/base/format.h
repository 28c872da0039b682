/* format.h - the bytes of a run folder's binary files, as the tracker writes them; src/report/reader.py and block_file.py read them.
 *
 * This header and docs/format.md are the one contract between C and Python; change both together, and the version.
 * All integers are little endian (every platform crunch runs on is); offsets are in bytes from the start of the file.
 * May include nothing but standard headers and format_*.h, its parts. */
#ifndef CR_BASE_FORMAT_H
#define CR_BASE_FORMAT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/format_time.h"

#define CR_FORMAT_VERSION 4u
#define CR_RECORDING_MAGIC "crunch-r" /* 8 bytes, no terminator in the file */
#define CR_BLOCKS_MAGIC "crunch-b"

/* ---- recording: a header, then chunks, each from a page of the system on (4 KiB, Apple silicon 16 KiB); a section is the chunks
 * of its kind, one behind the other ---- */

#define CR_HEADER_BYTES 8192u
#define CR_MAX_CHUNKS 260u

enum cr_section_kind {
    CR_SECTION_META,    /* bytes: "key=value\0" entries: exe, cwd, arg (one per argument), system, release, machine */
    CR_SECTION_THREADS, /* struct cr_slot */
    CR_SECTION_SITES,   /* struct cr_site; an item whose pc is 0 is no site: item 0, and gaps between threads */
    CR_SECTION_EXTRAS,  /* struct cr_site_extra, parallel to SITES */
    CR_SECTION_NODES, /* struct cr_node; item 0 is the root, outside of all outermost frames; 1 to CR_MARKERS-1: markers */
    CR_SECTION_PCS,        /* struct cr_pc; items below CR_MARKERS are markers */
    CR_SECTION_MODULES,    /* struct cr_module; item 0 is no module */
    CR_SECTION_STRINGS,    /* bytes: NUL-terminated paths, and names of the program's sections */
    CR_SECTION_ERRORS,     /* struct cr_error, in the order they were found */
    CR_SECTION_TIMELINE,   /* item 0: struct cr_timeline; all others struct cr_point */
    CR_SECTION_SERIES,     /* item 0: struct cr_history; all others struct cr_series_point */
    CR_SECTION_HISTOGRAMS, /* struct cr_histogram; item 0 is none, nor are items whose site is 0 */
    CR_SECTION_THREADINFO, /* struct cr_thread_info; item 0 is the sum of ended threads that have no item any more */
    CR_SECTION_LEAKS,      /* struct cr_leak_sum, written at the end */
    CR_SECTIONS
};

struct cr_section {
    uint32_t item_bytes;
    uint32_t reserved;
    _Atomic uint64_t used; /* items; raised after an item is filled */
};

struct cr_chunk {
    uint32_t section; /* enum cr_section_kind */
    uint32_t reserved;
    uint64_t offset;
    uint64_t bytes; /* 0: the file could not grow, what belongs here is lost */
};

enum cr_run_state {
    CR_RUN_RUNNING = 0,   /* or killed in a way nobody could see: look whether the process still exists */
    CR_RUN_EXITED = 1,    /* end_detail is the exit status */
    CR_RUN_SIGNALLED = 2, /* end_detail is the signal's number */
    CR_RUN_EXECED = 3,    /* the image was replaced by exec */
};

enum cr_run_flags {
    CR_RUN_FORKED = 1u << 0, /* a child of fork: its heap began as a copy of its parent's */
    CR_RUN_CHILD = 1u << 1,  /* the folder is children/PID of another run folder */
    CR_RUN_STOPPED =
        1u << 2, /* tracking turned itself off before the end (out of memory); the counters stand still since */
    CR_RUN_SNAPSHOT = 1u << 3,   /* the folder is snapshots/N of another: the process went on after end_ns */
    CR_RUN_CLASSIFIED = 1u << 4, /* at the end it was seen which blocks could be reached: LEAKS and blocks say it */
};

/* What may still be kept of block contents. */
struct cr_budget {
    _Atomic int64_t bytes_left;
    _Atomic int64_t files_left;
};

/* Snapshots of a process. Who wants one raises `wanted` and sends `signal` to the process. */
struct cr_snapshots {
    _Atomic uint32_t wanted;    /* by whoever asks from outside */
    _Atomic uint32_t answered;  /* the value of `wanted` when the last one was taken or given up */
    _Atomic uint32_t taken;     /* the number of the last one; its folder is there when it is complete */
    _Atomic uint32_t dropped;   /* of these, those that could not be written */
    _Atomic uint32_t writing;   /* 1 while one is being written; at most one is */
    _Atomic uint32_t signal;    /* 0: the process cannot be asked */
    _Atomic uint32_t timed;     /* the last value of `wanted` that --snapshot-every raised, not a person */
    _Atomic uint32_t requested; /* the number of the last one that a person asked for from outside */
    _Atomic uint64_t longest_pause_ns;
    struct cr_budget heap; /* for the contents in all snapshots of the process and its children together */
};
static_assert(sizeof(struct cr_snapshots) == 56, "");

struct cr_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t file_bytes;
    _Atomic uint32_t chunk_count; /* of chunks[] */
    _Atomic uint32_t state;       /* enum cr_run_state */
    uint32_t end_detail;
    uint32_t flags; /* enum cr_run_flags */
    uint64_t pid;
    uint64_t ppid;
    uint64_t start_wall_ns;   /* since 1970-01-01 UTC */
    uint64_t start_ns;        /* monotonic clock, the zero of every time_ns in the folder */
    uint64_t end_ns;          /* monotonic clock; 0 while running */
    uint64_t max_rss_bytes;   /* written at the end */
    _Atomic uint64_t threads; /* threads that ever used the heap */
    /* A forked child starts with its parent's live blocks; its own counters start at zero. */
    uint64_t inherited_bytes;
    uint64_t inherited_blocks;
    /* Live bytes and blocks as far as threads have handed them in (see struct cr_slot), and the peak of those. */
    _Atomic int64_t shared_bytes;
    _Atomic int64_t shared_blocks;
    _Atomic uint64_t peak_bytes;
    _Atomic uint64_t peak_blocks; /* live blocks at the moment of peak_bytes */
    /* What may still be kept of block contents, by this process and all its children together. */
    struct cr_budget heap_left;
    /* Written at the end, with the blocks file. */
    uint64_t runtime_bytes; /* live blocks that are the C and C++ runtimes' own */
    uint64_t runtime_blocks;
    uint64_t heap_files; /* contents kept under heap/ */
    uint64_t heap_bytes;
    uint64_t heap_left_out_files; /* remaining blocks whose contents were not kept, for whatever reason */
    uint64_t heap_left_out_bytes;
    char message[256]; /* why the tracker turned itself off or recorded less, one line; empty: nothing to say */
    /* Counts new peaks: a site whose epoch is this one holds its share of the peak in peak_*, any other site in live_*. */
    _Atomic uint32_t peak_epoch;
    uint32_t reserved0;
    /* Errors of the program's, repetitions included; raised after the item of ERRORS is there. Of these, those without an item. */
    _Atomic uint64_t errors;
    _Atomic uint64_t errors_left_out;
    uint64_t reserved[8];
    struct cr_snapshots snapshots;
    struct cr_section sections[CR_SECTIONS];
    struct cr_chunk chunks[CR_MAX_CHUNKS];
};
static_assert(sizeof(struct cr_header) <= CR_HEADER_BYTES, "the header must fit");

/* A stack whose outermost frames are missing hangs under a marker, node and pc item of the same number, instead of the root:
 * the number is the reason, an enum cr_unwind_end of base/unwind.h or one of these. */
#define CR_MARKERS 16u
#define CR_MARKER_CALLER 14u /* only the caller was kept */

/* A frame of the call tree. */
struct cr_node {
    uint32_t parent; /* a smaller item number; 0: the root */
    uint32_t pc;     /* item of PCS */
};

struct cr_pc {
    uint64_t
        address_module; /* return address in the low 48 bits (subtract 1 before asking for a line), item of MODULES above */
};
#define CR_PC_BITS 48
#define CR_PC_ADDRESS ((UINT64_C(1) << CR_PC_BITS) - 1)
/* In the place of a module: no code, but a section of the program's (crunch_section); below it the offset of its name in STRINGS. */
#define CR_PC_SECTION UINT64_C(0xffff)

struct cr_module {
    uint64_t start, end;  /* addresses it occupied */
    uint64_t bias;        /* address minus this is the address in the file's symbol table */
    uint64_t loaded_ns;   /* when first seen, since header.start_ns */
    uint64_t unloaded_ns; /* 0: still there at the end */
    uint32_t path;        /* offset into STRINGS */
    uint32_t build_id_bytes;
    uint8_t build_id[32]; /* GNU build-id, or LC_UUID */
};
static_assert(sizeof(struct cr_module) == 80, "");

/* What one thread's slot allocated at one place: the leaf frame and the node it hangs under. Written by that slot's thread alone. The same
 * place has an item per slot; what a thread frees of another's blocks is counted in an item of its own, so that live_* of one
 * item may be negative and only sums over the items of a place mean something. */
struct cr_site {
    uint64_t address;             /* the leaf's return address, as it was then */
    uint32_t parent;              /* item of NODES */
    uint32_t pc;                  /* item of PCS */
    _Atomic uint64_t allocations; /* blocks made here, and blocks made larger or smaller here by realloc */
    _Atomic uint64_t bytes;       /* requested by these */
    _Atomic int64_t live_bytes;
    _Atomic int32_t live_blocks;
    _Atomic uint32_t epoch; /* see header.peak_epoch */
    _Atomic int64_t peak_bytes;
    _Atomic int32_t peak_blocks;
    uint32_t slot; /* item of THREADS */
};
static_assert(sizeof(struct cr_site) == 64, "one cache line");

struct cr_site_extra {
    _Atomic uint64_t temporary;   /* blocks freed (or ended by realloc) by their thread before it allocated another */
    _Atomic uint64_t lifetime_ns; /* sum over the blocks that were freed or reallocated */
    _Atomic uint32_t size;        /* of the first block that ended, if below 4 GiB: what `sizes` leaves out */
    _Atomic uint32_t lives;       /* items of HISTOGRAMS; 0: there is nothing to say */
    _Atomic uint32_t sizes;
    _Atomic uint32_t resizes;
};
static_assert(sizeof(struct cr_site_extra) == 32, "");

/* One per thread at a time (reused after a thread's end), written by that thread alone, so exact at every moment:
 *   live bytes  = header.inherited_bytes  + sum over slots of (bytes_allocated - bytes_freed)
 *   live blocks = header.inherited_blocks + sum over slots of (allocations - frees)
 * The peak is found without a shared counter on the fast path: a thread hands its part in only when its live bytes have
 * moved by more than a small step since the last time, and remembers the highest point in between:
 *   handed_*  what of this slot's live bytes/blocks is contained in header.shared_*
 *   high_*    live bytes/blocks of this slot at its highest point since it was last handed in.
 * A reader of a killed run's recording completes the peak with
 *   max(header.peak_bytes, shared_bytes + sum over slots of (live - handed) with one slot's live replaced by its high). */
struct cr_slot {
    _Atomic uint64_t allocations; /* blocks that came into being, realloc of an existing block not counted */
    _Atomic uint64_t frees;
    _Atomic uint64_t reallocations;
    _Atomic uint64_t bytes_allocated; /* requested; a realloc adds its new size here and its old size to bytes_freed */
    _Atomic uint64_t bytes_freed;
    _Atomic uint64_t untracked_frees; /* frees of addresses crunch never saw allocated */
    _Atomic int64_t handed_bytes;
    _Atomic int64_t handed_blocks;
    _Atomic int64_t high_bytes;
    _Atomic int64_t high_blocks;
    _Atomic int64_t low_bytes; /* as high_bytes, of its lowest point */
    uint64_t reserved[5];
};
static_assert(sizeof(struct cr_slot) == 128, "two cache lines");

/* ---- errors ---- */

enum cr_error_kind {
    CR_ERROR_DOUBLE_FREE = 1,   /* of a block that is freed, or realloc of one */
    CR_ERROR_FREE_INSIDE = 2,   /* of an address inside a live block */
    CR_ERROR_FREE_STACK = 3,    /* of the calling thread's stack */
    CR_ERROR_FREE_STATIC = 4,   /* of a module's code or data */
    CR_ERROR_FREE_UNMAPPED = 5, /* of memory that is not there */
    CR_ERROR_MISMATCH = 6,      /* `function` does not free what `block_kind` made */
    CR_ERROR_WRONG_SIZE = 7,    /* detail[0]: the size that was said, block_size is right */
    CR_ERROR_WRONG_ALIGNMENT =
        8,                   /* detail[0]: the alignment that was said, 0: none; detail[1]: whether the block has one */
    CR_ERROR_WRONG_ZONE = 9, /* macOS: detail[0]: the zone that was said, detail[1]: the block's */
    CR_ERROR_NEGATIVE_SIZE = 10, /* detail[0]: the size, or (calloc) the count and detail[1] the size */
    CR_ERROR_OVERRUN = 11,  /* bytes behind the block were changed: detail[0]: offset of the first from the block's end,
                                     detail[1]: how many, changed[] from the first on */
    CR_ERROR_UNDERRUN = 12, /* before it: detail[0]: bytes from the first to the block's start, else the same */
    CR_ERROR_WRITE_AFTER_FREE =
        13, /* in it, after it was freed: detail[0]: offset of the first from the block's start, else the same */
    CR_ERROR_OUT_OF_BOUNDS =
        14, /* `function` is called with a range that leaves its block: detail[0]: its bytes, from `address` */
    CR_ERROR_USE_AFTER_FREE = 15, /* the same with a freed block */
    CR_ERROR_GUARD_AFTER = 16,    /* an access to the guard page behind a block: detail[0]: its bytes, 0: unknown */
    CR_ERROR_GUARD_BEFORE = 17,   /* before one */
    CR_ERROR_GUARD_FREED = 18,    /* in a freed one */
    CR_ERROR_KINDS
};

enum cr_error_flags {
    CR_ERROR_READS = 1u << 0, /* the access */
    CR_ERROR_WRITES = 1u << 1,
    CR_ERROR_SKIPPED = 1u << 2, /* the call was not made */
    CR_ERROR_BLOCK = 1u << 3,   /* block_* are known */
};

#define CR_ERROR_BYTES 32u

/* Something the program did wrong. One item for all times of the same kind at the same stack; written once, but for `count`. */
struct cr_error {
    uint32_t kind;             /* enum cr_error_kind */
    uint32_t flags;            /* enum cr_error_flags */
    uint32_t thread;           /* as in struct cr_block_entry; 0: unknown */
    uint32_t allocated_thread; /* the one that allocated the block; 0: unknown */
    uint32_t freed_thread;     /* the one that freed it */
    uint32_t stack;     /* item of NODES, for the frame that called `function` and those outside of it; 0: unknown */
    uint32_t allocated; /* the same of the call that allocated the block */
    uint32_t freed;     /* and of the one that freed it */
    uint64_t time_ns;   /* of the first time, since header.start_ns */
    uint64_t address;   /* what the function was given, or what was accessed */
    uint64_t block_address;
    uint64_t block_size; /* requested bytes */
    uint64_t detail[4];  /* see enum cr_error_kind */
    _Atomic uint64_t count;
    char function[24];                /* that was called, "free"; empty: none */
    uint8_t changed[CR_ERROR_BYTES];  /* memory as it was found */
    uint8_t expected[CR_ERROR_BYTES]; /* and as crunch had left it */
    uint8_t changed_bytes;            /* used of these two */
    uint8_t block_kind;               /* enum cr_kind */
    uint8_t reserved[6];
};
static_assert(sizeof(struct cr_error) == 200, "");

/* ---- leaks ---- */

/* How a block can be reached at the end (docs/leaks.md). */
enum cr_leak_class {
    CR_LEAK_UNKNOWN = 0,
    CR_LEAK_REACHABLE = 1, /* by pointers to starts of blocks, from a root */
    CR_LEAK_POSSIBLE = 2,  /* only by way of a pointer to the inside of a block */
    CR_LEAK_INDIRECT = 3,  /* from a block that is definitely lost */
    CR_LEAK_DEFINITE = 4,
};

/* Blocks of one class allocated at one item of SITES; the classes of a place are the sums over its items. */
struct cr_leak_sum {
    uint32_t site;
    uint32_t leak; /* enum cr_leak_class, not UNKNOWN */
    uint64_t blocks;
    uint64_t bytes;
    uint64_t
        indirect_blocks; /* CR_LEAK_DEFINITE: what is lost through these blocks, and counted as INDIRECT at its own sites */
    uint64_t indirect_bytes;
};
static_assert(sizeof(struct cr_leak_sum) == 40, "");

/* ---- blocks: a header, count records, a table of roots, and their names ---------------------------------------- */

struct cr_blocks_header {
    char magic[8];
    uint32_t version;
    uint32_t record_bytes;
    uint64_t count; /* UINT64_MAX while the file is being written */
    uint64_t pid;
    uint64_t roots;      /* struct cr_root_entry, behind the records */
    uint64_t name_bytes; /* NUL-terminated paths, behind the roots */
    uint64_t reserved[2];
};
static_assert(sizeof(struct cr_blocks_header) == 64, "");

enum cr_kind { /* which function the block came from */
               CR_KIND_MALLOC = 0,
               CR_KIND_CALLOC = 1,
               CR_KIND_REALLOC = 2,
               CR_KIND_ALIGNED = 3, /* memalign, posix_memalign, aligned_alloc, valloc, pvalloc */
               CR_KIND_NEW = 4,
               CR_KIND_NEW_ARRAY = 5,
               CR_KIND_ZONE = 6, /* macOS malloc_zone_* on another zone than the default */
};

enum cr_block_flags {
    CR_BLOCK_RUNTIME = 1u << 0,   /* belongs to the C or C++ runtime or the loader */
    CR_BLOCK_INHERITED = 1u << 1, /* allocated by the parent, before fork */
    CR_BLOCK_CONTENTS = 1u << 2,  /* heap/0x<address> holds its bytes */
};

struct cr_block_entry {
    uint64_t address;
    uint64_t size;    /* requested bytes */
    uint64_t time_ns; /* of allocation, since header.start_ns; as coarse as the system's coarse clock */
    uint32_t site;    /* item of SITES; 0: unknown */
    uint32_t thread;  /* 1, 2, ... in order of first use of the heap */
    uint8_t kind;     /* enum cr_kind */
    uint8_t flags;    /* enum cr_block_flags */
    uint8_t leak;     /* enum cr_leak_class */
    uint8_t reserved;
    uint32_t
        holder; /* what points at it: 1 + number of a block in this file, or CR_HOLDER_ROOT | item of the roots; 0: nothing, or unknown */
};
static_assert(sizeof(struct cr_block_entry) == 40, "");

#define CR_HOLDER_ROOT 0x80000000u

enum cr_root_kind {
    CR_ROOT_DATA = 0,     /* data of a module: `name`, `base` */
    CR_ROOT_STACK = 1,    /* a thread's stack: `thread`, `pc` */
    CR_ROOT_REGISTER = 2, /* a thread's register: `thread`; `address` is its DWARF number */
    CR_ROOT_MEMORY =
        3, /* memory that is no module's and no block: from mmap, a stack nobody runs on, thread-local storage */
    CR_ROOT_RUNTIME = 4, /* the block is the C or C++ runtime's own */
    CR_ROOT_USER = 5,    /* crunch_root, crunch_ignore */
    CR_ROOT_FAR = 6,     /* some root: only the first 2^31 words are told apart */
};

/* A word that points at a block: where a path from a block ends. */
struct cr_root_entry {
    uint64_t address; /* of the word */
    uint64_t pc;      /* STACK: the return address of the frame it is in, less 1 is in its function; 0: none */
    uint64_t base;    /* first address of the module that `address` (STACK: pc) is in */
    uint32_t name;    /* its path, in the names; UINT32_MAX: none */
    uint32_t kind;    /* enum cr_root_kind */
    uint64_t thread;  /* the system's number; 0: none */
};
static_assert(sizeof(struct cr_root_entry) == 40, "");

#endif
