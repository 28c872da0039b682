// C++ exceptions that nobody catches; "twin" as the second argument: somebody does.
#include <cstring>
#include <stdexcept>
#include <string>

namespace app {
struct Error {
    int number;
};
} // namespace app

static void standard() { throw std::runtime_error("no such thing"); } // crash: standard
static void own() { throw app::Error{7}; }
static void number() { throw 7; }
static void through_noexcept() noexcept { standard(); }

int main(int argc, char **argv)
{
    std::string way = argc > 1 ? argv[1] : "";
    bool twin = argc > 2 && !std::strcmp(argv[2], "twin");
    void (*crash)() = way == "standard" ? standard : way == "own" ? own : way == "number" ? number : through_noexcept;
    if (!twin || crash == through_noexcept)
        crash();
    try {
        crash();
    } catch (...) {
    }
    return 0;
}
