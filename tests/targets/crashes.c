/* Crashes in the way its first argument names; "twin" as the second: does the same rightly and ends with status 0. */
#define _GNU_SOURCE
#include <assert.h>
#include <stdbool.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ALIGNED_STORE(at) __asm__ volatile("movaps %%xmm0, (%0)" ::"r"(at) : "memory")
#define SYSTEM_INSTRUCTION "hlt"
#else
#define ALIGNED_STORE(at) ((void)(at)) /* has no fault */
#define SYSTEM_INSTRUCTION "wfi"
#endif

static bool twin;
static void *volatile sink;
static volatile int zero;

struct node {
    long value[3];
    struct node *next; /* at offset 24 */
    char data[5000];
    char far[70000];
};

static char *volatile block;
static const char constant[] = "a string constant";

static __attribute__((noinline)) char *make_block(size_t bytes)
{
    return block = malloc(bytes); /* allocated: make_block */
}

static void after(void)
{
    char *at = make_block(100);
    at[twin ? 99 : 100 + 0x1000000] = 1; /* crash: after */
}

static void far_after(void)
{
    volatile char *at = make_block(100);
    if (twin)
        at[0] = 1;
    else
        at[0x70000000] = 1;
}

static void before(void)
{
    char *at = make_block(100);
    sink = (void *)(long)at[twin ? 0 : -0x1000000];
}

/* Where the next mapping would go, so that crunch's own may lie there when the crash has been explained. */
static void before_mapped(void)
{
    unsigned char present;
    char *at = make_block(1 << 20);
    while (!mincore((void *)(((unsigned long)at & ~4095ul) - 4096), 4096, &present))
        at = make_block(1 << 20);
    at[twin ? 0 : -24] = 1;
    at[twin ? 0 : -100] = 1;
}

/* Behind the block lies what crunch maps, sooner or later. */
static void on_and_on(void)
{
    volatile char *at = make_block(1 << 20);
    for (size_t i = 0; i < (twin ? 1 << 20 : (size_t)1 << 46); i++)
        at[i] = 1;
}

static void inside(void)
{
    char *at = aligned_alloc(4096, 8192);
    mprotect(at, 4096, twin ? PROT_READ | PROT_WRITE : PROT_NONE);
    at[20] = 1;
    mprotect(at, 4096, PROT_READ | PROT_WRITE);
}

static __attribute__((noinline)) void release(char *at) { free(at); /* freed: release */ }

static void use_after_free(void)
{
    char *at = make_block(1 << 20); /* so large that the allocator gives it back to the system */
    if (!twin)
        release(at);
    sink = (void *)(long)at[5000];
}

static void read_only_block(void)
{
    char *at = aligned_alloc(4096, 8192);
    mprotect(at, 4096, twin ? PROT_READ | PROT_WRITE : PROT_READ);
    at[20] = 1;
    mprotect(at, 4096, PROT_READ | PROT_WRITE);
}

static __attribute__((noinline)) void follow(struct node *volatile node) { sink = node->next; /* crash: null_field */ }

static void null_field(void)
{
    static struct node real;
    follow(twin ? &real : NULL);
}

static void null(void)
{
    static int real;
    *(int *volatile)(twin ? &real : NULL) = 1;
}

static void null_far(void)
{
    static struct node real;
    struct node *volatile node = twin ? &real : NULL;
    node->far[60000 - offsetof(struct node, far)] = 1;
}

static void null_very_far(void)
{
    static char real;
    *(char *volatile)(twin ? &real : (char *)800000) = 1;
}

static void null_negative(void)
{
    static char real[64];
    char *volatile at = twin ? real + 32 : NULL;
    sink = (void *)(long)at[-16];
}

static void nothing(void) {}

static void null_call(void)
{
    void (*volatile function)(void) = twin ? nothing : NULL;
    function(); /* crash: null_call */
}

static void wild_call(void)
{
    void (*volatile function)(void) = twin ? nothing : (void (*)(void))0x123456789000;
    function();
}

static void call_data(void)
{
    char *code = make_block(64);
    void (*volatile function)(void) = twin ? nothing : (void (*)(void))code;
    function();
}

static __attribute__((noinline)) int dig(int depth)
{
    volatile char here[512];
    here[0] = (char)depth;
    return twin && depth == 100 ? 0 : dig(depth + 1) + here[0]; /* crash: overflow */
}

static void overflow(void) { dig(0); }

static void unlimited_overflow(void)
{
    /* Applies to this process's main thread at once: without a limit the stack grows into what is mapped below it. */
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char here;
    char *below = (char *)((unsigned long)(&here - (24 << 20)) & ~4095ul);
    setrlimit(RLIMIT_STACK, &limit);
    mmap(below, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    dig(0);
}

static void string(void)
{
    static char own[] = "own";
    char *volatile at = twin ? own : (char *)constant;
    at[0] = 'A'; /* crash: string */
}

static void large_frame_of(size_t bytes)
{
    volatile char *here = __builtin_alloca(bytes);
    here[0] = 1;
}

static void large_frame(void) { large_frame_of(twin ? 100 : 40 << 20); }

static void read_only_file(void)
{
    static char own[4096];
    int file = open("/etc/passwd", O_RDONLY);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    (twin ? own : page)[10] = 1;
}

static void code(void)
{
    static char own;
    *(char *volatile)(twin ? &own : (char *)nothing) = 1;
}

static void beyond_file(void)
{
    FILE *file = tmpfile();
    if (ftruncate(fileno(file), twin ? 8192 : 100))
        exit(98);
    volatile char *page = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
    sink = (void *)(long)page[5000];
}

static void beyond_named_file(void)
{
    int file = open("mapped file", O_RDWR | O_CREAT, 0600);
    if (ftruncate(file, twin ? 8192 : 100))
        exit(98);
    volatile char *page = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    sink = (void *)(long)page[5000];
}

static void unmapped(void)
{
    char *page = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!twin)
        munmap(page, 1 << 30);
    page[1 << 29] = 1;
}

