// Says hello through the C++ and C libraries, whose buffers are not the program's own.
#include <cstdio>
#include <iostream>
#include <string>

int main()
{
    std::string text(1000, '.');
    std::cout << "hello" << text.size() << std::endl;
    std::printf("hello\n");
    return 0;
}
