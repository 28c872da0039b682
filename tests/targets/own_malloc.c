/* A program that defines its own malloc, which no preloaded library sees. */
#include <stddef.h>

static char memory[1 << 20];
static size_t used;

void *malloc(size_t size)
{
    void *block = memory + used;
    used += (size + 15) & ~(size_t)15;
    return block;
}
void free(void *block) { (void)block; }

int main(void)
{
    void *volatile block = malloc(10);
    return block == NULL;
}
