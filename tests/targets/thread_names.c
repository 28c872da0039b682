/* Two named threads, of which one frees what the other allocated, and a block of main's that grows 39 times. */
#include <pthread.h>
#include <stdlib.h>
#ifdef __APPLE__
#define NAME(name) pthread_setname_np(name)
#else
#define NAME(name) pthread_setname_np(pthread_self(), name)
#endif

static void *block[3];

static void *reader(void *unused)
{
    NAME("reader");
    for (int i = 0; i < 3; i++)
        block[i] = malloc(100);
    return unused;
}

static void *writer(void *unused)
{
    NAME("writer");
    for (int i = 0; i < 3; i++)
        free(block[i]);
    return unused;
}

int main(void)
{
    static void *(*const work[])(void *) = {reader, writer};
    char *volatile growing = malloc(100);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work[i], NULL);
        pthread_join(thread, NULL);
    }
    for (size_t size = 200; size <= 4000; size += 100)
        growing = realloc(growing, size);
    return 0;
}
