/* leaks.c - many blocks that point at each other when the program ends: what looking for leaks costs.
 *
 *   leaks BLOCKS BYTES POINTERS
 * Each block has POINTERS pointers to pseudo-random ones; one list holds all. Prints the monotonic time just before it ends, in ns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void ***volatile all; /* where nothing reads it, the compiler would not keep it, and all would be lost */

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: leaks BLOCKS BYTES POINTERS\n");
        return 2;
    }
    size_t blocks = strtoul(argv[1], NULL, 10), bytes = strtoul(argv[2], NULL, 10),
           pointers = strtoul(argv[3], NULL, 10);
    uint64_t random = 88172645463325252u;
    void ***block = all = malloc(blocks * sizeof *block);
    for (size_t i = 0; i < blocks; i++)
        block[i] = memset(malloc(bytes), 1, bytes); /* every page is there */
    for (size_t i = 0; i < blocks; i++)
        for (size_t p = 0; p < pointers; p++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            block[i][random % (bytes / sizeof(void *))] = block[(random >> 32) % blocks];
        }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%llu\n", (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec);
    fflush(stdout);
    return 0;
}
