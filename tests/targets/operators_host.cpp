// Objects that pass between a program and libraries that use operators new and delete of other definitions, and allocators of the program's
// own: nothing here is wrong. The arguments are libraries with hidden_make and hidden_drop.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

struct Thing {
    long words[4] = {1, 2, 3, 4};
};

struct Pooled { // operators of a class
    long value = 1;
    static void *operator new(std::size_t size) { return std::malloc(size + 32); }
    static void operator delete(void *block) { std::free(block); }
    static void *operator new[](std::size_t size) { return std::malloc(size); }
    static void operator delete[](void *block) { std::free(block); }
};
struct Forwarded { // and such that use the global ones
    long value = 1;
    static void *operator new(std::size_t size) { return ::operator new(size + 8); }
    static void operator delete(void *block) { ::operator delete(block); }
};
struct Sized {
    virtual ~Sized() = default;
    long value = 1;
};
struct LargerSized : Sized {
    long more[20] = {};
};

template <typename T> struct Malloced {
    using value_type = T;
    Malloced() = default;
    template <typename U> Malloced(const Malloced<U> &) {}
    T *allocate(std::size_t n) { return static_cast<T *>(std::malloc(n * sizeof(T))); }
    void deallocate(T *block, std::size_t) { std::free(block); }
    bool operator==(const Malloced &) const { return true; }
    bool operator!=(const Malloced &) const { return false; }
};

static void own_allocators()
{
    delete new Pooled;
    delete[] new Pooled[7];
    delete new Forwarded;
    Sized *sized = new LargerSized;
    delete sized;
    std::vector<int, Malloced<int>> malloced(100);
    malloced.resize(3000);
    std::pmr::unsynchronized_pool_resource pool;
    std::pmr::monotonic_buffer_resource buffer(&pool);
    std::pmr::vector<std::pmr::string> words(&buffer);
    for (int i = 0; i < 300; i++)
        words.emplace_back(100, 'x');
    alignas(64) struct Wide {
        char bytes[64];
    } wide{};
    std::vector<Wide> wides(10, wide);
    auto shared = std::make_shared<std::string>(1000, 'y');
    std::unique_ptr<std::string[]> strings(new std::string[5]);
    char placed[sizeof(Thing)];
    new (placed) Thing;
}

int main(int argc, char **argv)
{
    own_allocators();
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return std::puts(dlerror()), 1;
        auto make = reinterpret_cast<Thing *(*)()>(dlsym(library, "hidden_make"));
        auto drop = reinterpret_cast<void (*)(Thing *)>(dlsym(library, "hidden_drop"));
        for (int round = 0; round < 3; round++) {
            drop(make());
            delete make();
            drop(new Thing);
        }
        dlclose(library);
    }
    std::puts("done");
    return 0;
}
