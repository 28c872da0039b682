/* thread_info.h - what every thread of the run did, by name, also after its end (struct cr_thread_info of base/format.h). Room for
 * the last CR_THREAD_INFOS; of more, those that ended first are summed up in item 0. */
#ifndef CR_STATE_THREAD_INFO_H
#define CR_STATE_THREAD_INFO_H

#include "services/recording.h"

/* The calling thread begins to use the heap, with the counters of a slot that others may have used before. Returns its item, 0: it
 * has none. The caller holds the lock of the thread pool, as in all of these. */
uint32_t cr_thread_info_begin(uint32_t number, uint32_t slot);
/* It ends. By itself. */
void cr_thread_info_end(uint32_t item);
/* Of a recording just started or forked. */
void cr_thread_info_start(void);
/* The names of those that run, at the end of the process: it may be a signal handler's, so without the lock. */
void cr_thread_info_name_all(void);

#endif
