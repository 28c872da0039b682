/* base/fmt: the same text as printf's, never beyond the buffer. */
#include "base/fmt.h"

#include <inttypes.h>
#include <string.h>

#include "random.h"
#include "tap.h"

static const uint64_t edges[] = {0,         1, 9, 10, 15, 16, 99, 100, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                 UINT64_MAX};

static bool numbers_are_printfs(uint64_t value)
{
    char ours[64], expected[64];
    struct cr_text text = CR_TEXT(ours);
    cr_text_decimal(&text, value);
    cr_text_char(&text, ' ');
    cr_text_signed(&text, (int64_t)value);
    cr_text_char(&text, ' ');
    cr_text_hex(&text, value);
    snprintf(expected, sizeof expected, "%" PRIu64 " %" PRId64 " 0x%" PRIx64, value, (int64_t)value, value);
    return !strcmp(ours, expected) && text.length == strlen(expected) && !text.cut;
}

static void test_numbers(void)
{
    uint64_t random = 1;
    bool right = true;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        ok(numbers_are_printfs(edges[i]), "%" PRIu64 " in decimal, signed and hex", edges[i]);
    for (int i = 0; i < 10000; i++)
        right = right && numbers_are_printfs(random_next(&random) >> random_below(&random, 64));
    ok(right, "10,000 random numbers");
}

static void test_cutting(void)
{
    char bytes[16];
    bool right = true;
    for (size_t capacity = 1; capacity <= 12; capacity++) {
        memset(bytes, '#', sizeof bytes);
        struct cr_text text = {bytes, capacity, 0, false};
        bytes[0] = '\0';
        cr_text_string(&text, "0123456789");
        right = right && text.cut == (capacity < 11) && strlen(bytes) == (capacity < 11 ? capacity - 1 : 10) &&
                !strncmp(bytes, "0123456789", strlen(bytes)) && bytes[capacity] == '#';
    }
    ok(right, "what does not fit is cut off, terminated, and said");
    struct cr_text empty = CR_TEXT(bytes);
    cr_text_string(&empty, "");
    ok(!empty.cut && empty.length == 0, "nothing is nothing");
}

static bool seconds_are(uint64_t ns, const char *expected)
{
    char bytes[32];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_seconds(&text, ns);
    return !strcmp(bytes, expected);
}

static void test_seconds(void)
{
    ok(seconds_are(0, "0.000"), "no time");
    ok(seconds_are(1042000000, "1.042"), "three places");
    ok(seconds_are(999999999, "0.999"), "rounded down");
    ok(seconds_are(60000000000u, "60.000"), "a minute in seconds");
}

static bool parses(const char *string, uint64_t expected)
{
    uint64_t value = ~expected;
    return cr_parse_decimal(string, &value) && value == expected;
}

static bool refuses(const char *string)
{
    uint64_t value = 77;
    return !cr_parse_decimal(string, &value) && value == 77;
}

static void test_parsing(void)
{
    ok(parses("0", 0) && parses("007", 7) && parses("18446744073709551615", UINT64_MAX), "numbers up to the greatest");
    ok(refuses("18446744073709551616") && refuses("99999999999999999999"), "greater ones are refused");
    ok(refuses("") && refuses(NULL) && refuses("-1") && refuses("1x") && refuses(" 1") && refuses("0x10"),
       "so is what is no number");
}

static bool shows(const char *string, const char *expected)
{
    char bytes[256];
    struct cr_text text = CR_TEXT(bytes);
    bytes[0] = '\0';
    cr_text_shown(&text, string, " \\");
    if (strcmp(bytes, expected) != 0)
        printf("# %s\n", bytes);
    return !strcmp(bytes, expected);
}

static void test_shown(void)
{
    ok(shows("/usr/lib/a+b.so", "/usr/lib/a+b.so") && shows("", ""), "a plain path is itself");
    ok(shows("/h\xc3\xa4user/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x98\x80",
             "/h\xc3\xa4user/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x98\x80"),
       "so is one in other scripts");
    ok(shows("a b\\c", "a\\040b\\134c") && shows("\x1b[2J\n\x7f", "\\033[2J\\012\\177"), "blanks and controls");
    ok(shows("\xe2\x80\xaex\xd8\x9c\xc2\x9b", "\\342\\200\\256x\\330\\234\\302\\233"),
       "marks of direction, and controls of eight bits");
    ok(shows("\xe2\x81\xa6\xef\xbb\xbf\xee\x80\x80\xf3\xa0\x80\xa1",
             "\\342\\201\\246\\357\\273\\277\\356\\200\\200\\363\\240\\200\\241"),
       "what has no shape, private and tag characters");
    ok(shows("\xff\xe2\x80", "\\377\\342\\200") && shows("\xc0\xaf", "\\300\\257") &&
           shows("\xed\xa0\x80", "\\355\\240\\200") && shows("\xf4\x90\x80\x80", "\\364\\220\\200\\200"),
       "what is not UTF-8: stray and missing bytes, overlong ones, surrogates, beyond the last");
    char bytes[8];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_shown(&text, "abc\x01\x01", "");
    ok(text.cut && !strcmp(bytes, "abc\\001"), "what does not fit is cut off");
}

int main(void)
{
    test_numbers();
    test_cutting();
    test_seconds();
    test_parsing();
    test_shown();
    return tap_done();
}
