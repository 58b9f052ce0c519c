/* Calls and returns: deep recursion, calls through pointers, and returns to many places. */
#include "bench.h"

typedef uint64_t operation(uint64_t);

static NOINLINE uint64_t fib(uint64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static NOINLINE uint64_t ackermann(uint64_t m, uint64_t n)
{
    if (!m)
        return n + 1;
    return ackermann(m - 1, n ? ackermann(m, n - 1) : 1);
}

static NOINLINE uint64_t rotate(uint64_t x) { return x << 7 | x >> 57; }
static NOINLINE uint64_t scale(uint64_t x) { return x * 0x9e3779b97f4a7c15UL; }
static NOINLINE uint64_t mix(uint64_t x) { return rotate(x) ^ scale(x); }
static NOINLINE uint64_t halve(uint64_t x) { return mix(x >> 1) + 1; }

static operation *const operations[] = {rotate, scale, mix, halve};

static uint64_t dispatch(uint64_t count)
{
    uint64_t x = 1;
    for (uint64_t i = 0; i < count; i++)
        x = operations[(x >> 29 ^ i) & 3](x) + i;
    return x;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    if (hart)
        return;
    uint64_t sum = fib(35);
    for (int i = 0; i < 320; i++)
        sum = sum * 31 + ackermann(2, 200);
    finish("callret", sum * 31 + dispatch(48000000));
}
