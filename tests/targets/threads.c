/* 64 threads make blocks and free each other's: 64 * 2,000 blocks of 1 to 64 bytes, handed over through mailboxes. Each thread
 * leaves one block of 77 bytes. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 64
#define ROUNDS 2000

static _Atomic(void *) mailbox[THREADS];
static pthread_barrier_t all;
static void *volatile left[THREADS];

static void *work(void *argument)
{
    size_t self = (size_t)argument;
    pthread_barrier_wait(&all);
    for (size_t i = 0; i < ROUNDS; i++) {
        void *block = malloc(i % 64 + 1);
        free(atomic_exchange(&mailbox[(self + i) % THREADS], block));
    }
    left[self] = malloc(77); /* block: malloc 77 */
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS];
    pthread_barrier_init(&all, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 0; i < THREADS; i++)
        free(atomic_exchange(&mailbox[i], NULL));
    return 0;
}
