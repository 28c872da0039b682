/* placed.h - what hooks do with placed blocks (events/placement.h). */
#ifndef CR_ENTRY_PLACED_H
#define CR_ENTRY_PLACED_H

#include "entry/hooks.h"
#include "events/placement.h"

/* The allocator, for events/placement.h. */
extern const struct cr_heap cr_hooks_heap;

/* Once, when blocks are going to be placed: makes the rest of the system's allocator know of them. */
void cr_hooks_placed_start(void);

/* A new block of an allocation hook that has entered, recorded, the thread left; NULL: the hook goes on as usual. */
void *cr_hooks_place(struct cr_thread *thread, size_t size, size_t align, unsigned kind, struct cr_unwind_start *start);

/* In an allocation hook, after it entered. */
#define CR_PLACE(thread, size, align, kind)                                                                            \
    do {                                                                                                               \
        if (CR_UNLIKELY(!--(thread)->until_placed)) {                                                                  \
            struct cr_unwind_start place_ = CR_UNWIND_START();                                                         \
            void *placed_ = cr_hooks_place(thread, size, align, kind, &place_);                                        \
            if (placed_)                                                                                               \
                return placed_;                                                                                        \
        }                                                                                                              \
    } while (0)

/* Frees a placed block, for a thread that has entered and stays so; false: it is none. how: what operator delete says, else NULL. */
bool cr_hooks_free_placed(struct cr_thread *thread, void *block, const char *function, const struct cr_delete *how,
                          const struct cr_unwind_start *start);

/* realloc of a placed block, or one that is to be: true, and *result; the thread stays entered. false: as usual. */
bool cr_hooks_resize_placed(struct cr_thread *thread, void *block, size_t size, const char *function,
                            struct cr_unwind_start *start, void **result);

/* For the program itself: looks at all placed blocks now, and returns how many errors that adds; 0 without --check and --guard. */
__attribute__((visibility("default"))) size_t crunch_tracker_check(void);

/* realloc by a thread that cannot enter. */
bool cr_hooks_resize_unseen(void *block, size_t size, void **result);

/* Whether an alignment is one that every allocation function accepts. */
static inline bool cr_hooks_is_align(size_t align) { return align >= sizeof(void *) && !(align & (align - 1)); }

#endif
