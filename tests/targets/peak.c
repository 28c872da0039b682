/* 16 threads have 1,000 blocks of 100 bytes each, all at the same time, and then none. */
#include <pthread.h>
#include <stdlib.h>

static pthread_barrier_t all;

static void *work(void *unused)
{
    (void)unused;
    void *block[1000];
    for (int i = 0; i < 1000; i++)
        block[i] = malloc(100);
    pthread_barrier_wait(&all); /* the peak: 1,600,000 bytes */
    for (int i = 0; i < 1000; i++)
        free(block[i]);
    return NULL;
}

int main(void)
{
    pthread_t thread[16];
    pthread_barrier_init(&all, NULL, 16);
    for (int i = 0; i < 16; i++)
        pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < 16; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
