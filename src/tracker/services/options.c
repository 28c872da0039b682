/* options.c - values are copied, before the program changes them. */
#include "services/options.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/fmt.h"
#include "platform/platform.h"
#include "base/banned.h"

#define HEAP_LIMIT_DEFAULT_BYTES ((uint64_t)256 << 20)
#define QUARANTINE_DEFAULT_BYTES ((uint64_t)64 << 20)
#define FILL_DEFAULT 0xcdu

struct cr_options cr_options;

static const char *lookup(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = cr_os_environment(); *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static bool is_set(const char *name)
{
    const char *value = lookup(name);
    return value && !strcmp(value, "1");
}

static void read_checks(void)
{
    cr_options.check = is_set("CRUNCH_CHECK");
    cr_options.quarantine = QUARANTINE_DEFAULT_BYTES;
    cr_parse_decimal(lookup("CRUNCH_QUARANTINE"), &cr_options.quarantine);
    uint64_t fill = FILL_DEFAULT;
    cr_parse_decimal(lookup("CRUNCH_FILL"), &fill);
    cr_options.fill = fill < CR_FILL_NOTHING ? (unsigned)fill : CR_FILL_NOTHING;
    cr_options.guard_every = 0;
    cr_parse_decimal(lookup("CRUNCH_GUARD"), &cr_options.guard_every);
    cr_options.guard_below = is_set("CRUNCH_GUARD_BELOW");
}

bool cr_options_read(void)
{
    if (!cr_os_environment())
        return false;

    const char *out = lookup("CRUNCH_OUT");
    struct cr_text path = CR_TEXT(cr_options.out);
    if (out && *out == '/')
        cr_text_string(&path, out);
    if (path.cut)
        cr_options.out[0] = '\0';

    cr_options.heap_limit = HEAP_LIMIT_DEFAULT_BYTES;
    cr_parse_decimal(lookup("CRUNCH_HEAP_LIMIT"), &cr_options.heap_limit);

    const char *children = lookup("CRUNCH_CHILDREN");
    cr_options.children = !children || strcmp(children, "0") != 0;

    cr_options.abort_on_error = is_set("CRUNCH_ABORT_ON_ERROR");
    cr_options.snapshot_at_peak = is_set("CRUNCH_SNAPSHOT_AT_PEAK");
    uint64_t number = 0;
    cr_parse_decimal(lookup("CRUNCH_SNAPSHOT_ON"), &number);
    cr_options.snapshot_signal = number < NSIG ? (int)number : 0;
    read_checks();
    return true;
}
