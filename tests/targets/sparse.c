/* A heap of 20 MB of which little is live, and a block of which a part is resident. */
#include <stdlib.h>
#include <string.h>

int main(void)
{
    static void *block[20000];
    for (int i = 0; i < 20000; i++)
        block[i] = memset(malloc(1001), 1, 1001);
    for (int i = 0; i < 20000; i++)
        if (i % 20)
            free(block[i]);
    memset(malloc(3 << 20), 1, 2 << 20);
    return 0;
}
