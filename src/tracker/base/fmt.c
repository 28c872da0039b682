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

/* The character at `at`, by RFC 3629. Returns its length; 0: it is none. */
static unsigned decode(const unsigned char *at, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned length = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf8 ? 4 : 0;
    *c = length <= 1 ? at[0] : at[0] & (0x7fu >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) /* the end of the string, too */
            return 0;
        *c = *c << 6 | (at[i] & 0x3fu);
    }
    return *c < least[length] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : length;
}

/* Controls, marks of direction and of format, private and tag characters. */
static bool is_wild(uint32_t c)
{
    static const uint32_t ranges[][2] = {{0, 0x1f},          {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
                                         {0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                                         {0xe000, 0xf8ff},   {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
                                         {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

static bool is_one_of(uint32_t c, const char *ascii)
{
    for (; *ascii; ascii++)
        if (c == (uint32_t)*ascii)
            return true;
    return false;
}

void cr_text_shown(struct cr_text *text, const char *string, const char *also)
{
    const unsigned char *at = (const unsigned char *)string;
    while (*at) {
        uint32_t c;
        unsigned length = decode(at, &c);
        bool wild = !length || is_wild(c) || is_one_of(c, also);
        for (const unsigned char *end = at + (length ? length : 1); at < end; at++) {
            if (!wild) {
                cr_text_char(text, (char)*at);
                continue;
            }
            cr_text_char(text, '\\'); /* as /proc/self/maps has it */
            for (int shift = 6; shift >= 0; shift -= 3)
                cr_text_char(text, (char)('0' + (*at >> shift & 7)));
        }
    }
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
