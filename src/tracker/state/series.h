/* series.h - the places with most live bytes, at moments over time (struct cr_series_point of base/format.h).
 *
 * Taking one goes through all sites: the caller (state/timeline.c) lets so much time pass in between that this does not matter, and
 * is the only one, one thread at a time. */
#ifndef CR_STATE_SERIES_H
#define CR_STATE_SERIES_H

#include "services/history.h"

extern const struct cr_history_kind cr_series_points;

/* Of a recording just started or forked. */
void cr_series_start(void);
/* Adds a point; false: no memory, as for all others to come. */
bool cr_series_point(uint64_t time_ns);
/* What a point takes at most, in ns, unless something else runs meanwhile. */
uint64_t cr_series_cost_ns(void);
/* At least about this long between two of them, in ns. */
uint64_t cr_series_interval(void);

#endif
