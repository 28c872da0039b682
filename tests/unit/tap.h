/* tap.h - a test program in TAP: ok(condition, "what holds") for each fact, `return tap_done();` at the end of main. */
#ifndef CR_TAP_H
#define CR_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static struct {
    int run;
    int failed;
} tap;

__attribute__((format(printf, 4, 5))) static inline bool tap_check(bool condition, const char *file, int line,
                                                                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%sok %d - ", condition ? "" : "not ", ++tap.run);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (!condition) {
        tap.failed++;
        printf("# at %s:%d\n", file, line);
    }
    fflush(stdout); /* what was proved before a crash is still seen */
    return condition;
}

/* The rest is the fact in words, a printf format and its values. Returns the condition. */
#define ok(condition, ...) tap_check((condition), __FILE__, __LINE__, __VA_ARGS__)

/* A fact that cannot be tested here, and why. */
#define skip(...) (printf("ok %d # SKIP ", ++tap.run), printf(__VA_ARGS__), printf("\n"), (void)fflush(stdout))

/* The plan stands at the end: a program that dies on the way has none, and the runner sees it. A status for main. */
static inline int tap_done(void)
{
    printf("1..%d\n", tap.run);
    return tap.failed != 0 || tap.run == 0;
}

#endif
