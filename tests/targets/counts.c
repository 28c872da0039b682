/* A known number of calls. At the peak 1,000 blocks of 64 bytes, 500 of 100 and one of 10,000 are live. */
#include <stdlib.h>

static void *block[1000], *zeroed[500];

int main(void)
{
    for (int i = 0; i < 1000; i++)
        block[i] = malloc(64);
    for (int i = 0; i < 500; i++)
        zeroed[i] = calloc(10, 10);
    void *volatile large = malloc(10000); /* the peak */
    free(large);
    for (int i = 0; i < 1000; i++)
        block[i] = realloc(block[i], 32);
    for (int i = 0; i < 500; i++)
        free(zeroed[i]);
    for (int i = 10; i < 1000; i++)
        free(block[i]); /* 10 of 32 bytes stay */
    return 0;
}
