/* services/options: the environment as the launcher sets it, and as nobody should. */
#include "services/options.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static void set(const char *out, const char *limit, const char *children)
{
    const char *const names[] = {"CRUNCH_OUT", "CRUNCH_HEAP_LIMIT", "CRUNCH_CHILDREN"};
    const char *const values[] = {out, limit, children};
    for (int i = 0; i < 3; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    memset(&cr_options, 170, sizeof cr_options);
    cr_options.out[0] = '\0';
    cr_options_read();
}

int main(void)
{
    set(NULL, NULL, NULL);
    ok(!cr_options.out[0], "no folder: nothing is recorded");
    set("/tmp/out", "12345", "1");
    ok(!strcmp(cr_options.out, "/tmp/out") && cr_options.heap_limit == 12345 && cr_options.children,
       "what the launcher sets");
    set("/tmp/out", NULL, NULL);
    ok(cr_options.heap_limit == (uint64_t)256 << 20 && cr_options.children, "the defaults of the command line");
    set("/tmp/out", "0", "0");
    ok(cr_options.heap_limit == 0 && !cr_options.children, "no contents, no children");
    set("/tmp/out", "many", "");
    ok(cr_options.heap_limit == (uint64_t)256 << 20 && cr_options.children, "nonsense is as if unset");
    set("relative", NULL, NULL);
    ok(!cr_options.out[0], "a relative folder is none");

    set("/tmp/out", NULL, NULL);
    ok(!cr_options.check && !cr_options.guard_every && !cr_options.guard_below && cr_options.fill == 0xcd &&
           cr_options.quarantine == (uint64_t)64 << 20,
       "nothing is checked unless asked for");
    setenv("CRUNCH_CHECK", "1", 1);
    setenv("CRUNCH_QUARANTINE", "5000", 1);
    setenv("CRUNCH_FILL", "171", 1);
    setenv("CRUNCH_GUARD", "1000", 1);
    setenv("CRUNCH_GUARD_BELOW", "1", 1);
    cr_options_read();
    ok(cr_options.check && cr_options.quarantine == 5000 && cr_options.fill == 171 && cr_options.guard_every == 1000 &&
           cr_options.guard_below,
       "checks that are asked for");
    setenv("CRUNCH_FILL", "256", 1);
    cr_options_read();
    ok(cr_options.fill == CR_FILL_NOTHING, "new blocks are left as they are");

    static char path[CR_PATH_BYTES + 10];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    set(path, NULL, NULL);
    ok(!cr_options.out[0], "a path that does not fit is none, rather than another one");
    path[CR_PATH_BYTES - 1] = '\0';
    set(path, NULL, NULL);
    ok(!strcmp(cr_options.out, path), "the longest path that fits");

    set("/tmp/out", NULL, NULL);
    setenv("CRUNCH_OUT", "/changed/later", 1);
    ok(!strcmp(cr_options.out, "/tmp/out"), "values are copies: the program may change its environment");
    return tap_done();
}
