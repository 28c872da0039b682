/* Uses every part of the tracker a little: blocks of many sizes in many regions, threads, a forked child, realloc. Prints a sum
 * that proves that no block was touched. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 3000

static unsigned char *block[BLOCKS];

static void *work(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++)
        free(memset(malloc((size_t)i + 1), i, (size_t)i + 1));
    return malloc(33);
}

static unsigned long sum(void)
{
    unsigned long result = 0;
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j <= i; j += 100)
            result = result * 31 + block[i][j];
    return result;
}

int main(void)
{
    pthread_t thread[8];
    void *left;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = memset(malloc((size_t)i + 1), i, (size_t)i + 1);
    for (int i = 0; i < 8; i++)
        pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], &left), free(left);
    for (int i = 0; i < BLOCKS; i += 3)
        block[i] = realloc(block[i], (size_t)i * 2 + 1);
    printf("%lu\n", sum());
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        printf("%lu\n", sum());
        exit(0);
    }
    waitpid(child, NULL, 0);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    return 0;
}