static void forbidden(void)
{
    static char own[4096];
    char *page = mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    page = twin ? own : page + (1 << 29);
    sink = (void *)(long)page[100];
}

static void noncanonical(void)
{
    static int real;
    *(int *volatile)(twin ? &real : (int *)0x8000000000001234) = 1;
}

static void text_pointer(void)
{
    static char real;
    char *pointer = &real;
    if (!twin)
        memcpy(&pointer, "password", sizeof pointer);
    *(char *volatile)pointer = 1;
}

static void text_address(void)
{
    static char real;
    char *pointer = &real;
    if (!twin)
        memcpy(&pointer, "a text", sizeof pointer - 1);
    *(char *volatile)pointer = 1;
}

static void misaligned(void)
{
    char *at = make_block(64);
    ALIGNED_STORE(twin ? at : at + 1);
}

static void system_instruction(void)
{
    if (!twin)
        __asm__ volatile(SYSTEM_INSTRUCTION);
}

static void poison(void)
{
    static struct node real;
    struct node **holder = malloc(sizeof *holder);
    memset(holder, 0xdd, sizeof *holder);
    if (twin)
        *holder = &real;
    sink = (*(struct node *volatile *)holder)->next; /* crash: poison */
}

static void poison_fresh(void)
{
    static struct node real;
    struct node *volatile holder = (void *)0xcdcdcdcdcdcdcdcd;
    if (twin)
        holder = &real;
    holder->next = NULL;
}

static __attribute__((noinline)) void smash(volatile char *at)
{
    volatile void **frame = __builtin_frame_address(0);
    sink = (void *)at;
    if (!twin)
        frame[1] = (void *)0x4141414141414141; /* the return address */
}

static void bad_return(void) { smash(NULL); }

static __attribute__((noinline, optimize("stack-protector-all"))) void overrun(volatile int length)
{
    volatile char here[16];
    for (int i = 0; i < length; i++)
        here[i] = 'x';
    sink = (void *)(long)here[0];
}

static void smashing(void) { overrun(twin ? 16 : 40); }

static void assertion(void) { assert(twin || zero == 1); } /* crash: assertion */

static void corrupt_heap(void)
{
    char *at = malloc(24);
    if (!twin)
        memset(at, 0xff, 64); /* the size of what follows */
    sink = malloc(5000);
}

static void aborts(void)
{
    if (!twin)
        abort();
}

#include "crash_signals.h"

#include "crash_places.h"

static const struct {
    const char *name;
    void (*crash)(void);
} ways[] = {
    {"after", after},
    {"far_after", far_after},
    {"before", before},
    {"before_mapped", before_mapped},
    {"on_and_on", on_and_on},
    {"inside", inside},
    {"use_after_free", use_after_free},
    {"read_only_block", read_only_block},
    {"null_field", null_field},
    {"null", null},
    {"null_far", null_far},
    {"null_very_far", null_very_far},
    {"null_negative", null_negative},
    {"null_call", null_call},
    {"wild_call", wild_call},
    {"call_data", call_data},
    {"overflow", overflow},
    {"unlimited_overflow", unlimited_overflow},
    {"string", string},
    {"large_frame", large_frame},
    {"read_only_file", read_only_file},
    {"code", code},
    {"beyond_file", beyond_file},
    {"beyond_named_file", beyond_named_file},
    {"unmapped", unmapped},
    {"forbidden", forbidden},
    {"noncanonical", noncanonical},
    {"text_pointer", text_pointer},
    {"text_address", text_address},
    {"misaligned", misaligned},
    {"system_instruction", system_instruction},
    {"poison", poison},
    {"poison_fresh", poison_fresh},
    {"bad_return", bad_return},
    {"smashing", smashing},
    {"assertion", assertion},
    {"corrupt_heap", corrupt_heap},
    {"aborts", aborts},
    {"trap", trap},
    {"breakpoint", breakpoint},
    {"divide", divide},
    {"divide_large", divide_large},
    {"raises", raises},
    {"refused_call", refused_call},
    {"in_malloc", in_malloc},
    {"in_handler", in_handler},
    {"handled_raises", handled_raises},
    {"handled_returns", handled_returns},
    {"handled_aborts", handled_aborts},
    {"corrupt_stack", corrupt_stack},
    {"wild_stack_pointer", wild_stack_pointer},
    {"lose_altstack", lose_altstack},
    {"heapless_overflow", heapless_overflow},
    {"many_threads", many_threads},
    {"ruined_tables", ruined_tables},
    {"library", library},
    {"others", others},
};

static void *in_thread(void *way)
{
    sink = malloc(10); /* as a thread that uses the heap, it has a stack for handlers */
    ((void (*)(void))way)();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    bool other = argc > 2 && !strcmp(argv[2], "thread");
    twin = argc > 2 && !strcmp(argv[2], "twin");
    library_path = argc > 3 ? argv[3] : NULL;
    for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++)
        if (twin && !strcmp(argv[1], "all")) {
            ways[i].crash();
        } else if (!strcmp(argv[1], ways[i].name)) {
            if (other && !pthread_create(&thread, NULL, in_thread, (void *)ways[i].crash))
                pthread_join(thread, NULL);
            else
                ways[i].crash();
            return 0;
        }
    return twin ? 0 : 99;
}
