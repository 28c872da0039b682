/* platform_posix.c - what Linux and macOS share of platform.h. */
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

size_t cr_os_page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* ---- own mappings ---- */

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static size_t whole_pages(size_t bytes) { return (bytes + cr_os_page_bytes() - 1) & ~(cr_os_page_bytes() - 1); }

/* The closed space before and behind a mapping: a page. Large ones, which the kernel lays so that huge pages fit in if their size says that they
 * do, stay so. */
#define LARGE_BYTES ((size_t)16 << 20)
#define LARGE_MARGIN_BYTES ((size_t)2 << 20)
static size_t margin_of(size_t bytes) { return bytes < LARGE_BYTES ? cr_os_page_bytes() : LARGE_MARGIN_BYTES; }

#define OWN_MOST 4096u

/* An entry is taken by its start (0: free) and holds when it has an end. */
static struct {
    _Atomic uintptr_t start, end;
} own[OWN_MOST];
static _Atomic uint32_t own_used; /* entries ever taken */

static void remember(const void *memory, size_t bytes)
{
    for (uint32_t i = 0; i < OWN_MOST; i++) {
        uintptr_t nobody = 0;
        if (!atomic_compare_exchange_strong(&own[i].start, &nobody, (uintptr_t)memory))
            continue;
        atomic_store(&own[i].end, (uintptr_t)memory + bytes);
        for (uint32_t used = atomic_load(&own_used); used <= i;)
            atomic_compare_exchange_weak(&own_used, &used, i + 1);
        return;
    }
}

static void forget(const void *memory)
{
    uint32_t used = atomic_load(&own_used);
    for (uint32_t i = 0; i < used; i++)
        if (atomic_load(&own[i].start) == (uintptr_t)memory) {
            atomic_store(&own[i].end, 0);
            atomic_store(&own[i].start, 0);
            return;
        }
}

void cr_os_each_own(void (*visit)(void *context, uintptr_t start, uintptr_t end), void *context)
{
    uint32_t used = atomic_load(&own_used);
    for (uint32_t i = 0; i < used; i++) {
        uintptr_t start = atomic_load(&own[i].start), end = atomic_load(&own[i].end);
        if (start && end)
            visit(context, start, end);
    }
}

struct search {
    uintptr_t address;
    bool found;
};

static void look(void *context, uintptr_t start, uintptr_t end)
{
    struct search *search = context;
    uintptr_t margin = margin_of(end - start), last = start + whole_pages(end - start) + margin;
    search->found = search->found || (search->address >= start - margin && search->address < last);
}

bool cr_os_is_own(uintptr_t address)
{
    struct search search = {address, false};
    cr_os_each_own(look, &search);
    return search.found;
}

/* Address space of whole pages with closed ones before and behind it: a program that writes on and on beyond a block of its own faults
 * there, and what crunch knows of it is unharmed. */
static void *reserve_between(size_t bytes)
{
    size_t margin = margin_of(bytes), whole = whole_pages(bytes) + 2 * margin;
    char *space = mmap(cr_os_own_place(whole), whole, PROT_NONE, ANONYMOUS, -1, 0);
    return space == MAP_FAILED ? NULL : space + margin;
}

static void give_back(void *memory, size_t bytes)
{
    size_t margin = margin_of(bytes);
    munmap((char *)memory - margin, whole_pages(bytes) + 2 * margin);
}

static void *map_between(int fd, off_t offset, size_t bytes)
{
    int kind = fd < 0 ? ANONYMOUS : MAP_SHARED;
    void *memory = reserve_between(bytes);
    if (!memory)
        return NULL;
    if (mmap(memory, bytes, PROT_READ | PROT_WRITE, kind | MAP_FIXED, fd, offset) == MAP_FAILED) {
        give_back(memory, bytes);
        return NULL;
    }
    remember(memory, bytes);
    return memory;
}

void *cr_os_map(size_t bytes)
{
    int saved = errno;
    void *memory = map_between(-1, 0, bytes);
    errno = saved;
    return memory;
}

#define MODEST_SHARE 64

size_t cr_os_modest(size_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return bytes;
    while (bytes > limit.rlim_cur / MODEST_SHARE && bytes > 65536)
        bytes /= 2;
    return bytes;
}

void *cr_os_reserve(size_t bytes)
{
    int saved = errno;
    void *space = reserve_between(bytes);
    errno = saved;
    if (space)
        remember(space, bytes);
    return space;
}

int cr_os_map_closed(void *pages, size_t bytes)
{
    return mmap(pages, bytes, PROT_NONE, ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -errno : 0;
}

void cr_os_unmap(void *memory, size_t bytes)
{
    forget(memory);
    give_back(memory, bytes);
}

void *cr_os_map_file(int fd, uint64_t offset, size_t bytes, void *at)
{
    int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    off_t from = fd < 0 ? 0 : (off_t)offset;
    if (!at)
        return map_between(fd, from, bytes);
    void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE, kind | MAP_FIXED, fd, from);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool is_waiting(int number)
{
    sigset_t waiting;
    return !sigpending(&waiting) && sigismember(&waiting, number) == 1;
}

void cr_os_hold_signals(struct cr_os_held *held)
{
    sigset_t all;
    sigfillset(&all);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held->cancel);
    pthread_sigmask(SIG_BLOCK, &all, &held->before);
    held->over_limit = is_waiting(SIGXFSZ);
}

void cr_os_release_signals(const struct cr_os_held *held)
{
    int number, ignored;
    sigset_t over_limit;
    sigemptyset(&over_limit);
    sigaddset(&over_limit, SIGXFSZ);
    if (!held->over_limit && is_waiting(SIGXFSZ))
        sigwait(&over_limit, &number);
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    pthread_setcancelstate(held->cancel, &ignored);
}

uint64_t cr_os_wall_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
