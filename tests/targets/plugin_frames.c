/* A plug-in of mixed_stacks, built several times with another FRAME, so that equal addresses of code mean different frames. */
#include <stdlib.h>
#include <string.h>

void plugin_call(int depth, void (*leaf)(size_t));

__attribute__((noinline)) static void inner(int depth, void (*leaf)(size_t))
{
    volatile char frame[FRAME];
    frame[0] = (char)depth;
    leaf(FRAME);
    if (depth)
        inner(depth - 1, leaf);
    leaf((size_t)frame[0] + 1);
}

void plugin_call(int depth, void (*leaf)(size_t))
{
    char *copy = strdup("lazily bound");
    inner(depth, leaf);
    free(copy);
}
