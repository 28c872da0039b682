// Loses a block in each of the ways that memcheck and crunch write down differently: inlined functions, templates, operators, lambdas,
// constructors, aligned blocks, realloc of nothing, functions of the C library. "twin" as an argument: loses none.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#define INLINE __attribute__((always_inline))
#define APART __attribute__((noinline))

static bool twin;
static void *volatile sink;

static APART void lose(void *block)
{
    sink = block;
    if (twin)
        std::free(block);
    sink = nullptr;
}

namespace ns {
template <class T> struct Table {
    T *rows;
    INLINE inline void grow(int count)
    {
        rows = new T[count];
        sink = rows;
        if (twin)
            delete[] rows;
        sink = rows = nullptr;
    }
    APART Table &operator*(int count)
    {
        lose(std::realloc(nullptr, static_cast<std::size_t>(count)));
        return *this;
    }
};
struct Made {
    APART Made() { lose(std::malloc(21)); }
};
template <class T> APART void copy(T) { lose(strdup("a copy of this")); }
APART void make(int count)
{
    Table<char> table;
    table.grow(count);
    table * 12;
    auto each = [](std::size_t n) INLINE { lose(std::calloc(n, 3)); };
    each(5);
}
} // namespace ns

static INLINE inline void inlined() { lose(std::malloc(7)); }

static APART void all()
{
    inlined();
    ns::make(10);
    ns::copy(3.0);
    ns::Made made;
    void *block = nullptr;
    if (posix_memalign(&block, 64, 70) == 0)
        lose(block);
    block = nullptr;
    lose(std::aligned_alloc(64, 128));
    char *line = nullptr;
    std::size_t length = 0;
    FILE *file = std::fopen("/proc/self/status", "r");
    if (file && getline(&line, &length, file) > 0)
        lose(line);
    line = nullptr;
    std::fclose(file);
    auto *text = new std::string(100, 'x'); // and, through it, its characters
    sink = text;
    if (twin)
        delete text;
    text = nullptr;
    sink = nullptr;
}

static APART void forget() // what the stack still holds
{
    volatile char bytes[20000];
    std::memset(const_cast<char *>(bytes), 0, sizeof bytes);
}

int main(int argc, char **)
{
    twin = argc > 1;
    all();
    forget();
    return 0;
}
