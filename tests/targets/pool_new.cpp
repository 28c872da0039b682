// With POOL, as a library: an operator new of its own, whose blocks lie 16 bytes apart. Else a program that keeps 1,000 of them.
#include <cstddef>
#include <cstdio>
#include <new>

#ifdef POOL

alignas(16) static char pool[1 << 20];
static std::size_t used;

void *operator new(std::size_t size)
{
    void *block = pool + used;
    used += (size + 15) & ~static_cast<std::size_t>(15);
    return block;
}
void operator delete(void *) noexcept {}
void operator delete(void *, std::size_t) noexcept {}

#else

static long *kept[1000];

int main()
{
    for (long i = 0; i < 1000; i++)
        kept[i] = new long(i);
    std::printf("%ld\n", *kept[999]);
    return 0;
}

#endif
