/* recordings.h - recordings in the test's own folder, each in a process of its own, since one is started once. */
#ifndef CR_RECORDINGS_H
#define CR_RECORDINGS_H

#include "services/recording.h"
#include "tracker.h"

/* Whether `holds` holds in a process of its own. */
static inline bool in_folder(bool (*holds)(void))
{
    bool held = in_child(holds);
    unlink(tracker_path("recording"));
    return held;
}

static inline bool begin(void) { return cr_recording_start(tracker_folder, 1000, 3, 0) == 0; }

/* NULL: no room. */
static inline struct cr_slot *new_slot(void)
{
    uint32_t item = cr_recording_append(CR_SECTION_THREADS, NULL, 1);
    return item == CR_NO_ITEM ? NULL : cr_slot(item);
}

static inline void set(struct cr_slot *slot, uint64_t bytes, uint64_t blocks, uint64_t high_bytes, uint64_t high_blocks)
{
    atomic_store(&slot->bytes_allocated, bytes);
    atomic_store(&slot->allocations, blocks);
    atomic_store(&slot->high_bytes, (int64_t)high_bytes);
    atomic_store(&slot->high_blocks, (int64_t)high_blocks);
}

#endif
