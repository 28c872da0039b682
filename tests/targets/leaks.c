/* Blocks that are lost in every way, and twins that are not; the argument says which. Sizes tell blocks apart. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define APART __attribute__((noinline))

static void *kept[8];
static _Thread_local void *own;
static pthread_key_t key;
static int ready[2];

/* What functions have left on the stack and in registers. */
APART static void wipe(void)
{
    volatile char room[16384];
    memset((char *)room, 0, sizeof room);
}

APART static void **make(size_t size, void *first)
{
    void **block = malloc(size);
    memset(block, 0, size);
    block[0] = first;
    return block;
}

APART static void lost(bool keep)
{
    void **block = make(1001, NULL);
    kept[0] = keep ? block : NULL;
}

APART static void tree(bool keep)
{
    void **root = make(1001, make(1002, make(1003, NULL)));
    root[1] = make(1004, NULL);
    kept[0] = keep ? root : NULL;
}

APART static void circle(bool keep)
{
    void **one = make(1001, NULL), **two = make(1002, one);
    one[0] = two;
    one[1] = make(1003, NULL);
    kept[0] = keep ? two : NULL;
}

APART static void inside(bool keep)
{
    char *block = (char *)make(1001, make(1002, NULL));
    kept[0] = keep ? block : block + 17;
}

APART static void end(bool keep)
{
    char *block = (char *)make(1001, NULL);
    kept[0] = keep ? block + 1000 : block + 1001;
}

APART static void mapped(bool keep)
{
    void **page = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **block = make(1001, NULL);
    page[777] = keep ? block : NULL;
}

/* Far apart in a mapping that has hardly any memory behind it. */
APART static void sparse(bool keep)
{
    size_t bytes = (size_t)64 << 30;
    char *space = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void **block = make(1001, NULL);
    *(void **)(void *)(space + bytes / 2) = keep ? block : NULL;
}

APART static void unreadable(bool keep)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *block = aligned_alloc(page, 4 * page);
    memset(block, 0, 4 * page);
    *(void **)(void *)(block + 3 * page) = keep ? make(1001, NULL) : (make(1001, NULL), NULL);
    mprotect(block + page, page, PROT_NONE);
    kept[0] = block;
}

static void *holds(void *keep)
{
    void **volatile block = make(1001, NULL);
    own = make(1002, NULL);
    pthread_setspecific(key, make(1003, NULL));
    if (!keep) {
        block = NULL;
        own = NULL;
        pthread_setspecific(key, NULL);
        wipe();
    }
    if (write(ready[1], "x", 1) != 1)
        return NULL;
    for (;;)
        pause();
    return block;
}

static void *holds_deafly(void *keep)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return holds(keep);
}

static void thread(bool keep, void *(*work)(void *))
{
    pthread_t thread;
    char byte;
    pthread_key_create(&key, NULL);
    if (pipe(ready) || pthread_create(&thread, NULL, work, keep ? &key : NULL) || read(ready[0], &byte, 1) != 1)
        abort();
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "";
    bool keep = count > 2 && !strcmp(arguments[2], "kept");
#define CASE(which)                                                                                                    \
    if (!strcmp(name, #which))                                                                                         \
    which(keep)
    CASE(lost);
    CASE(tree);
    CASE(circle);
    CASE(inside);
    CASE(end);
    CASE(mapped);
    CASE(sparse);
    CASE(unreadable);
    if (!strcmp(name, "thread"))
        thread(keep, holds);
    if (!strcmp(name, "deaf"))
        thread(keep, holds_deafly);
    wipe();
    if (count > 3 && !strcmp(arguments[3], "crash"))
        raise(SIGSEGV);
    if (count > 3 && !strcmp(arguments[3], "_exit"))
        _exit(0);
    return 0;
}
