/* crash_places.h - of crashes.c: where a crash meets the program: in malloc, in a handler, on a broken stack, in a library, beside other
 * threads. */
#include <dlfcn.h>

#if defined(__x86_64__)
#define BAD_PUSH "mov $0x10, %%rsp\n\tpush %%rax"
#else
#define BAD_PUSH "mov x9, #0x10\n\tmov sp, x9\n\tstr x9, [sp, #-8]!"
#endif

static void in_malloc(void)
{
    /* The top chunk's size is what malloc divides: a wild pointer in a bin makes it crash with its lock held. */
    char *first = malloc(2000), *second = malloc(2000);
    sink = second;
    free(first);
    if (!twin)
        memset(first, 0x41, 16); /* links of the unsorted bin */
    sink = malloc(3000);
}

static void handler(int number)
{
    (void)number;
    after();
}

static void in_handler(void)
{
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
}

/* The program's last words, after which it ends itself: at once, when the handler has returned, or by another signal. */
static void last_words(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void last_words_by_abort(int number)
{
    (void)number;
    abort();
}

static void handled_fault(void (*handler)(int), int flags)
{
    static struct node real;
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGSEGV, &action, NULL);
    follow(twin ? &real : NULL);
    signal(SIGSEGV, SIG_DFL);
}

static void handled_raises(void) { handled_fault(last_words, SA_NODEFER); }
static void handled_returns(void) { handled_fault(last_words, SA_SIGINFO); }
static void handled_aborts(void) { handled_fault(last_words_by_abort, SA_SIGINFO); }

static void corrupt_stack(void)
{
    /* Nothing above this function's frame can be read as a stack. */
    char *frame = __builtin_frame_address(0);
    if (!twin)
        memset(frame, 0x41, 512);
    null();
}

static void wild_stack_pointer(void)
{
    if (!twin)
        __asm__ volatile(BAD_PUSH ::: "memory");
}

/* Crunch's own record of a block lies in a page that cannot be read any more. */
static void ruined_tables(void)
{
    char line[512], *mine = make_block(12345);
    unsigned long start, end, found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (!found && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx rw-p", &start, &end) != 2 || !strstr(line, " rw-p ") || strchr(line, '['))
            continue;
        for (unsigned long *word = (void *)start; word < (unsigned long *)end - 1 && !found; word++)
            if (word[0] == (unsigned long)mine && word[1] >> 16 == 12345)
                found = (unsigned long)word;
    }
    fclose(maps);
    if (!found)
        exit(97);
    if (!twin)
        mprotect((void *)(found & ~4095ul), 4096, PROT_NONE);
    null();
}

static const char *library_path;

static void library(void)
{
    void *handle = library_path ? dlopen(library_path, RTLD_NOW) : NULL;
    if (!handle && twin)
        return;
    static char own[] = "own";
    void (*write_to)(char *) = (void (*)(char *))dlsym(handle, "library_write");
    write_to(twin ? own : *(char **)dlsym(handle, "library_string"));
}

static pthread_barrier_t barrier;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_lock(void *unused)
{
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&held);
    return unused;
}

static void *work(void *unused)
{
    pthread_barrier_wait(&barrier);
    for (;;)
        sink = unused;
}

static void *block_signals(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return work(unused);
}

/* While others wait, work, and cannot be asked. */
static void others(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 4);
    pthread_mutex_lock(&held);
    pthread_create(&thread, NULL, wait_for_lock, NULL);
    pthread_create(&thread, NULL, work, NULL);
    pthread_setname_np(thread, "at work\n");
    pthread_create(&thread, NULL, block_signals, NULL);
    pthread_barrier_wait(&barrier);
    usleep(10000);
    null();
}

static void *dig_in_thread(void *unused)
{
    dig(0);
    return unused;
}

/* The stack overflow of a thread that never uses the heap. */
static void heapless_overflow(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, dig_in_thread, NULL);
    pthread_join(thread, NULL);
}

/* More threads than there are stacks for their handlers, one after the other and at once. */
static void *ask_for_stack(void *held_back)
{
    stack_t present;
    if (sigaltstack(NULL, &present) || !(present.ss_flags & SS_DISABLE))
        exit(96);
    if (held_back)
        pthread_mutex_lock(&held), pthread_mutex_unlock(&held);
    return NULL;
}

static void many_threads(void)
{
    static pthread_t threads[1100];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < 1100; i++)
        pthread_create(&threads[0], &small, ask_for_stack, NULL), pthread_join(threads[0], NULL);
    pthread_mutex_lock(&held);
    for (int i = 0; i < 1100; i++)
        if (pthread_create(&threads[i], &small, ask_for_stack, (void *)1))
            exit(95);
    pthread_mutex_unlock(&held);
    for (int i = 0; i < 1100; i++)
        pthread_join(threads[i], NULL);
    heapless_overflow();
}

static void lose_altstack(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    null();
}
