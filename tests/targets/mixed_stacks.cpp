// Everything that makes stacks hard, each as one function, to be run with compare_stacks preloaded: every allocation is a
// stack that is compared. Arguments: names of the parts to run, or none for all. Environment: MIXED_PLUGINS, paths of three
// builds of plugin_frames, and MIXED_LAZY, that of plugin_lazy.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <alloca.h>
#include <csignal>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <pthread.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/time.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline))
static volatile unsigned sink;
static unsigned seed = 1;
static unsigned rnd()
{
    seed = seed * 1103515245u + 12345u;
    return seed >> 16 & 0x7fff;
}

static volatile bool stepping; // then nothing is allocated: the comparing would be stepped through as well

static NOINLINE void leaf(size_t size)
{
    sink += size;
    if (stepping)
        return;
    void *block = malloc(size);
    sink += (unsigned)(uintptr_t)block;
    free(block);
}

// ---- exceptions through many frames, rethrown, with clean-up that allocates
static NOINLINE int thrower(int depth)
{
    std::string guard(40 + rnd() % 30, 'x');
    if (depth == 0)
        throw std::runtime_error(guard);
    try {
        return thrower(depth - 1) + (int)guard.size();
    } catch (const std::logic_error &) {
        return 0;
    } catch (...) {
        std::vector<int> v(rnd() % 20 + 1);
        if (depth % 3 == 0)
            throw;
        throw std::runtime_error("again " + std::string(50, 'y'));
    }
}
static void exceptions()
{
    for (int i = 0; i < 2000; i++) {
        try {
            thrower((int)(rnd() % 25));
        } catch (const std::exception &e) {
            sink += (unsigned)strlen(e.what());
        }
    }
}

// ---- alloca, arrays of variable length, realigned stacks
static NOINLINE void vla(int depth)
{
    unsigned n = rnd() % 300 + 1;
    char array[n];
    memset(array, 1, n);
    char *more = (char *)alloca(rnd() % 500 + 1);
    more[0] = array[n - 1];
    leaf(n);
    if (depth)
        vla(depth - 1);
    leaf(n + (unsigned)more[0]);
}
static NOINLINE void aligned_frame(int depth)
{
    alignas(64) char array[128];
    memset(array, depth, sizeof array);
    leaf((size_t)(rnd() % 100 + 1));
    if (depth) {
        if (rnd() & 1)
            aligned_frame(depth - 1);
        else
            vla(1);
    }
    sink += (unsigned)array[rnd() % 128];
    leaf(7);
}
static NOINLINE void aligned_alloca(int depth)
{
    alignas(32) volatile char array[64];
    char *more = (char *)alloca(rnd() % 700 + 1);
    more[0] = array[3] = 1;
    leaf(3);
    if (depth)
        aligned_alloca(depth - 1);
    sink += (unsigned)(array[5] + more[0]);
    leaf(3);
}
static void frames()
{
    for (int i = 0; i < 3000; i++) {
        vla(5);
        aligned_frame((int)(rnd() % 8));
        aligned_alloca((int)(rnd() % 6));
    }
}

// ---- recursion, deep and mutual, and tail calls
static NOINLINE void odd(int depth);
static NOINLINE void even(int depth)
{
    leaf(16);
    if (depth)
        odd(depth - 1);
    leaf(17);
}
static NOINLINE void odd(int depth)
{
    leaf(18);
    if (depth)
        even(depth - 1);
    leaf(19);
}
static NOINLINE void tail(size_t n)
{
    if (n > 20)
        return leaf(n);
    return tail(n + 3);
}
static void recursion()
{
    for (int i = 0; i < 300; i++)
        even((int)(rnd() % 100));
    for (int i = 0; i < 5000; i++)
        tail(rnd() % 20);
}
static void deep()
{
    even(3000);
    for (int i = 500; i < 515; i++) // around the unwinder's limit
        even(i);
}

// ---- indirect calls, std::function, sort with callbacks from the C library
static int compare(const void *a, const void *b)
{
    leaf(5);
    return *(const int *)a - *(const int *)b;
}
static void callbacks()
{
    for (int round = 0; round < 100; round++) {
        int numbers[64];
        for (int &n : numbers)
            n = (int)rnd();
        qsort(numbers, 64, sizeof(int), compare);
        std::function<void(int)> f = [&](int n) {
            if (n)
                f(n - 1);
            leaf((size_t)n + 1);
        };
        f((int)(rnd() % 10));
        std::map<int, std::string> m;
        for (int i = 0; i < 30; i++)
            m[(int)rnd()] = std::string(rnd() % 60, 'a');
    }
}

// ---- threads
static void threads()
{
    std::vector<std::thread> all;
    for (int t = 0; t < 6; t++)
        all.emplace_back([] {
            for (int i = 0; i < 300; i++) {
                even((int)(i % 30));
                vla(2);
                try {
                    thrower(3);
                } catch (...) {
                }
            }
        });
    for (auto &t : all)
        t.join();
}

