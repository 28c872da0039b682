// An allocator to be preloaded, with a function of its own beside malloc and free, of which crunch cannot know.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static _Alignas(64) char heap[1 << 22];
static size_t used;
static void *freed[4]; // the last blocks of 64 bytes

void *malloc(size_t size)
{
    for (int i = 0; i < 4; i++)
        if (size == 64 && freed[i]) {
            void *block = freed[i];
            freed[i] = NULL;
            return block;
        }
    size_t *block = (size_t *)(heap + used + 16);
    used += ((size + 15) & ~(size_t)15) + 32;
    block[-1] = size;
    return used <= sizeof heap ? block : NULL;
}

void *other_alloc(size_t size) { return malloc(size); }

void free(void *block)
{
    if (block && ((size_t *)block)[-1] == 64)
        for (int i = 0; i < 4; i++)
            if (!freed[i]) {
                freed[i] = block;
                return;
            }
}

void *calloc(size_t count, size_t size)
{
    void *block = malloc(count * size);
    return block ? memset(block, 0, count * size) : block;
}

void *realloc(void *block, size_t size)
{
    void *result = malloc(size);
    if (block && result)
        memcpy(result, block, ((size_t *)block)[-1] < size ? ((size_t *)block)[-1] : size);
    return result;
}
