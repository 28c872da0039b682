/* Four threads that allocate, free and realloc without end, from stacks of many depths, for ARGUMENT milliseconds or until they are
 * killed; new threads come all the time. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HELD 400

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    return *random ^= *random << 17;
}

static void *deeper(int depth, size_t size) { return depth ? deeper(depth - 1, size) : malloc(size); }

static void *brief(void *unused)
{
    free(malloc(100));
    return unused;
}

static void *churn(void *seed)
{
    void *held[HELD] = {0};
    uint64_t random = (uintptr_t)seed * 88172645463325252u + 1;
    for (unsigned i = 1;; i++) {
        size_t place = next(&random) % HELD, size = next(&random) % 5000 + 1;
        if (!held[place])
            held[place] = deeper((int)(size % 40), size);
        else if (size % 4 == 0)
            held[place] = realloc(held[place], size);
        else {
            free(held[place]);
            held[place] = NULL;
        }
        if (i % 2000 == 0) {
            pthread_t other;
            if (pthread_create(&other, NULL, brief, NULL) == 0)
                pthread_join(other, NULL);
        }
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    for (uintptr_t i = 1; i <= 4; i++)
        pthread_create(&thread, NULL, churn, (void *)i);
    usleep(argc > 1 ? (unsigned)atoi(argv[1]) * 1000 : 60000000);
    _exit(0);
}
