/* platform/clock: the coarse clock is the exact one, a few ms late at most, and never ahead of it. */
#include "platform/clock.h"

#include "platform/platform.h"
#include "tap.h"

#define COARSEST_NS 20000000u /* ticks are 1 to 10 ms */

int main(void)
{
    bool right = true, forward = true;
    uint64_t before = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t coarse = cr_os_coarse_ns(), now = cr_os_now_ns();
        right =
            right && coarse <= now && (now - coarse < COARSEST_NS || cr_os_now_ns() - cr_os_coarse_ns() < COARSEST_NS);
        forward = forward && coarse >= before;
        before = coarse;
    }
    ok(right, "the coarse clock is a few ms late at most, and never ahead");
    ok(forward, "and it never goes back");
    return tap_done();
}
