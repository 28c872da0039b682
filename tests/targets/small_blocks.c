/* 1,000 live blocks of 8 bytes, which some allocators put 8 bytes apart; half of them are freed. Prints how many were aligned
 * to 8 only. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *block[1000];

int main(void)
{
    int odd = 0;
    for (int i = 0; i < 1000; i++) {
        block[i] = malloc(8);
        odd += (uintptr_t)block[i] % 16 == 8;
    }
    for (int i = 0; i < 1000; i += 2)
        free(block[i]);
    fprintf(stderr, "%d\n", odd);
    return 0;
}
