// An executable with an operator new of its own: it wins, and what it takes from malloc counts once.
#include <cstdio>
#include <cstdlib>
#include <new>

static int news, deletes;

void *operator new(std::size_t size)
{
    news++;
    return static_cast<char *>(std::malloc(size + 16)) + 16;
}
void operator delete(void *block) noexcept
{
    if (!block)
        return;
    deletes++;
    std::free(static_cast<char *>(block) - 16);
}
void operator delete(void *block, std::size_t) noexcept { ::operator delete(block); }

int main()
{
    int *volatile gone = new int(1);
    delete gone;
    long *volatile kept = new long(2); // block: malloc 24
    std::printf("%d news, %d deletes, %ld\n", news, deletes, *kept);
    return 0;
}
