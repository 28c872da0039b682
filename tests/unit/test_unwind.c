/* base/unwind: stacks of every shape, against what their functions wrote down themselves. */
#include "base/unwind.h"

#include <errno.h>
#include <pthread.h>

#include "platform/unwind_platform.h"
#include "tap.h"
#include "written_stack.h"

/* ---- shapes of frames ---- */

static NOINLINE void with_vla(uint32_t n)
{
    volatile char array[n * 37 % 500 + 1];
    ENTER();
    array[0] = (char)n;
    hook();
    if (n > 0)
        with_vla(n - 1);
    hook();
    sink += (uint32_t)array[0];
    LEAVE();
}

static NOINLINE void realigned(uint32_t n)
{
    volatile char array[64] __attribute__((aligned(64)));
    ENTER();
    array[n % 64] = array[1] = 1;
    hook();
    if (n > 0)
        realigned(n - 1);
    else
        with_vla(3);
    hook();
    sink += (uint32_t)array[1] + (uint32_t)((uintptr_t)array & 63u);
    LEAVE();
}

static NOINLINE void large(uint32_t n)
{
    volatile char array[200000]; /* more than a rule has room for */
    ENTER();
    array[n] = array[2] = 1;
    hook();
    if (n > 0)
        large(n - 1);
    sink += (uint32_t)array[2];
    LEAVE();
}

static NOINLINE void test_shapes(void)
{
    ENTER();
    for (uint32_t i = 0; i < 50; i++)
        recurse(i);
    check("recursion");
    for (uint32_t i = 0; i < 50; i++)
        with_vla(i % 20);
    check("arrays of variable length");
    for (uint32_t i = 0; i < 50; i++)
        realigned(i % 15);
    check("realigned stacks");
    large(3);
    check("frames of 200 KB");
    LEAVE();
}

/* Nothing is captured on the way in: the first stack is deeper than any is walked. */
static NOINLINE void come_back(uint32_t n)
{
    ENTER();
    if (n > 0)
        come_back(n - 1);
    hook();
    LEAVE();
}

static NOINLINE void test_too_deep(void)
{
    ENTER();
#if defined(__SANITIZE_THREAD__)
    skip("TSan's own stack of frames ends at 65,536");
#else
    come_back(66500);
    check("back from 66,500 frames");
#endif
    recurse(600);
    come_back(1000);
    check("and from depths that are known");
    LEAVE();
}

static NOINLINE void test_deep(void)
{
    ENTER();
    recurse(5000);
    check("5,000 frames deep");
    for (uint32_t i = 480; i < 540; i++)
        recurse(i);
    check("around the limit");
    LEAVE();
}

/* ---- what is met again ---- */

static NOINLINE void test_fresh(void)
{
    uint32_t most = 0;
    ENTER();
    for (volatile uint32_t i = 0; i < 10; i++) {
        hook();
        most = i > 0 && written->stack.fresh > most ? written->stack.fresh : most;
    }
    ok(most == 0, "the same stack again has no fresh frame");
    hook();
    ok(written->stack.fresh == 1, "the same caller from another place has one");
    LEAVE();
    check("and both are right");
}

static NOINLINE void test_flush(void)
{
    ENTER();
    cr_unwind_flush();
    recurse(30);
    check("after a flush");
    LEAVE();
}

static NOINLINE void test_busy(void)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    written->state->busy = true;
    struct cr_unwind_stack busy = cr_unwind_capture(written->state, &start);
    written->state->busy = false;
    ok(busy.frames == 0 && busy.end == CR_UNWIND_BUSY, "a capture inside of a capture is refused");
}

/* ---- another thread ---- */

static void *thread_main(void *unused)
{
    struct written *before = written, *own = written_map(sizeof *own);
    own->state = written_map(sizeof *own->state); /* its bounds stay unknown */
    written = own;
    for (uint32_t i = 0; i < 30; i++)
        recurse(i);
    check("a thread whose bounds are unknown");
    written = before;
    return unused;
}

static void test_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_main, NULL);
    pthread_join(thread, NULL);
}

/* ---- memory ---- */

static void test_readable(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = 77;
    bool guard = cr_unwind_readable((uintptr_t)page);
    mprotect(page, 4096, PROT_READ);
    bool open = cr_unwind_readable((uintptr_t)page + 4095);
    munmap(page, 4096);
    bool gone = !cr_unwind_readable((uintptr_t)page) && !cr_unwind_readable(0);
    ok(!guard && open && gone, "what can be read is known");
    ok(errno == 77, "and errno is kept");
}

static NOINLINE void run(void)
{
    ENTER();
    test_shapes();
    test_deep();
    test_too_deep();
    test_fresh();
    test_flush();
    test_busy();
    test_thread();
    test_readable();
    LEAVE();
}

int main(void)
{
    written_run(run);
    return tap_done();
}
