/* locks.h - all locks of the tracker at once, in the order of base/lock.h: for forks, whose child must find everything whole. */
#ifndef CR_EVENTS_LOCKS_H
#define CR_EVENTS_LOCKS_H

#include <stdbool.h>

void cr_locks_take(void);
/* Waits for none: false, and holds nothing, if another thread has one of them. In signal handlers, and where the thread may hold a lock
 * of the program's. */
bool cr_locks_try(void);
void cr_locks_give(void);
/* Whether each of them comes free within 0.2 s. Holds none. For a signal handler that is going to need some: not if the thread that it
 * interrupted has one, or a thread that another one has stopped, maybe for good. */
bool cr_locks_come_free(void);
/* In the child: all are free, whoever held them. */
void cr_locks_renew(void);

#endif
