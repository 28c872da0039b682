/* One remaining block of every C function that makes one. The test reads the tags. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept[20];

int main(void)
{
    void *aligned = NULL;
    kept[0] = malloc(1001);               /* block: malloc 1001 */
    kept[1] = calloc(2, 501);             /* block: calloc 1002 */
    kept[2] = realloc(NULL, 1003);        /* block: realloc 1003 */
    kept[3] = realloc(malloc(5), 1004);   /* block: realloc 1004 */
    kept[4] = reallocarray(NULL, 5, 201); /* block: realloc 1005 */
    kept[5] = memalign(64, 1006);         /* block: aligned 1006 */
    kept[6] = aligned_alloc(64, 1024);    /* block: aligned 1024 */
    kept[7] = valloc(1008);               /* block: aligned 1008 */
    kept[8] = pvalloc(1009);              /* block: aligned 1009 */
    if (posix_memalign(&aligned, 32, 1010) == 0)
        kept[9] = aligned;            /* block: aligned 1010 */
    kept[10] = strdup("eleven char"); /* block: malloc 12 */
    kept[11] = malloc(0);             /* block: malloc 0 */
    return 0;
}
