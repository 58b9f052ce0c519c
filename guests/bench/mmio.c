/* What a device register costs: the same loop reads RAM and then the UART's line status register.
 * The guest times itself by the wall clock, so that nothing but the loop is in it.
 */
#include "bench.h"

#define READS 100000

static volatile uint8_t byte;

/* Nanoseconds of the host's time for READS reads. */
NOINLINE static uint64_t timed(volatile uint8_t *address)
{
    uint64_t began = wall_clock();
    for (int i = 0; i < READS; i++)
        (void)*address;
    return wall_clock() - began;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    if (hart)
        return;
    timed(&byte); /* decoded, translated and warm */
    uint64_t ram = timed(&byte), uart = timed(&REG8(UART + 5));
    put_text("mmio ");
    put_number(READS, 0, ' ');
    put_text(" ");
    put_number(ram, 0, ' ');
    put_text(" ");
    put_number(uart, 0, ' ');
    put_text("\n");
    power_off();
}
