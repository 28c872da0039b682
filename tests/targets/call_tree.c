/* A known tree of calls: what every place allocates, keeps and has at the peak is counted by hand in tests/e2e/test_stacks.py. */
#include <stdlib.h>

static void *volatile kept[64];

static void *grab(size_t size) { return malloc(size); /* line: grab */ }

static void leak(int i) { kept[i] = grab(100); /* line: leak */ }

static void hold(void)
{
    void *volatile block = grab(100000); /* line: hold */
    free(block);
}

static void churn(void)
{
    void *volatile block = malloc(16); /* line: churn */
    free(block);
}

static void grow(void)
{
    kept[10] = malloc(10);            /* line: grow_first */
    kept[10] = realloc(kept[10], 20); /* line: grow_again */
}

static void deep(int n)
{
    if (!n) {
        kept[11] = malloc(7); /* line: deep_end */
        return;
    }
    deep(n - 1); /* line: deep */
    kept[12] = 0;
}

int main(void)
{
    for (int i = 0; i < 5; i++)
        leak(i); /* line: main_leak */
    grow();      /* line: main_grow */
    deep(40);    /* line: main_deep */
    hold();      /* line: main_hold */
    for (int i = 0; i < 1000; i++)
        churn(); /* line: main_churn */
    return 0;
}
