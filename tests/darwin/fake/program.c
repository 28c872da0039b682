/* program.c - what test_tracker.py runs with the tracker for macOS in it: calls the hooks as dyld would have redirected its calls. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct zone;
struct zone *malloc_default_zone(void), *malloc_create_zone(size_t bytes, unsigned flags);
void *crunch_malloc(size_t bytes), *crunch_calloc(size_t count, size_t bytes),
    *crunch_realloc(void *block, size_t bytes);
void *crunch_reallocf(void *block, size_t bytes), *crunch_valloc(size_t bytes),
    *crunch_aligned_alloc(size_t align, size_t bytes);
int crunch_posix_memalign(void **block, size_t align, size_t bytes);
void crunch_free(void *block), crunch_exit(int status), crunch__exit(int status);
void *crunch_malloc_zone_malloc(struct zone *zone, size_t bytes),
    *crunch_malloc_zone_calloc(struct zone *zone, size_t count, size_t bytes);
void *crunch_malloc_zone_realloc(struct zone *zone, void *block, size_t bytes),
    *crunch_malloc_zone_memalign(struct zone *zone, size_t align, size_t bytes);
void crunch_malloc_zone_free(struct zone *zone, void *block), crunch_malloc_destroy_zone(struct zone *zone);
unsigned crunch_malloc_zone_batch_malloc(struct zone *zone, size_t bytes, void **blocks, unsigned count);
void crunch_malloc_zone_batch_free(struct zone *zone, void **blocks, unsigned count);
int crunch_snapshot(const char *name);
void fake_free(void *block),
    *fake_realloc(void *block, size_t bytes); /* libmalloc's, as calls between system libraries reach them */

static void *volatile kept[16];

static __attribute__((noinline)) void blocks(void)
{
    kept[0] = crunch_malloc(101);
    kept[1] = crunch_calloc(3, 34);
    kept[2] = crunch_realloc(crunch_malloc(5), 103);
    kept[3] = crunch_reallocf(crunch_malloc(5), 104);
    kept[4] = crunch_valloc(105);
    kept[5] = crunch_aligned_alloc(64, 128);
    if (crunch_posix_memalign((void **)&kept[6], 32, 107))
        abort();
    kept[7] = crunch_reallocf(NULL, 108);
    crunch_free(crunch_malloc(1));
    crunch_free(NULL);
}

static void zones(void)
{
    struct zone *zone = malloc_create_zone(0, 0), *doomed = malloc_create_zone(0, 0);
    void *many[4];
    kept[0] = crunch_malloc_zone_malloc(malloc_default_zone(), 201);
    kept[1] = crunch_malloc_zone_malloc(zone, 202);
    kept[2] = crunch_malloc_zone_realloc(zone, crunch_malloc_zone_calloc(zone, 2, 10), 203);
    kept[3] = crunch_malloc_zone_memalign(zone, 64, 256);
    crunch_malloc_zone_free(zone, crunch_malloc_zone_malloc(zone, 1));
    crunch_malloc_zone_batch_free(zone, many, crunch_malloc_zone_batch_malloc(zone, 50, many, 4));
    for (int i = 0; i < 5; i++)
        crunch_malloc_zone_malloc(doomed, 300);
    crunch_malloc_destroy_zone(doomed);
}

static void wrong_zone(void)
{
    struct zone *one = malloc_create_zone(0, 0), *two = malloc_create_zone(0, 0);
    crunch_malloc_zone_free(two, crunch_malloc_zone_malloc(one, 77));
}

static __attribute__((noinline)) void wipe(void)
{
    volatile char room[16384];
    memset((char *)room, 0, sizeof room);
}

static __attribute__((noinline)) void leak(bool keep)
{
    void **block = crunch_malloc(1001);
    memset(block, 0, 1001);
    block[0] = crunch_malloc(1002);
    kept[0] = keep ? (void *)block : NULL;
}

static void *holds(void *ready)
{
    void *volatile block = crunch_malloc(1001);
    (void)!write(*(int *)ready, "x", 1);
    for (;;)
        sleep(1);
    return block;
}

static void thread(void)
{
    int ends[2];
    char byte;
    pthread_t made;
    if (pipe(ends) || pthread_create(&made, NULL, holds, &ends[1]) || read(ends[0], &byte, 1) != 1)
        abort();
}

static volatile bool over;

static void *churn(void *unused)
{
    while (!over) {
        void *block = crunch_malloc(600);
        memset(block, 7, 600);
        crunch_free(crunch_realloc(block, 700));
    }
    return unused;
}

/* Snapshots while other threads may be anywhere, with the allocator's lock, too. */
static int storm(void)
{
    pthread_t made[4];
    int taken = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&made[i], NULL, churn, NULL);
    for (int i = 0; i < 10; i++)
        taken += crunch_snapshot(NULL);
    over = true;
    for (int i = 0; i < 4; i++)
        pthread_join(made[i], NULL);
    return taken == 10 ? 0 : 1;
}

/* Blocks that malloc's hook has placed, in the hands of system libraries. */
static void unhooked(void)
{
    kept[0] = crunch_malloc(601);
    kept[1] = fake_realloc(crunch_malloc(602), 603);
    fake_free(crunch_malloc(604));
}

static int forks(void)
{
    int status;
    kept[0] = crunch_malloc(401);
    pid_t child = fork();
    if (!child) {
        kept[1] = crunch_malloc(402);
        crunch_exit(3);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    const char *what = argv[argc > 1];
    int status = 0;
    if (!strcmp(what, "blocks"))
        blocks();
    else if (!strcmp(what, "zones"))
        zones();
    else if (!strcmp(what, "wrong-zone"))
        wrong_zone();
    else if (!strcmp(what, "gone") || !strcmp(what, "kept"))
        leak(what[0] == 'k');
    else if (!strcmp(what, "thread"))
        thread();
    else if (!strcmp(what, "storm"))
        status = storm();
    else if (!strcmp(what, "unhooked"))
        unhooked();
    else if (!strcmp(what, "overrun") || !strcmp(what, "guarded")) {
        char *volatile block = crunch_malloc(4096);
        block[4096] = 1;
        crunch_free(block);
    } else if (!strcmp(what, "fork"))
        status = forks();
    else if (!strcmp(what, "double")) {
        void *block = crunch_malloc(64);
        crunch_free(block);
        crunch_free(block);
    } else if (!strcmp(what, "crash")) {
        char *volatile block = crunch_malloc(10);
        block[(size_t)1 << 40] = 1;
    } else if (!strcmp(what, "snapshot")) {
        kept[0] = crunch_malloc(501);
        status = crunch_snapshot("a name") ? 0 : 1;
    } else if (!strcmp(what, "_exit"))
        crunch__exit(6);
    wipe();
    crunch_exit(status);
}
