// Uses a function of tests/targets/other_allocator.c: a block that crunch did not see comes where one was freed.
#include <stdio.h>
#include <stdlib.h>

extern void *other_alloc(size_t size) __attribute__((weak));

int main(void)
{
    for (int i = 0; i < 5; i++) {
        free(malloc(64));
        free(other_alloc ? other_alloc(64) : NULL);
    }
    printf("%s\n", other_alloc ? "other" : "usual");
    return 0;
}
