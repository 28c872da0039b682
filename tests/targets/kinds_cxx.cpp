// One remaining block of every form of operator new, and one of each form given back by its operator delete.
#include <cstdlib>
#include <new>

static void *volatile kept[20];
static constexpr std::align_val_t align{64};

static void give_back()
{
    ::operator delete(::operator new(10));
    ::operator delete[](::operator new[](10));
    ::operator delete(::operator new(10, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
    ::operator delete(::operator new(10), std::size_t(10));
    ::operator delete[](::operator new[](10), std::size_t(10));
    ::operator delete(::operator new(10, align), align);
    ::operator delete[](::operator new[](10, align), align);
    ::operator delete(::operator new(10, align), 10, align);
    ::operator delete[](::operator new[](10, align), 10, align);
    ::operator delete(::operator new(10, align, std::nothrow), align, std::nothrow);
    ::operator delete[](::operator new[](10, align, std::nothrow), align, std::nothrow);
}

int main()
{
    kept[0] = ::operator new(2001);                        // block: new 2001
    kept[1] = ::operator new[](2002);                      // block: new[] 2002
    kept[2] = ::operator new(2003, std::nothrow);          // block: new 2003
    kept[3] = ::operator new[](2004, std::nothrow);        // block: new[] 2004
    kept[4] = ::operator new(2048, align);                 // block: new 2048
    kept[5] = ::operator new[](2112, align);               // block: new[] 2112
    kept[6] = ::operator new(2176, align, std::nothrow);   // block: new 2176
    kept[7] = ::operator new[](2240, align, std::nothrow); // block: new[] 2240
    kept[8] = std::malloc(2009);                           // block: malloc 2009
    give_back();
    return 0;
}
