/* lock.h - the tracker's mutexes and compiler hints.
 *
 * Lock order, taken in this order by fork (entry/lifecycle.c) and released in the reverse one:
 *   errors > thread pool > regions > records > call tree > modules, heap sections > recording > arena, guard, quarantine. No lock is held while the program's allocator is called.
 * In a signal handler only cr_lock_try and cr_lock_soon may be used. */
#ifndef CR_BASE_LOCK_H
#define CR_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#define CR_LIKELY(x) __builtin_expect(!!(x), 1)
#define CR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CR_HOT static inline __attribute__((always_inline)) /* on the way of every allocation */
#define CR_COLD __attribute__((cold, noinline))

struct cr_lock {
    pthread_mutex_t mutex;
};

#define CR_LOCK_INIT                                                                                                   \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER                                                                                      \
    }

static inline void cr_lock(struct cr_lock *lock) { pthread_mutex_lock(&lock->mutex); }
static inline bool cr_lock_try(struct cr_lock *lock) { return pthread_mutex_trylock(&lock->mutex) == 0; }

/* Takes the lock if it comes free within 0.2 s at most. It does not if its holder is the thread that a signal handler has interrupted. */
static inline bool cr_lock_soon(struct cr_lock *lock)
{
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 200; i++) {
        if (cr_lock_try(lock))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static inline void cr_unlock(struct cr_lock *lock) { pthread_mutex_unlock(&lock->mutex); }

/* In a forked child: the lock is free again, whoever held it. */
static inline void cr_lock_renew(struct cr_lock *lock) { pthread_mutex_init(&lock->mutex, NULL); }

#endif
