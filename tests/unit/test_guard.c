/* events/guard: which accesses fault and which do not, what is told of an address, that space is used up before it is used again, with
 * guard pages of the kernel's and with mappings. Accesses that fault are tried by a system call, which says so. */
#include "events/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "random.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"
#include "state/zones.h"

static int pipes[2];

/* As on a kernel without guard pages. */
static bool no_guard_pages;

int madvise(void *at, size_t bytes, int advice)
{
    if (no_guard_pages && advice >= 102) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, at, bytes, advice);
}

/* Whether a byte can be read. */
static bool readable(const void *at)
{
    char byte;
    return write(pipes[1], at, 1) == 1 && read(pipes[0], &byte, 1) == 1;
}

static bool faults_from(const char *block, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++)
        if (readable(block + at) != (at < (from + to) / 2))
            return false;
    return true;
}

static struct cr_guarded of(const void *address)
{
    struct cr_guarded guarded = {.block = 0};
    cr_guard_find((uintptr_t)address, &guarded);
    return guarded;
}

static void give(void *block)
{
    struct cr_guarded guarded = of(block);
    guarded.freed = 77;
    guarded.freed_thread = 5;
    guarded.live = true;
    cr_guard_free(&guarded);
}

static void above(void)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 20000, 1 << 20};
    static const size_t aligns[] = {1, 16, 64, 4096};
    bool well = cr_guard_start(false, 64 << 20), told = well, whole = well;
    for (size_t i = 0; well && i < sizeof sizes / sizeof *sizes * 4; i++) {
        size_t size = sizes[i / 4], align = aligns[i % 4], step = align > 16 ? align : 16;
        char *block = cr_guard_new(size, align);
        size_t end = ((size ? size : 1) + step - 1) / step * step;
        well = well && block && (uintptr_t)block % step == 0 && readable(block) && readable(block + end - 1) &&
               !readable(block + end) && !readable(block + end + cr_os_page_bytes() - 1);
        struct cr_guarded inside = of(block + size / 2), behind = of(block + end);
        told = told && inside.live && inside.block == (uintptr_t)block && inside.size == size &&
               behind.block == (uintptr_t)block;
        memset(block, 'x', size);
        whole = whole && cr_guard_is_whole(block, size);
        if (end > size) {
            block[size] = 'y';
            whole = whole && !cr_guard_is_whole(block, size);
            block[size] = (char)CR_ZONE_BYTE;
        }
        if (((uintptr_t)block & (cr_os_page_bytes() - 1)) && cr_guard_is_whole(block, size)) {
            block[-1] = 'z';
            whole = whole && !cr_guard_is_whole(block, size);
        }
        give(block);
        struct cr_guarded freed = of(block);
        well = well && !readable(block);
        told = told && !freed.live && freed.freed == 77 && freed.freed_thread == 5 && freed.size == size;
    }
    ok(well, "a block ends at an unreachable page, and is unreachable when it is freed");
    ok(told, "an address in a block or behind it leads to it, freed or not");
    ok(whole, "a change of the slack behind a block, or before it, is noticed");
    struct cr_guarded none;
    ok(!cr_guard_find(cr_guard_space.base + cr_guard_space.bytes - 1, &none) && !cr_guard_find(0, &none) &&
           !cr_guard_find((uintptr_t)&none, &none),
       "other addresses lead to none");
    ok(!cr_guard_new(CR_GUARD_MOST_BYTES + 1, 16) && !cr_guard_new(16, 2 * cr_os_page_bytes()) && !cr_guard_refused(),
       "blocks that are not guarded");
}

static bool below(void)
{
    bool well = cr_guard_start(true, 64 << 20);
    for (size_t size = 1; well && size < 10000; size += 777) {
        char *block = cr_guard_new(size, 16);
        struct cr_guarded before = of(block - 1);
        well = block && readable(block) && readable(block + size - 1) && !readable(block - 1) &&
               before.block == (uintptr_t)block;
        block[size] = 1; /* none of these sizes fills its pages */
        well = well && !cr_guard_is_whole(block, size);
        give(block);
    }
    return well;
}

