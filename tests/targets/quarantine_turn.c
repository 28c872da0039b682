/* Two threads free more together than the quarantine holds (64 MiB): what was freed first goes first, so that the later block still waits in it when
 * it is written to. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *frees_first(void *unused)
{
    free(malloc((size_t)40 << 20));
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, frees_first, NULL);
    pthread_join(thread, NULL);
    volatile char *block = malloc((size_t)30 << 20);
    free((void *)block);
    block[100] = 1;
    puts("went on");
    return 0;
}
