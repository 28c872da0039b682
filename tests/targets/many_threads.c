/* As many threads as its argument says, alive at the same time with a block of 10 bytes each, of which they free all but one of 30
 * bytes that the first leaves; then a forked child that does nothing. With "drop" it gives its rights away before (as root). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t all;
static void *volatile left;

static void *work(void *first)
{
    void *volatile block = malloc(10);
    if (first)
        left = malloc(30); /* block: malloc 30 */
    pthread_barrier_wait(&all);
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t *thread = malloc((size_t)count * sizeof *thread);
    if (argc > 2 && !strcmp(argv[2], "drop") && setuid(65534))
        return 97;
    pthread_barrier_init(&all, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, work, i ? NULL : &all))
            return 98;
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    free(thread);
    if (fork() == 0)
        exit(4);
    wait(NULL);
    return 3;
}
