/* What the benchmark guests share: hart 0 does a fixed amount of work and prints a checksum. */
#ifndef BENCH_H
#define BENCH_H

#include "virt.h"

#define NOINLINE __attribute__((noinline))

static inline _Noreturn void finish(const char *name, uint64_t checksum)
{
    put_text(name);
    put_text(" ");
    put_hex(checksum, 16);
    put_text("\n");
    power_off();
}

static inline uint64_t xorshift(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
