/* Recursion of a depth of argv[1], argv[2] times over, that allocates on the way down and on the way back. */
#include <stdlib.h>

static __attribute__((noinline)) void *down(int depth)
{
    volatile char frame[16];
    frame[0] = 0;
    void **here = malloc(32);
    *here = depth ? down(depth - 1) : NULL; /* line: down */
    free(malloc(24));
    return here;
}

int main(int count, char **arguments)
{
    (void)count;
    for (int i = atoi(arguments[2]); i > 0; i--)
        down(atoi(arguments[1]));
    return 0;
}
