/* 100 threads one after the other whose destructors of thread-local data free and make blocks while the thread is ending. */
#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key, late_key;

static void free_late(void *block) { free(block); }

static void free_and_make(void *block)
{
    free(block);
    pthread_setspecific(late_key, malloc(50)); /* a destructor of a later round frees it */
}

static void *work(void *unused)
{
    (void)unused;
    pthread_setspecific(key, malloc(60));
    return malloc(40);
}

int main(void)
{
    pthread_key_create(&key, free_and_make);
    pthread_key_create(&late_key, free_late);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, &result);
        free(result);
    }
    return 0;
}
