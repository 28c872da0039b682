/* bignum.c - a workload like cfrac's: arbitrary-precision arithmetic where every operation allocates its small result and frees its arguments,
 * from ever changing places. Expands the square root of n as a continued fraction, and factors by the congruences it meets. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

struct number {
    int references;
    int length; /* digits to the base 65536, least first */
    uint16_t digit[];
};

static NOINLINE struct number *allocate(int length)
{
    struct number *n = malloc(sizeof *n + sizeof(uint16_t) * (size_t)(length > 0 ? length : 1));
    if (!n)
        abort();
    n->references = 1;
    n->length = length;
    return n;
}

static NOINLINE void drop(struct number *n)
{
    if (--n->references == 0)
        free(n);
}

static struct number *keep(struct number *n)
{
    n->references++;
    return n;
}

static struct number *trim(struct number *n)
{
    while (n->length > 0 && n->digit[n->length - 1] == 0)
        n->length--;
    return n;
}

static NOINLINE struct number *from_integer(uint64_t value)
{
    struct number *n = allocate(4);
    for (int i = 0; i < 4; i++, value >>= 16)
        n->digit[i] = (uint16_t)value;
    return trim(n);
}

static NOINLINE int compare(const struct number *a, const struct number *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    for (int i = a->length - 1; i >= 0; i--)
        if (a->digit[i] != b->digit[i])
            return a->digit[i] < b->digit[i] ? -1 : 1;
    return 0;
}

static NOINLINE struct number *add(struct number *a, struct number *b)
{
    int length = (a->length > b->length ? a->length : b->length) + 1;
    struct number *sum = allocate(length);
    uint32_t carry = 0;
    for (int i = 0; i < length; i++) {
        carry += (uint32_t)(i < a->length ? a->digit[i] : 0) + (uint32_t)(i < b->length ? b->digit[i] : 0);
        sum->digit[i] = (uint16_t)carry;
        carry >>= 16;
    }
    drop(a);
    drop(b);
    return trim(sum);
}

static NOINLINE struct number *subtract(struct number *a, struct number *b) /* a >= b */
{
    struct number *difference = allocate(a->length);
    int32_t borrow = 0;
    for (int i = 0; i < a->length; i++) {
        borrow += (int32_t)a->digit[i] - (i < b->length ? b->digit[i] : 0);
        difference->digit[i] = (uint16_t)borrow;
        borrow >>= 16;
    }
    drop(a);
    drop(b);
    return trim(difference);
}

static NOINLINE struct number *multiply(struct number *a, struct number *b)
{
    struct number *product = allocate(a->length + b->length);
    memset(product->digit, 0, sizeof(uint16_t) * (size_t)product->length);
    for (int i = 0; i < a->length; i++) {
        uint32_t carry = 0;
        for (int j = 0; j < b->length; j++) {
            carry += (uint32_t)a->digit[i] * b->digit[j] + product->digit[i + j];
            product->digit[i + j] = (uint16_t)carry;
            carry >>= 16;
        }
        product->digit[i + b->length] = (uint16_t)carry;
    }
    drop(a);
    drop(b);
    return trim(product);
}

/* Takes b times digit, moved up by `at` digits, from rest, in place; false if that is more than rest (which is then as before). */
static bool take(struct number *rest, const struct number *b, uint32_t digit, int at)
{
    int64_t borrow = 0;
    for (int i = 0; at + i < rest->length; i++) {
        borrow += (int64_t)rest->digit[at + i] - (int64_t)digit * (i < b->length ? b->digit[i] : 0);
        rest->digit[at + i] = (uint16_t)borrow;
        borrow >>= 16;
    }
    if (borrow >= 0)
        return true;
    borrow = 0;
    for (int i = 0; at + i < rest->length; i++) {
        borrow += (int64_t)rest->digit[at + i] + (int64_t)digit * (i < b->length ? b->digit[i] : 0);
        rest->digit[at + i] = (uint16_t)borrow;
        borrow >>= 16;
    }
    return false;
}

/* Schoolbook division, each digit by bisection on the remainder in place. */
static NOINLINE struct number *divide(struct number *a, struct number *b, struct number **remainder)
{
    struct number *quotient = allocate(a->length), *rest = allocate(a->length);
    memcpy(rest->digit, a->digit, sizeof(uint16_t) * (size_t)a->length);
    memset(quotient->digit, 0, sizeof(uint16_t) * (size_t)a->length);
    for (int at = a->length - b->length; at >= 0; at--)
        for (uint32_t step = 32768; step > 0; step /= 2)
            if (take(rest, b, step, at))
                quotient->digit[at] = (uint16_t)(quotient->digit[at] + step);
    drop(a);
    drop(b);
    if (remainder)
        *remainder = trim(rest);
    else
        drop(rest);
    return trim(quotient);
}

static NOINLINE struct number *modulo(struct number *a, struct number *b)
{
    struct number *rest;
    drop(divide(a, b, &rest));
    return rest;
}

static NOINLINE struct number *gcd(struct number *a, struct number *b)
{
    while (b->length > 0) {
        struct number *rest = modulo(a, keep(b));
        a = b;
        b = rest;
    }
    drop(b);
    return a;
}

static NOINLINE struct number *square_root(struct number *n)
{
    struct number *x = keep(n);
    for (;;) {
        struct number *y = divide(add(keep(x), divide(keep(n), keep(x), NULL)), from_integer(2), NULL);
        if (compare(y, x) >= 0) {
            drop(y);
            drop(n);
            return x;
        }
        drop(x);
        x = y;
    }
}

static NOINLINE void expand(struct number *n, int terms)
{
    struct number *root = square_root(keep(n)), *p = keep(root),
                  *q = subtract(keep(n), multiply(keep(root), keep(root)));
    struct number *before = from_integer(1), *a = keep(root);
    for (int i = 0; i < terms && q->length > 0; i++) {
        struct number *rest, *term = divide(add(keep(root), keep(p)), keep(q), &rest);
        struct number *next = modulo(add(multiply(keep(term), keep(a)), keep(before)), keep(n));
        drop(before);
        before = a;
        a = next;
        drop(p);
        p = subtract(keep(root), rest);
        struct number *square = multiply(keep(p), keep(p));
        q = divide(subtract(keep(n), square), q, NULL);
        drop(term);
        if (i % 4 == 0) {
            struct number *divisor = gcd(keep(n), keep(a));
            drop(divisor);
        }
    }
    printf("%d %d\n", a->length, q->length);
    drop(root), drop(p), drop(q), drop(before), drop(a), drop(n);
}

/* Long enough that arithmetic and allocation share the time about as in cfrac, where an allocation comes every 70 ns or so on the machines of docs/performance.md. */
static struct number *big(int factors)
{
    struct number *n = from_integer(10000000019u);
    for (int i = 1; i < factors; i++)
        n = multiply(n, from_integer(10000000033u + 2u * (unsigned)i));
    return add(n, from_integer(7));
}

int main(int argc, char **argv)
{
    int terms = argc > 1 ? atoi(argv[1]) : 300000, factors = argc > 2 ? atoi(argv[2]) : 2;
    expand(big(factors), terms);
}
