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

#endif
