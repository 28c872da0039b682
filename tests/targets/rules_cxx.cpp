// What C++ says of operator new when there is no memory, as facts on stdout; and exceptions that pass through it.
#include <cstdio>
#include <cstdlib>
#include <new>

static volatile std::size_t huge = std::size_t(-1) / 2 + 1;
static int handler_calls;

static void handler()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

template <typename F> static void fact(const char *name, F call)
{
    try {
        std::printf("%s: %s\n", name, call() ? "a block" : "null");
    } catch (const std::bad_alloc &) {
        std::printf("%s: bad_alloc\n", name);
    }
}

struct Throws {
    char bytes[3000];
    Throws() { throw 5; }
};

int main()
{
    std::align_val_t align{64};
    fact("new", [] { return ::operator new(huge); });
    fact("new[]", [] { return ::operator new[](huge); });
    fact("nothrow", [] { return ::operator new(huge, std::nothrow); });
    fact("nothrow[]", [] { return ::operator new[](huge, std::nothrow); });
    fact("aligned", [=] { return ::operator new(huge, align); });
    fact("aligned nothrow", [=] { return ::operator new(huge, align, std::nothrow); });
    fact("zero", [] { return ::operator new(0); }); // block: new 1
    std::set_new_handler(handler);
    fact("with a handler", [] { return ::operator new(huge); });
    std::printf("handler called %d times\n", handler_calls);
    void *volatile next = std::malloc(124); // block: malloc 124
    try {
        new Throws; // the constructor throws, so its 3,000 bytes are given back
    } catch (int number) {
        std::printf("caught %d\n", number);
    }
    void *volatile after = std::malloc(123); // block: malloc 123
    return after == nullptr || next == nullptr;
}
