// A C++ plug-in of a C program: it brings the C++ runtime along.
#include <new>
#include <stdexcept>

static void *volatile kept[2];

extern "C" int plugin_run()
{
    int *volatile gone = new int[100];
    delete[] gone;
    kept[0] = ::operator new(3001);   // block: new 3001
    kept[1] = ::operator new[](3002); // block: new[] 3002
    try {
        kept[0] = ::operator new(std::size_t(-1) / 2);
    } catch (const std::bad_alloc &) {
        return 42;
    }
    return 1;
}
