// Every wrong free, and beside each the same thing done right ("twin"), chosen by the argument. The program goes on after each.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char global[64];
static int twin;
static volatile size_t huge = (size_t)-24;

static void *make(size_t size) { return malloc(size); }
static void drop(void *block) { free(block); }
static void again(void *block) { free(block); }

static void churn(int blocks)
{
    for (int i = 0; i < blocks; i++)
        free(malloc(4000));
}

static void double_free(void)
{
    void *block = make(24);
    drop(block);
    if (twin)
        block = make(24); // usually at the same address
    again(block);
}

static void double_free_later(void)
{
    void *block = make(24);
    drop(block);
    churn(1000);
    again(twin ? NULL : block);
}

static void double_free_much_later(void)
{
    void *block = make(24);
    drop(block);
    churn(5000);
    again(twin ? NULL : block);
}

static void *drop_elsewhere(void *block)
{
    drop(block);
    return NULL;
}

static void double_free_thread(void)
{
    pthread_t thread;
    void *block = make(24);
    pthread_create(&thread, NULL, drop_elsewhere, block);
    pthread_join(thread, NULL);
    again(twin ? NULL : block);
}

static void realloc_freed(void)
{
    void *block = make(24);
    drop(block);
    if (twin)
        block = make(24);
    errno = 0;
    void *result = realloc(block, 100);
    printf("%s\n", result ? "a block" : errno == EINVAL ? "EINVAL" : "null");
    free(result);
}

static void free_resized(void) // what realloc has moved
{
    void *block = make(24), *moved = realloc(block, 1 << 20);
    again(twin ? NULL : block == moved ? NULL : block);
    free(moved);
}

static void inside(void)
{
    char *block = make(1000);
    drop(twin ? block : block + 16);
    if (!twin)
        free(block);
}

static void inside_unaligned(void)
{
    char *block = make(1000);
    drop(twin ? block : block + 501);
    if (!twin)
        free(block);
}

static void inside_large(void) // far behind its start
{
    char *block = make((size_t)900 << 20);
    drop(twin ? block : block + ((size_t)800 << 20));
    if (!twin)
        free(block);
}

static void realloc_inside(void)
{
    char *block = make(1000);
    char *result = realloc(twin ? block : block + 32, 2000);
    free(result ? result : block);
}

static void stack(void)
{
    char local[64];
    memset(local, 0, sizeof local);
    drop(twin ? NULL : local + 16);
}

static void *stack_in_thread(void *unused)
{
    stack();
    return unused;
}

static void stack_of_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, stack_in_thread, NULL);
    pthread_join(thread, NULL);
}

static void data(void) { drop(twin ? NULL : global + 16); }
static void literal(void) { drop(twin ? NULL : "a literal of the program's"); }
static void code(void) { drop(twin ? NULL : (void *)(uintptr_t)drop); }

static void unmapped(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    drop(twin ? NULL : page + 64);
}

static void small_number(void) { drop(twin ? NULL : (void *)0x30); }

static void negative(void)
{
    void *block = malloc(twin ? 24 : huge);
    printf("%s\n", block ? "a block" : errno == ENOMEM ? "ENOMEM" : "null");
    free(block);
}

static void negative_calloc(void)
{
    volatile size_t many = (size_t)1 << 40;
    free(calloc(twin ? 2 : many, many >> 8 >> (twin ? 24 : 0)));
}

static void negative_realloc(void)
{
    void *block = make(24);
    void *result = realloc(block, twin ? 48 : huge);
    free(result ? result : block);
}

static void negative_reallocarray(void)
{
    void *block = make(24), *result = reallocarray(block, twin ? 2 : (size_t)1 << 40, (size_t)1 << (twin ? 4 : 40));
    free(result ? result : block);
}

static void negative_aligned(void) { free(aligned_alloc(64, twin ? 64 : huge & ~(size_t)63)); }

static void merely_large(void) { free(malloc((size_t)1 << 60)); } // fails, too, but no sign says that it is a mistake

static void repeated(void)
{
    void *block = make(24);
    drop(block);
    for (int i = 0; i < 30; i++)
        again(twin ? NULL : block);
}

static void then_waits(void) // for input, as a server does
{
    char byte;
    double_free();
    while (read(0, &byte, 1) > 0)
        ;
}

static void in_child(void)
{
    pid_t child = fork();
    if (!child) {
        double_free();
        exit(0);
    }
    waitpid(child, NULL, 0);
}

static void many(void) // more than the terminal shows
{
    for (int i = 0; i < 25; i++) {
        char *block = make(1000);
        uintptr_t depth = i;
        void *volatile inside_it = block + 16;
        switch (depth % 5) { // at five places, five times each
        case 0: drop(inside_it); break;
        case 1: drop(inside_it); break;
        case 2: drop(inside_it); break;
        case 3: drop(inside_it); break;
        default: drop(inside_it);
        }
        drop(block);
    }
}

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);
static void other_names(void) // of the same functions
{
    void *block = make(24);
    drop(block);
    for (int i = 0; i < 10; i++) {
        block = __libc_malloc(24);
        again(block);
        block = make(24);
        __libc_free(block);
    }
    if (!twin)
        again(block);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"double", double_free},
    {"double-later", double_free_later},
    {"double-much-later", double_free_much_later},
    {"double-thread", double_free_thread},
    {"realloc-freed", realloc_freed},
    {"free-resized", free_resized},
    {"inside", inside},
    {"inside-unaligned", inside_unaligned},
    {"inside-large", inside_large},
    {"realloc-inside", realloc_inside},
    {"stack", stack},
    {"stack-of-thread", stack_of_thread},
    {"data", data},
    {"literal", literal},
    {"code", code},
    {"unmapped", unmapped},
    {"small-number", small_number},
    {"negative", negative},
    {"negative-calloc", negative_calloc},
    {"negative-realloc", negative_realloc},
    {"negative-reallocarray", negative_reallocarray},
    {"negative-aligned", negative_aligned},
    {"merely-large", merely_large},
    {"repeated", repeated},
    {"then-waits", then_waits},
    {"in-child", in_child},
    {"many", many},
    {"other-names", other_names},
};

int main(int argc, char **argv)
{
    twin = argc > 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(argv[1], cases[i].name))
            cases[i].run();
    puts("went on");
    return 0;
}
