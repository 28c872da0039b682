/* threads.h - runs one function in several threads at once. */
#ifndef CR_THREADS_H
#define CR_THREADS_H

#include <pthread.h>
#include <stddef.h>

#define THREADS_MOST 16

/* Calls work(argument + i * size) in `count` threads and waits for them. */
static inline void threads_run(size_t count, void *(*work)(void *), void *arguments, size_t size)
{
    pthread_t thread[THREADS_MOST];
    for (size_t i = 0; i < count; i++)
        pthread_create(&thread[i], NULL, work, (char *)arguments + i * size);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

/* What pthread_barrier_t is, which macOS has not. */
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t over;
    unsigned most, here, number;
};

static inline void meeting_of(struct meeting *meeting, unsigned most)
{
    *meeting = (struct meeting){.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER, .most = most};
}

static inline void meet(struct meeting *meeting)
{
    pthread_mutex_lock(&meeting->lock);
    unsigned number = meeting->number;
    if (++meeting->here == meeting->most) {
        meeting->here = 0;
        meeting->number++;
        pthread_cond_broadcast(&meeting->over);
    }
    while (number == meeting->number)
        pthread_cond_wait(&meeting->over, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
}

#endif
