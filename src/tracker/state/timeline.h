/* timeline.h - the heap over time: points (struct cr_point of base/format.h) taken by the program's own threads, as they allocate and
 * free. There is no helper thread and no timer: every event compares the coarse time it has read anyway with the time at which the
 * next point is due. In the first moments of a run, which are shorter than a tick of the coarse clock, events that move the heap to a
 * new extreme look at the exact clock instead, every few.
 *
 * However long it takes to take a point, that is at most a hundredth of the time until the next one, and for a place's series a four-hundredth;
 * in those first moments, which are a few hundred points, it may be more.
 *
 * CR_WITHOUT_TIMELINE: no event looks, for `make bench` alone, which says what the looking costs. */
#ifndef CR_STATE_TIMELINE_H
#define CR_STATE_TIMELINE_H

#include "services/history.h"

/* When the next point is due, by the coarse clock. */
extern _Atomic uint64_t cr_timeline_due;
extern _Atomic bool cr_timeline_begins;

extern const struct cr_history_kind cr_timeline_points;

/* Takes a point that is due, unless another thread does. By the slot's own thread, between two events. */
void cr_timeline_point(struct cr_slot *slot);
void cr_timeline_look_early(struct cr_slot *slot);

#ifdef CR_WITHOUT_TIMELINE
static inline void cr_timeline_look(struct cr_slot *slot, uint64_t now) { (void)slot, (void)now; }
static inline void cr_timeline_early(struct cr_slot *slot) { (void)slot; }
#else

/* Before an event is counted: so a point that comes late, since nothing happened for a while, says what was there all the while. */
static inline void cr_timeline_look(struct cr_slot *slot, uint64_t now)
{
    if (CR_UNLIKELY(now >= atomic_load_explicit(&cr_timeline_due, memory_order_relaxed)))
        cr_timeline_point(slot);
}

/* After a new extreme of the slot's live bytes. */
static inline void cr_timeline_early(struct cr_slot *slot)
{
    if (CR_UNLIKELY(atomic_load_explicit(&cr_timeline_begins, memory_order_relaxed)))
        cr_timeline_look_early(slot);
}

#endif

/* The first point: of a recording just started, or of one just forked. */
void cr_timeline_start(void);
/* The last one, in two steps, around what keeps other threads from running: the first waits a little for those that take a point or
 * hold the recording lock, and makes room; false: there will be no last point. The second is for when all slots are handed in, and takes
 * no lock. Both may be called from a signal handler. */
bool cr_timeline_prepare_end(void);
void cr_timeline_end(void);

#endif
