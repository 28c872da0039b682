/* random.h - numbers that look random and are the same in every run, so that a failure can be repeated. */
#ifndef CR_RANDOM_H
#define CR_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit) { return random_next(state) % limit; }

#endif
