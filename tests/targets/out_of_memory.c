/* Allocates until malloc fails, and touches all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    for (;;) {
        void *block = malloc(100000);
        if (!block) {
            puts("full");
            return 3;
        }
        memset(block, 1, 100000);
    }
}