// ---- dlopen and dlclose, different modules at the same address
extern "C" void compare_flush(void) __attribute__((weak));
static void *load(const std::string &path, const char *name, void **handle)
{
    *handle = dlopen(path.c_str(), RTLD_LAZY);
    if (!*handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return dlsym(*handle, name);
}
static void unload(void *handle)
{
    dlclose(handle);
    if (compare_flush)
        compare_flush();
}
static std::vector<std::string> plugins()
{
    std::vector<std::string> paths;
    std::stringstream all(getenv("MIXED_PLUGINS"));
    for (std::string path; std::getline(all, path, ':');)
        paths.push_back(path);
    return paths;
}
static void modules()
{
    typedef void (*call)(int, void (*)(size_t));
    std::vector<std::string> paths = plugins();
    void *last = nullptr, *handle;
    unsigned reused = 0;
    for (int i = 0; i < 300; i++) {
        void *function = load(paths[rnd() % paths.size()], "plugin_call", &handle);
        reused += function == last;
        last = function;
        for (int j = 0; j < 10; j++)
            ((call)function)((int)(rnd() % 6), leaf);
        unload(handle);
    }
    printf("reused %u\n", reused); // how often a module came to lie where the one before had been
}

// ---- coroutines, with guard pages right behind their stacks
static ucontext_t main_context, coroutine[4];
static void coroutine_main(int number)
{
    for (int i = 0; i < 400; i++) {
        even((int)(rnd() % 20));
        vla(1);
        swapcontext(&coroutine[number], &main_context);
    }
}
static void coroutines()
{
    char *stacks[4];
    for (int i = 0; i < 4; i++) {
        char *map = (char *)mmap(nullptr, 65536 + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stacks[i] = map + 4096;
        mprotect(stacks[i], 65536, PROT_READ | PROT_WRITE);
        getcontext(&coroutine[i]);
        coroutine[i].uc_stack.ss_sp = stacks[i];
        coroutine[i].uc_stack.ss_size = 65536;
        coroutine[i].uc_link = &main_context;
        makecontext(&coroutine[i], (void (*)())coroutine_main, 1, i);
    }
    for (int i = 0; i < 400; i++)
        for (int c = 0; c < 4; c++) {
            swapcontext(&main_context, &coroutine[c]);
            if (c == 2)
                leaf(3);
        }
}

// ---- a handler on its own stack, synchronous and asynchronous
extern "C" void compare_here(int) __attribute__((weak));
static void on_usr1(int)
{
    compare_here(0);
    even(3);
}
static NOINLINE void raiser(int depth)
{
    if (depth)
        raiser(depth - 1);
    else
        raise(SIGUSR1);
    leaf(4);
}
static void alternate()
{
    stack_t stack = {};
    stack.ss_size = 65536;
    stack.ss_sp = mmap(nullptr, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&stack, nullptr);
    struct sigaction action = {};
    action.sa_handler = on_usr1;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    for (int i = 0; i < 2000; i++)
        raiser((int)(rnd() % 12));
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, nullptr);
    for (int i = 0; i < 2000; i++)
        raiser((int)(rnd() % 12));
}

// ---- a call through a null pointer, seen from the handler
static NOINLINE void call_null(void (*volatile f)())
{
    f();
    leaf(4);
}
static void on_segv(int, siginfo_t *, void *context)
{
    compare_here(0);
    ucontext_t *uc = (ucontext_t *)context;
#if defined(__x86_64__)
    uc->uc_mcontext.gregs[REG_RIP] = *(greg_t *)uc->uc_mcontext.gregs[REG_RSP]; // return from the call
    uc->uc_mcontext.gregs[REG_RSP] += 8;
#elif defined(__aarch64__)
    uc->uc_mcontext.pc = uc->uc_mcontext.regs[30];
#endif
}
static void null_calls()
{
    struct sigaction action = {};
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    for (int i = 0; i < 500; i++)
        call_null(nullptr);
}

// ---- lazy binding that allocates: the resolver of an indirect function is called inside of the loader's
static void lazy()
{
    typedef void (*call)(void (*)(size_t));
    for (int i = 0; i < 200; i++) {
        void *handle, *function = load(getenv("MIXED_LAZY"), "lazy_call", &handle);
        ((call)function)(leaf);
        unload(handle);
    }
}

// ---- a signal after each instruction, on the way through lazy binding as well
static void on_trap(int, siginfo_t *, void *context)
{
#if defined(__x86_64__)
    const greg_t trap_flag = 0x100;
    greg_t &flags = ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    flags = stepping ? flags | trap_flag : flags & ~trap_flag;
#endif
    compare_here(0);
}
static void steps()
{
    void *handle, *function = load(getenv("MIXED_LAZY"), "lazy_call", &handle);
    struct sigaction action = {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, nullptr);
    stepping = true;
    raise(SIGTRAP);
    ((void (*)(void (*)(size_t)))function)(leaf);
    sink += (unsigned)getppid();
    aligned_frame(2);
    vla(1);
    stepping = false;
    unload(handle);
}

int main(int argc, char **argv)
{
    struct {
        const char *name;
        void (*run)();
    } parts[] = {
        {"exceptions", exceptions}, {"frames", frames},         {"recursion", recursion}, {"deep", deep},
        {"callbacks", callbacks},   {"threads", threads},       {"modules", modules},     {"coroutines", coroutines},
        {"alternate", alternate},   {"null_calls", null_calls}, {"lazy", lazy},           {"steps", steps}};
    for (auto &part : parts) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= strcmp(argv[i], part.name) == 0;
        if (wanted)
            part.run();
    }
}
