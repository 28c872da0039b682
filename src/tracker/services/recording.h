/* recording.h - the memory-mapped file that is current at every moment (base/format.h, docs/format.md).
 *
 * The header and all chunks stay mapped at the same addresses for the process's life, also across fork, where the child's own
 * file takes the place of the parent's. Where no file can be had, the same structures live in private memory: the run goes on,
 * but nothing of it survives a SIGKILL, and the header's message says so. */
#ifndef CR_SERVICES_RECORDING_H
#define CR_SERVICES_RECORDING_H

#include "base/format.h"
#include "base/lock.h"

extern struct cr_lock cr_recording_lock;

/* The mapped header; before cr_recording_start a dummy one, so that it is never NULL. */
extern struct cr_header *cr_recording;

/* Creates folder/recording and maps it. heap_bytes and heap_files are the budget for contents. -EEXIST when there is one
 * already; another error: recording in private memory is used and 0 returned; -ENOMEM: nothing works. Called once. */
int cr_recording_start(const char *folder, uint64_t heap_bytes, uint64_t heap_files, uint32_t flags);

/* Just before a fork: notes what the child will need of the recording, which stays the parent's to change until the child has its
 * own. */
void cr_recording_before_fork(void);
/* In a forked child: puts a file in `folder` (NULL: private memory) in the place of the parent's, counters reset, the sum of
 * the parent's live blocks as inherited; header.threads is still the parent's. */
int cr_recording_fork(const char *folder);

/* A counter slot nobody uses, or NULL if there is no memory. */
struct cr_slot *cr_recording_new_slot(void);

/* Calls visit for every slot. */
void cr_recording_each_slot(void (*visit)(void *context, struct cr_slot *slot), void *context);

struct cr_totals {
    uint64_t allocations, frees, reallocations, bytes_allocated, bytes_freed, untracked_frees;
    uint64_t live_bytes, live_blocks; /* with what was inherited */
};
/* The sums over all slots. */
struct cr_totals cr_recording_totals(void);

/* Adds what a slot has not handed in yet to the shared counts, and raises the peak to the highest point in between. By the
 * slot's own thread, or when no other may write it. */
void cr_recording_hand_in(struct cr_slot *slot);

/* How far a slot's live bytes may move before they are handed in; grows with the peak (docs/format.md, peak_bytes). */
extern _Atomic int64_t cr_recording_step;

/* Takes a file of this many bytes from the budget; false if it does not allow one. budget: a header, maybe another process's. */
bool cr_recording_claim(struct cr_header *budget, uint64_t bytes);

/* Keeps a message for the launcher to print; the first one stays. Any part may be "". */
void cr_recording_say(const char *what, const char *detail, int error);

#endif
