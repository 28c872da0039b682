/* Names that would be markup, scripts and terminal sequences if nobody was careful, wherever a program can choose one: a function, a variable, a source file, a
 * class, a thread, a section, a snapshot, the contents of blocks; the name of one function has 64 KiB. With "errors" wrong frees, with "crash" a null pointer.
 * Names of program, folder, library, arguments and variables are for the test to choose. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/crunch.h"

#define RIGHT_TO_LEFT "\xe2\x80\xae"
#define HOSTILE(place) "<img src=x onerror=alert`" place "`>" RIGHT_TO_LEFT "\x1b[2J\xff"

#define X16(text) text text text text text text text text text text text text text text text text
#define LONG_NAME X16(X16(X16("<b>sixteen_chars")))

struct Evil {
    virtual ~Evil() {}
    long number = 1;
};

template <typename T> struct Wide : Evil {};

void *held asm("\"held " HOSTILE("variable") "\"");
Wide<Wide<Wide<Evil>>> *object;
static void *thread_kept, *section_kept;

__attribute__((noinline)) void *function(int size) asm("\"" HOSTILE("function") "\"");
__attribute__((noinline)) void *long_function(int size) asm("\"" LONG_NAME "\"");

#line 1 "<img src=x onerror=alert`source`>\xe2\x80\xae\x1b[2J.c"
void *function(int size)
{
    return memset(malloc(size), 'x', size);
}

void *long_function(int size)
{
    return malloc(size);
}

static void *in_thread(void *unused)
{
    pthread_setname_np(pthread_self(), "<i>t" RIGHT_TO_LEFT "\x1b[2J");
    thread_kept = function(300);
    return unused;
}

static void wrong_frees()
{
    void *volatile twice = function(48);
    free(twice);
    free(twice);
}

int main(int argc, char **argv)
{
    held = function(200);
    strcpy(static_cast<char *>(held), HOSTILE("contents"));
    void *volatile lost = long_function(500);
    lost = nullptr;
    object = new Wide<Wide<Wide<Evil>>>;
    pthread_t thread;
    pthread_create(&thread, nullptr, in_thread, nullptr);
    pthread_join(thread, nullptr);
    crunch_section(HOSTILE("section"));
    section_kept = function(400);
    crunch_section(nullptr);
    crunch_snapshot(HOSTILE("snapshot"));
    if (argc > 2 && dlopen(argv[2], RTLD_NOW))
        function(100);
    if (argc > 1 && strcmp(argv[1], "errors") == 0)
        wrong_frees();
    if (argc > 1 && strcmp(argv[1], "crash") == 0)
        *static_cast<volatile char *>(nullptr) = 1;
    return 0;
}
