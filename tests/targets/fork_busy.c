/* Forks as many children as its argument says while four threads use the heap; each child uses it too, in two threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool done;

static void *churn(void *unused)
{
    (void)unused;
    void *block[64] = {0};
    for (size_t i = 0; !atomic_load(&done); i++) {
        free(block[i % 64]);
        block[i % 64] = malloc(i % 3000);
    }
    return NULL;
}

static void *use(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < 1000; i++)
        free(malloc(i));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, churn, NULL);
    int failed = 0;
    for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t other;
            pthread_create(&other, NULL, use, NULL);
            use(NULL);
            pthread_join(other, NULL);
            exit(4);
        }
        int status;
        waitpid(child, &status, 0);
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 4;
    }
    atomic_store(&done, 1);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    return failed ? 99 : 0;
}
