/* pair.c - malloc and free in a loop: what one tracked pair costs.
 *
 *   pair ROUNDS DEPTH THREADS LIVE
 * Each thread descends DEPTH calls and then does ROUNDS pairs of 64 bytes. With LIVE > 0 it holds that many blocks and replaces a
 * pseudo-random one per round, so that freed blocks are old and cold. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long rounds, live;
static int depth;

static void loop(void)
{
    if (!live) {
        for (long i = 0; i < rounds; i++) {
            void *volatile block = malloc(64);
            free(block);
        }
        return;
    }
    void **held = calloc((size_t)live, sizeof *held);
    uint64_t random = 88172645463325252u;
    for (long i = 0; i < rounds; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **place = &held[random % (uint64_t)live];
        free(*place);
        *place = malloc(16 + random % 100);
    }
    for (long i = 0; i < live; i++)
        free(held[i]);
    free(held);
}

__attribute__((noinline)) static int descend(int left)
{
    if (left > 0) {
        int below = descend(left - 1);
        __asm__ volatile("" : "+r"(below)); /* no tail call, no loop */
        return below + 1;
    }
    loop();
    return 0;
}

static void *run(void *unused)
{
    (void)unused;
    descend(depth);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: pair ROUNDS DEPTH THREADS LIVE\n");
        return 2;
    }
    rounds = atol(argv[1]);
    depth = atoi(argv[2]);
    int threads = atoi(argv[3]);
    live = atol(argv[4]);
    if (threads == 1) {
        run(NULL);
        return 0;
    }
    pthread_t thread[256];
    for (int i = 0; i < threads && i < 256; i++)
        pthread_create(&thread[i], NULL, run, NULL);
    for (int i = 0; i < threads && i < 256; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
