/* recording.h - the memory-mapped file that is current at every moment (base/format.h, docs/format.md).
 *
 * The header and all sections stay mapped at the same addresses for the process's life, also across fork, where the child's own
 * file takes the place of the parent's. Sections grow at their end, in address space reserved for them at the start. Where no
 * file can be had, the same structures live in private memory: the run goes on, but nothing of it survives a SIGKILL, and the
 * header's message says so. */
#ifndef CR_SERVICES_RECORDING_H
#define CR_SERVICES_RECORDING_H

#include <stddef.h>

#include "base/format.h"
#include "base/lock.h"

extern struct cr_lock cr_recording_lock;

/* The mapped header; before cr_recording_start a dummy one, so that it is never NULL. */
extern struct cr_header *cr_recording;

/* Creates folder/recording and maps it. heap_bytes and heap_files are the budget for contents. -EEXIST when there is one
 * already; -ENOMEM: nothing works. Without a file recording goes on in private memory, and 0 is returned. Called once. */
int cr_recording_start(const char *folder, uint64_t heap_bytes, uint64_t heap_files, uint32_t flags);
/* Part of it (recording_meta.c): fills META with what is known of the process, its arguments, the names of its environment's variables and crunch's options. */
void cr_recording_describe(void);

/* Just before a fork: notes what the child will need of the recording, which stays the parent's to change until the child has its
 * own. */
void cr_recording_before_fork(void);
/* In a forked child: puts a file in `folder` (NULL: private memory) in the place of the parent's, counters reset, the sum of
 * the parent's live blocks as inherited; header.threads is still the parent's. */
int cr_recording_fork(const char *folder);

/* ---- the recording of one moment, for a frozen child ---- */

/* Copies what goes on changing to private memory. With the recording lock held. false: no memory for it. */
bool cr_recording_freeze(void);
/* In the process: gives the copy back. */
void cr_recording_melt(void);
/* The mapped recording that the process goes on writing; cr_recording itself but in a frozen child. */
struct cr_header *cr_recording_live(void);
/* In the frozen child: the copy takes the recording's place, and all functions here work on it. Returns the one that goes on. */
struct cr_header *cr_recording_turn_frozen(void);
/* There: makes a section hold so many bytes. For cr_recording_append. */
bool cr_recording_room_frozen(enum cr_section_kind section, size_t bytes);
/* Writes what the copy and its unchanging parts hold as a recording of its own. 0 or -errno. */
int cr_recording_write_frozen(const char *path);

/* ---- sections ---- */

/* Where the items of each section lie. Items below the count that cr_recording_append has returned are mapped. */
extern char *cr_section_items[CR_SECTIONS];

#define CR_SECTION_ITEM(type, section, index) (&((type *)(void *)cr_section_items[section])[index])
static inline struct cr_site *cr_site(uint32_t i) { return CR_SECTION_ITEM(struct cr_site, CR_SECTION_SITES, i); }
static inline struct cr_site_extra *cr_site_extra(uint32_t i)
{
    return CR_SECTION_ITEM(struct cr_site_extra, CR_SECTION_EXTRAS, i);
}
static inline struct cr_histogram *cr_histogram(uint32_t i)
{
    return CR_SECTION_ITEM(struct cr_histogram, CR_SECTION_HISTOGRAMS, i);
}
static inline struct cr_slot *cr_slot(uint32_t i) { return CR_SECTION_ITEM(struct cr_slot, CR_SECTION_THREADS, i); }

/* Appends `count` items (NULL: zeroed ones) and returns the number of the first, or CR_NO_ITEM if there is no room. Takes the
 * recording lock. */
#define CR_NO_ITEM UINT32_MAX
uint32_t cr_recording_append(enum cr_section_kind section, const void *item, uint32_t count);
/* The same, with the lock held; or, at the end of the process, by what has interrupted its holder (signals are held back while the
 * recording grows), to a section that nobody else appends to. */
uint32_t cr_recording_append_locked(enum cr_section_kind section, const void *item, uint32_t count);

/* The same for a site, with its extra. Empty items (pc 0) keep extras of different threads off each other's cache lines. */
uint32_t cr_recording_append_site(const struct cr_site *site);

/* ---- counters ---- */

/* Calls visit for every slot. */
void cr_recording_each_slot(void (*visit)(void *context, struct cr_slot *slot), void *context);

struct cr_totals {
    uint64_t allocations, frees, reallocations, bytes_allocated, bytes_freed, untracked_frees;
    uint64_t live_bytes, live_blocks; /* with what was inherited */
};
/* The sums over all slots. */
struct cr_totals cr_recording_totals(void);

/* A slot's live bytes have risen to a new high (slot->high_* say it). Counts a new peak of the process if it is one: at once
 * while only one thread has used the heap, else when the slot has moved by a step. Whether the peak has come to what is awaited; seen
 * at most one step late. */
bool cr_recording_rise(struct cr_slot *slot);
extern _Atomic uint64_t cr_recording_peak_awaited; /* bytes; UINT64_MAX: nobody waits */
/* Adds what a slot has not handed in yet to the shared counts, and raises the peak to the highest point in between. By the
 * slot's own thread, or when no other may write it. */
void cr_recording_hand_in(struct cr_slot *slot);

/* How far a slot's live bytes may move before they are handed in; grows with the peak (docs/format.md, peak_bytes). */
extern _Atomic int64_t cr_recording_step;

/* A slot's live bytes have fallen to a new low (slot->low_bytes says it): hands in when it has moved by a step. */
static inline void cr_recording_fall(struct cr_slot *slot)
{
    int64_t moved = atomic_load_explicit(&slot->handed_bytes, memory_order_relaxed) -
                    atomic_load_explicit(&slot->low_bytes, memory_order_relaxed);
    if (CR_UNLIKELY(moved > atomic_load_explicit(&cr_recording_step, memory_order_relaxed)))
        cr_recording_hand_in(slot);
}

/* Takes a file of this many bytes from the budget; false if it does not allow one. It may lie in another process's recording. */
bool cr_recording_claim(struct cr_budget *budget, uint64_t bytes);

/* Keeps a message for the launcher to print. The first one stays; but one on a snapshot gives way to any later one. Any part may
 * be "". */
void cr_recording_say(const char *what, const char *detail, int error);

#endif
