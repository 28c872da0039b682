/* What a program tells crunch and asks it. With crunch the first argument is "crunch": the answers are others then. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../src/crunch.h"

__attribute__((noinline)) static void wipe(void)
{
    volatile char room[16384];
    memset((char *)room, 0, sizeof room);
}

__attribute__((noinline)) static void make(void **shared, int with)
{
    void **ignored = malloc(1001);
    memset(ignored, 0, 1001);
    ignored[0] = malloc(1002);
    if (crunch_ignore(ignored) != with)
        exit(1);
    shared[5] = malloc(1003);
    if (crunch_root(shared, 4096) != with)
        exit(2);
}

__attribute__((noinline)) static void lose(void) { memset(malloc(1004), 0, 1004); }

int main(int count, char **arguments)
{
    int with = count > 1 && !strcmp(arguments[1], "crunch");
    void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make(shared, with);
    wipe();
    if (crunch_leak_check() != 0)
        return 3;
    lose();
    wipe();
    if (crunch_leak_check() != (with ? 1004u : 0u))
        return 4;
    if (crunch_root(shared, 0) != with)
        return 5;
    wipe();
    if (crunch_leak_check() != (with ? 1004u + 1003u : 0u))
        return 6;
    return 0;
}
