/* fmt.c - see fmt.h. */
#include "base/fmt.h"

#include <string.h>

#include "base/banned.h"

void cr_text_char(struct cr_text *text, char c)
{
    if (text->length + 1 >= text->capacity) {
        text->cut = true;
        return;
    }
    text->bytes[text->length++] = c;
    text->bytes[text->length] = '\0';
}

void cr_text_string(struct cr_text *text, const char *string)
{
    for (; *string; string++)
        cr_text_char(text, *string);
}

static void digits(struct cr_text *text, uint64_t value, unsigned base)
{
    char reversed[24];
    size_t n = 0;
    do {
        reversed[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        cr_text_char(text, reversed[--n]);
}

void cr_text_decimal(struct cr_text *text, uint64_t value) { digits(text, value, 10); }

void cr_text_signed(struct cr_text *text, int64_t value)
{
    if (value < 0)
        cr_text_char(text, '-');
    digits(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void cr_text_hex(struct cr_text *text, uint64_t value)
{
    cr_text_string(text, "0x");
    digits(text, value, 16);
}

void cr_text_seconds(struct cr_text *text, uint64_t ns)
{
    uint64_t ms = ns / 1000000;
    digits(text, ms / 1000, 10);
    cr_text_char(text, '.');
    cr_text_char(text, (char)('0' + ms / 100 % 10));
    cr_text_char(text, (char)('0' + ms / 10 % 10));
    cr_text_char(text, (char)('0' + ms % 10));
}

bool cr_parse_decimal(const char *string, uint64_t *value)
{
    uint64_t n = 0;
    if (!string || !*string)
        return false;
    for (; *string; string++) {
        unsigned digit = (unsigned)(*string - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *value = n;
    return true;
}
