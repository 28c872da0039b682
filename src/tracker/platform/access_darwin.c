/* access_darwin.c - libcrunch-check on macOS: the tuples by which dyld redirects calls to the stand-ins. It applies them to every image
 * but this one. */
#include <dlfcn.h>

#include "access/access.h"

cr_access_function *cr_access;
struct cr_real cr_real = {.found = true};

void cr_access_find(void) {}

struct tuple {
    void (*replacement)(void);
    void (*replacee)(void);
};

#define TUPLE_BOTH(name)                                                                                               \
    __attribute__((used, section("__DATA,__interpose"))) static const struct tuple tuple_##name = {                    \
        (void (*)(void))crunch_##name, (void (*)(void))name};
#define TUPLE_LINUX(name)
#define TUPLE_DARWIN(name) TUPLE_BOTH(name)
#define TUPLE(system, type, name, parameters) TUPLE_##system(name)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations" /* programs call sprintf all the same */
CR_ACCESS_LIST(TUPLE)
#pragma clang diagnostic pop

__attribute__((constructor)) static void construct(void)
{
    cr_access = (cr_access_function *)(uintptr_t)dlsym(RTLD_DEFAULT, "crunch_access");
}
