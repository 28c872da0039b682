/* fmt.h - text into a fixed buffer, without stdio, malloc or locale. Callable from anywhere, signal handlers too.
 *
 * A struct cr_text never overflows: what does not fit is cut off and `cut` is set. It is always terminated. */
#ifndef CR_BASE_FMT_H
#define CR_BASE_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cr_text {
    char *bytes; /* the caller's */
    size_t capacity;
    size_t length;
    bool cut;
};

/* A text in a char array of the caller's. */
#define CR_TEXT(array) ((struct cr_text){(array), sizeof(array), 0, false})

void cr_text_char(struct cr_text *text, char c);
void cr_text_string(struct cr_text *text, const char *string);
void cr_text_decimal(struct cr_text *text, uint64_t value);
void cr_text_signed(struct cr_text *text, int64_t value);
void cr_text_hex(struct cr_text *text, uint64_t value); /* with 0x */
/* A text that anybody may have chosen, fit for a terminal: each byte of what moves the cursor, turns the direction of
 * writing, has no shape or is not UTF-8 is written \ooo, as are the characters in `also`. */
void cr_text_shown(struct cr_text *text, const char *string, const char *also);
/* ns as seconds with three places, "1.042". */
void cr_text_seconds(struct cr_text *text, uint64_t ns);

/* Parses a decimal number that is all of the string; false leaves *value alone. */
bool cr_parse_decimal(const char *string, uint64_t *value);

#endif
