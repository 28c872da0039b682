/* What C and POSIX say of the allocation functions, as facts on stdout: the same with and without crunch. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACT(call)                                                                                                     \
    do {                                                                                                               \
        errno = 77;                                                                                                    \
        long value = (long)(call);                                                                                     \
        int number = errno;                                                                                            \
        printf("%s: %ld errno %d\n", #call, value, number);                                                            \
    } while (0)

static volatile size_t huge = SIZE_MAX / 2 + 2, one = 1, none, too_much = PTRDIFF_MAX;

static int shrinks_to_nothing(void)
{
    void *volatile block = malloc(10);
    return realloc(block, none) != NULL;
}

static int survives_failed_realloc(void)
{
    char *volatile block = malloc(10);
    strcpy(block, "still");
    int result = realloc(block, too_much) == NULL && !strcmp(block, "still");
    free(block);
    return result;
}

static int zeroed(void)
{
    unsigned char *block = malloc(500);
    memset(block, 255, 500);
    free(block);
    block = calloc(5, 100);
    int sum = 0;
    for (int i = 0; i < 500; i++)
        sum += block[i];
    free(block);
    return sum == 0;
}

static int keeps_bytes(void)
{
    char *block = malloc(6);
    strcpy(block, "bytes");
    block = realloc(block, 100000);
    int result = !strcmp(block, "bytes");
    block = realloc(block, 6);
    result = result && !strcmp(block, "bytes");
    free(block);
    return result;
}

static size_t usable(size_t size)
{
    void *block = malloc(size);
    size_t result = malloc_usable_size(block);
    free(block);
    return result;
}

static int alignment(void *block, size_t align)
{
    int result = block && (uintptr_t)block % align == 0;
    free(block);
    return result;
}

static int memalign_error(size_t align, size_t size)
{
    void *block = &block;
    int error = posix_memalign(&block, align, size);
    if (error)
        return block == (void *)&block ? error : -1; /* POSIX leaves the result alone */
    free(block);
    return 0;
}

static int quiet_free(void *block)
{
    free(block);
    return 0;
}

int main(void)
{
    FACT(malloc(none) != NULL);
    FACT(malloc(too_much + one) != NULL);
    FACT(calloc(none, 5) != NULL);
    FACT(calloc(huge, 2) != NULL);
    FACT(realloc(NULL, 10) != NULL);
    FACT(realloc(NULL, none) != NULL);
    FACT(realloc(NULL, too_much) != NULL);
    FACT(shrinks_to_nothing());
    FACT(survives_failed_realloc());
    FACT(reallocarray(NULL, huge, 2) != NULL);
    FACT(reallocarray(NULL, 3, 5) != NULL);
    FACT(zeroed());
    FACT(keeps_bytes());
    FACT(usable(none));
    FACT(usable(1));
    FACT(usable(1000));
    FACT(usable(1000000));
    FACT(malloc_usable_size(NULL));
    FACT(alignment(memalign(256, 10), 256));
    FACT(alignment(aligned_alloc(4096, 4096), 4096));
    FACT(aligned_alloc(3, 10) != NULL);
    FACT(alignment(valloc(10), 4096));
    FACT(alignment(pvalloc(10), 4096));
    FACT(memalign_error(3, 10));
    FACT(memalign_error(4, 10));
    FACT(memalign_error(64, 10));
    FACT(memalign_error(64, too_much));
    FACT(memalign(8, too_much) != NULL);
    FACT(valloc(too_much) != NULL);
    FACT(quiet_free(NULL));
    FACT(quiet_free(malloc(10)));
    FACT(quiet_free(malloc(10000000)));
    return 0;
}
