/* Leaves blocks with known bytes: "contents!", and as many of 100 bytes as its argument says. */
#include <stdlib.h>
#include <string.h>

static void *volatile kept;

int main(int argc, char **argv)
{
    kept = malloc(9); /* block: malloc 9 */
    memcpy(kept, "contents!", 9);
    for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--)
        kept = memset(malloc(100), 'x', 100); /* block: malloc 100 */
    return 0;
}