/* Address space is used once before any is used again, and then the oldest. */
static bool oldest_first(void)
{
    if (!cr_guard_start(false, 8 << 20))
        return false;
    static void *block[2000];
    size_t count = 0;
    for (; count < 2000 && (block[count] = cr_guard_new(100, 16)); count++)
        ;
    bool well = count > 200 && count < 1025 && cr_guard_refused() == 1 && strstr(cr_recording->message, "no room");
    give(block[7]);
    give(block[3]);
    give(block[5]);
    well = well && cr_guard_new(50, 16) && of(block[7]).live && !of(block[3]).live;
    well = well && cr_guard_new(50, 16) && of(block[3]).live && !of(block[5]).live;
    return well && cr_guard_new(50, 16) && of(block[5]).live && !cr_guard_new(50, 16);
}

static bool fresh_before_old(void)
{
    if (!cr_guard_start(false, 8 << 20))
        return false;
    char *first = cr_guard_new(10, 16);
    give(first);
    for (int i = 0; i < 400; i++) {
        char *block = cr_guard_new(10, 16);
        if (!block || of(first).live)
            return false;
        give(block);
    }
    return !readable(first);
}

/* 100,000 live blocks where the kernel has guard pages. */
static bool many(void)
{
    if (!cr_guard_start(false, CR_GUARD_SPACE_BYTES))
        return false;
    size_t count = 0;
    char *block = NULL;
    for (char *next; count < 100000 && (next = cr_guard_new(24, 16)); count++) {
        block = next;
        memset(block, 'a', 24);
    }
    fprintf(stderr, "# %zu live guarded blocks\n", count);
    bool free_map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
    return free_map && block && faults_from(block, 0, 64) &&
           (cr_os_guard_is_cheap ? count == 100000 : count >= cr_os_guard_most() * 9 / 10 && cr_guard_refused() > 0);
}

struct churner {
    uint64_t random;
    char mark;
    bool right;
};

static void *churn(void *context)
{
    struct churner *self = context;
    char *held[64] = {NULL};
    self->right = true;
    for (int i = 0; i < 4000; i++) {
        char **place = &held[random_below(&self->random, 64)];
        if (*place) {
            self->right = self->right && **place == self->mark;
            give(*place);
        }
        *place = cr_guard_new(random_below(&self->random, 300) + 1, 16);
        self->right = self->right && *place && !**place;
        if (*place)
            **place = self->mark;
    }
    return NULL;
}

static bool in_threads(void)
{
    struct churner churner[4] = {{1, 'a', false}, {2, 'b', false}, {3, 'c', false}, {4, 'd', false}};
    if (!cr_guard_start(false, 16 << 20))
        return false;
    threads_run(4, churn, churner, sizeof *churner);
    return churner[0].right && churner[1].right && churner[2].right && churner[3].right;
}

static bool survives_fork(void)
{
    if (!cr_guard_start(false, 8 << 20))
        return false;
    char *live = cr_guard_new(32, 16), *freed = cr_guard_new(32, 16);
    strcpy(live, "kept");
    give(freed);
    pid_t child = fork();
    if (child == 0)
        _exit(!(!strcmp(live, "kept") && !readable(live + 32) && !readable(freed) && cr_guard_new(32, 16)));
    int status;
    return waitpid(child, &status, 0) == child && status == 0;
}

static bool is_cheap(void) { return cr_guard_start(false, 8 << 20) && cr_os_guard_is_cheap; }

int main(void)
{
    if (pipe(pipes))
        return 1;
    const char *with[] = {"", ", without guard pages of the kernel's"};
    for (int i = 0; i < 2; i++) {
        no_guard_pages = i;
        ok(in_child(below), "with blocks at the start of their pages, what is before them faults%s", with[i]);
        ok(in_child(oldest_first), "a full space uses the slot freed first again, and says when there is none%s",
           with[i]);
        ok(in_child(fresh_before_old), "freed pages stay unreachable while there is space%s", with[i]);
        ok(in_child(in_threads), "threads%s", with[i]);
        ok(in_child(survives_fork), "a forked child has the same blocks and unreachable pages%s", with[i]);
        ok(in_child(many), "many live blocks%s", with[i]);
    }
    no_guard_pages = false;
    if (!in_child(is_cheap))
        skip("this kernel has no guard pages");
    above();
    return tap_done();
}
