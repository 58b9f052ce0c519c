/*
 * A heart that beats until somebody stops it: about every millisecond a line with the host's clock, so
 * that whoever finds half a recording can tell when it was cut. In between, the harts race for a
 * counter, pass interrupts to each other, and sleep.
 */
#include "virt.h"

#define HARTS 8

static volatile uint32_t up; /* one bit a hart */
static volatile uint64_t counter;
static volatile uint64_t fold;

void trap(uint64_t cause, uint64_t tval, uint64_t *frame)
{
    uint64_t hart = csr_read(mhartid);
    switch (cause) {
    case INTERRUPT | 3:
        set_ipi(hart, 0);
        break;
    case INTERRUPT | 7:
        set_timer(hart, mtime() + TICKS_PER_MS + 777 * hart);
        break;
    default:
        unexpected_trap(cause, tval, frame);
    }
    fold = (fold ^ cause ^ frame[0] ^ counter) * 0x100000001b3UL;
}

static void beat(uint64_t number)
{
    put_text("beat ");
    put_number(number, 0, ' ');
    put_text(" ");
    put_number(wall_clock(), 0, ' ');
    put_text(" ");
    put_hex(fold, 16);
    put_text("\n");
}

void main(uint64_t hart)
{
    __atomic_fetch_or(&up, 1u << hart, __ATOMIC_SEQ_CST);
    set_timer(hart, mtime() + TICKS_PER_MS);
    csr_write(mie, MIE_MSIE | MIE_MTIE);
    csr_set(mstatus, MSTATUS_MIE);
    for (uint64_t number = 0;; number++) {
        uint64_t next = (hart + 1) % HARTS;
        for (int i = 0; i < 2000; i++)
            counter = counter * 5 + hart; /* not atomic: who wins depends on every switch */
        if (hart == 0)
            beat(number);
        if (number % 7 == 0 && up >> next & 1)
            set_ipi(next, 1);
        wait_for_interrupt();
    }
}
