/* Integer work that stays in the first-level cache: a sieve, a CRC, division, bit tricks. */
#include "bench.h"

#define PRIMES_BELOW 16384
#define ROUNDS 2000

static uint8_t composite[PRIMES_BELOW];
static uint32_t crc_table[256];

static uint64_t sieve(void)
{
    uint64_t count = 0;
    for (int i = 0; i < PRIMES_BELOW; i++)
        composite[i] = 0;
    for (int i = 2; i < PRIMES_BELOW; i++) {
        if (composite[i])
            continue;
        count++;
        for (int k = 2 * i; k < PRIMES_BELOW; k += i)
            composite[k] = 1;
    }
    return count;
}

static void make_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        crc_table[i] = c;
    }
}

static uint64_t crc(void)
{
    uint32_t c = 0xffffffffu;
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < PRIMES_BELOW; i++)
            c = crc_table[(c ^ composite[i]) & 255] ^ c >> 8;
    return ~c;
}

static uint64_t collatz(uint64_t from, uint64_t count)
{
    uint64_t steps = 0;
    for (uint64_t i = from; i < from + count; i++)
        for (uint64_t n = i; n != 1; steps++)
            n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

static uint64_t divide(uint64_t *state)
{
    uint64_t sum = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t a = xorshift(state), b = xorshift(state) >> (a & 63) | 1;
        sum += a / b ^ a % b;
    }
    return sum;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    uint64_t sum = 0, state = 88172645463325252UL;
    if (hart)
        return;
    make_crc_table();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        sum = sum * 31 + sieve();
        sum = sum * 31 + crc();
        sum = sum * 31 + collatz(1 + 1000 * round, 1000);
        sum = sum * 31 + divide(&state);
    }
    finish("compute", sum);
}
