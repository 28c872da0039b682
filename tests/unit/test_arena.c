/* services/arena: zeroed, aligned memory that no two callers share, from many threads. */
#include "services/arena.h"

#include <stdint.h>
#include <string.h>

#include "random.h"
#include "tap.h"
#include "threads.h"

#define THREADS 8
#define BLOCKS 400

struct job {
    unsigned char mark;
    bool aligned, zeroed, alone;
};

static bool all_are(const unsigned char *bytes, size_t count, unsigned char value)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void *work(void *argument)
{
    struct job *job = argument;
    unsigned char *block[BLOCKS];
    size_t size[BLOCKS];
    uint64_t random = job->mark;
    job->aligned = job->zeroed = job->alone = true;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t align = (size_t)1 << random_below(&random, 13);
        size[i] = (size_t)random_below(&random, i % 100 ? 3000 : 300000) + 1;
        block[i] = cr_arena_alloc(size[i], align);
        job->aligned = job->aligned && block[i] && (uintptr_t)block[i] % align == 0;
        job->zeroed = job->zeroed && all_are(block[i], size[i], 0);
        memset(block[i], job->mark, size[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        job->alone = job->alone && all_are(block[i], size[i], job->mark);
    return NULL;
}

int main(void)
{
    struct job job[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        job[i].mark = (unsigned char)(i + 1);
    threads_run(THREADS, work, job, sizeof *job);
    for (size_t i = 0; i < THREADS; i++) {
        ok(job[i].aligned, "thread %zu: aligned as asked", i);
        ok(job[i].zeroed, "thread %zu: zeroed", i);
        ok(job[i].alone, "thread %zu: nobody else's", i);
    }
    unsigned char *large = cr_arena_alloc((size_t)40 << 20, 64);
    ok(large && all_are(large, (size_t)40 << 20, 0), "more than a chunk has a mapping of its own");
    ok(!cr_arena_alloc((size_t)1 << 60, 16), "what nobody has is NULL");
    ok(cr_arena_alloc(16, 16) != NULL, "and does no harm to the rest");
    return tap_done();
}
