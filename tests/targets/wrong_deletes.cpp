// Blocks given to a function that is not for them, and beside each the same thing done right ("twin"), chosen by the argument.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

static bool twin;

struct Base {
    int a = 1;
};
struct Derived : Base {
    int b[9] = {};
};
struct alignas(64) Wide {
    char bytes[64] = {};
};
struct Counted {
    int value = 1;
    ~Counted() { value = 0; }
};
struct Own { // an operator new of its own, on malloc
    int value = 1;
    static void *operator new(std::size_t size) { return std::malloc(size); }
    static void operator delete(void *block) { std::free(block); }
};

static void malloc_delete()
{
    int *block = static_cast<int *>(std::malloc(sizeof(int)));
    twin ? std::free(block) : ::operator delete(block);
}
static void new_free()
{
    int *block = new int;
    twin ? delete block : std::free(block);
}
static void new_array_free()
{
    int *block = new int[10];
    twin ? delete[] block : std::free(block);
}
static void new_delete_array()
{
    int *block = new int;
    twin ? delete block : delete[] block;
}
static void new_array_delete()
{
    char *block = new char[10];
    twin ? delete[] block : delete block;
}
static void new_realloc()
{
    void *block = ::operator new(24);
    if (twin)
        ::operator delete(block);
    else
        std::free(std::realloc(block, 100000));
}
static void strdup_delete()
{
    char *block = strdup("a string");
    twin ? std::free(block) : ::operator delete(block);
}
static void wrong_size()
{
    Base *block = new Derived;
    twin ? delete static_cast<Derived *>(block) : delete block; // no virtual destructor
}
static void wrong_array_size()
{
    Counted *block = new Counted[5]; // with a count in front, which the size includes
    void *raw = reinterpret_cast<char *>(block) - sizeof(std::size_t);
    if (twin)
        delete[] block;
    else
        ::operator delete[](raw, 5 * sizeof(Counted));
}
static void wrong_alignment()
{
    void *block = ::operator new(64, std::align_val_t(64));
    twin ? ::operator delete(block, std::align_val_t(64)) : ::operator delete(block);
}
static void unexpected_alignment()
{
    void *block = ::operator new(64);
    twin ? ::operator delete(block) : ::operator delete(block, std::align_val_t(64));
}
static void wide()
{
    Wide *block = new Wide, *blocks = new Wide[3];
    delete block;
    delete[] blocks;
    ::operator delete(::operator new(70, std::align_val_t(64)), std::size_t(70), std::align_val_t(64)); // rounded up inside
    ::operator delete(::operator new(0), std::size_t(0));
}
static void own()
{
    delete new Own;
}
static void twice()
{
    int *block = new int;
    delete block;
    if (!twin)
        delete block;
}
static void inside()
{
    int *block = new int[10];
    if (!twin)
        delete (block + 4);
    delete[] block;
}
static void negative()
{
    volatile long count = -5;
    void *block = twin ? nullptr : ::operator new[](static_cast<std::size_t>(count), std::nothrow);
    ::operator delete[](block);
}

static const struct {
    const char *name;
    void (*run)();
} cases[] = {
    {"malloc-delete", malloc_delete}, {"new-free", new_free}, {"new[]-free", new_array_free},
    {"new-delete[]", new_delete_array}, {"new[]-delete", new_array_delete}, {"new-realloc", new_realloc},
    {"strdup-delete", strdup_delete}, {"size", wrong_size}, {"array-size", wrong_array_size},
    {"alignment", wrong_alignment}, {"unexpected-alignment", unexpected_alignment}, {"wide", wide}, {"own", own},
    {"twice", twice}, {"inside", inside}, {"negative", negative},
};

int main(int argc, char **argv)
{
    twin = argc > 2;
    for (const auto &one : cases)
        if (!std::strcmp(argv[1], one.name))
            one.run();
    std::puts("went on");
    return 0;
}
