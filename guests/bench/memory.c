/* Loads and stores far apart: copies and sums over 8 MiB, and a chain of pointers through it. */
#include "bench.h"

#define WORDS (1UL << 20)
#define PASSES 24
#define HOPS 12000000

static uint64_t from[WORDS], to[WORDS];

/* A single cycle through all the words, in an order without a pattern (Sattolo's shuffle). */
static void link_up(uint64_t *state)
{
    for (uint64_t i = 0; i < WORDS; i++)
        from[i] = i;
    for (uint64_t i = WORDS - 1; i > 0; i--) {
        uint64_t k = xorshift(state) % i, held = from[i];
        from[i] = from[k];
        from[k] = held;
    }
}

static uint64_t chase(void)
{
    uint64_t at = 0, sum = 0;
    for (int i = 0; i < HOPS; i++) {
        at = from[at];
        sum += at ^ (uint64_t)i;
    }
    return sum;
}

static uint64_t copy(void)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < WORDS; i++)
        to[i] = from[i];
    for (uint64_t i = 0; i < WORDS; i++)
        sum += to[i] ^ i;
    return sum;
}

/* Bytes and halves at odd strides. */
static uint64_t scatter(void)
{
    uint8_t *bytes = (uint8_t *)to;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 8 * WORDS; i += 61) {
        bytes[i] ^= (uint8_t)i;
        sum += bytes[i] + ((uint16_t *)to)[i / 2];
    }
    return sum;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    uint64_t sum = 0, state = 88172645463325252UL;
    if (hart)
        return;
    link_up(&state);
    for (int pass = 0; pass < PASSES; pass++) {
        sum = sum * 31 + copy();
        sum = sum * 31 + scatter();
    }
    finish("memory", sum * 31 + chase());
}
