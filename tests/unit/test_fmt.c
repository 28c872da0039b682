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

int main(void)
{
    test_numbers();
    test_cutting();
    test_seconds();
    test_parsing();
    return tap_done();
}
