/* A plug-in of mixed_stacks with functions that are chosen when they are first called, by resolvers that allocate. */
#include <stddef.h>

void lazy_call(void (*leaf)(size_t));
static void (*allocate)(size_t);

static int chosen(int value) { return value + 1; }
static int (*resolve(void))(int)
{
    if (allocate)
        allocate(33);
    return chosen;
}
int lazy_one(int) __attribute__((ifunc("resolve")));
int lazy_two(int) __attribute__((ifunc("resolve")));
int lazy_three(int, long, long, long, long, long, long, long, int) __attribute__((ifunc("resolve")));

void lazy_call(void (*leaf)(size_t))
{
    volatile int sum;
    allocate = leaf;
    sum = lazy_one(1);
    sum += lazy_two(2);
    sum += lazy_three(3, 4, 5, 6, 7, 8, 9, 10, 11); /* with arguments on the stack */
    leaf((size_t)sum);
}
