// Blocks held only by pointers to their inside, as C++ does: none is lost.
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

struct First {
    virtual ~First() {}
    int one;
};
struct Second {
    virtual ~Second() {}
    int two;
};
struct Both : First, Second {
    char more[40];
};
struct Destroyed {
    ~Destroyed() {}
    int value;
};

static Second *second;
static Destroyed *array;
static void *sized;
static std::map<int, std::string> *map;
static std::vector<std::vector<int>> *vectors;

__attribute__((noinline)) static void fill()
{
    second = new Both;
    array = new Destroyed[10];
    char *block = static_cast<char *>(std::malloc(72));
    std::memset(block, 0, 72);
    *reinterpret_cast<size_t *>(block) = 64;
    sized = block + 8;
    map = new std::map<int, std::string>;
    for (int i = 0; i < 50; i++)
        (*map)[i] = std::string(100, 'x');
    vectors = new std::vector<std::vector<int>>(20, std::vector<int>(7));
}

__attribute__((noinline)) static void wipe()
{
    volatile char room[16384];
    std::memset(const_cast<char *>(room), 0, sizeof room);
}

int main()
{
    fill();
    wipe();
    return second && array && sized && map && vectors ? 0 : 1;
}
