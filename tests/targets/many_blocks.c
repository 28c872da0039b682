/* As many live blocks of 16 bytes as its argument says; all are freed but the first 5. */
#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? (size_t)atol(argv[1]) : 0;
    void **block = malloc(count * sizeof *block);
    for (size_t i = 0; i < count; i++)
        block[i] = malloc(16);
    for (size_t i = 5; i < count; i++)
        free(block[i]);
    free(block);
    return 0;
}
