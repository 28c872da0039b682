// crunch.h in C++.
#include "../../src/crunch.h"

int main()
{
    int *value = new int(1);
    return crunch_ignore(value) + static_cast<int>(crunch_leak_check());
}
