/*
 * As many interrupts of as many kinds as fit: timers on every hart at unlike rates, interprocessor
 * interrupts passed round in a ring, and the serial port's transmitter through the PLIC. Everything is
 * counted and folded into one number, which depends on each instant at which an interrupt was taken.
 */
#include "virt.h"

#define HARTS 8
#define TIMER_TICKS 300
#define UART_IER (UART + 1)
#define UART_IIR (UART + 2)
#define PLIC_PRIORITY(irq) (PLIC + 4 * (irq))
#define PLIC_ENABLE (PLIC + 0x2000)
#define PLIC_CLAIM (PLIC + 0x200004)

struct count {
    volatile uint64_t timer, ipi, external, work, fold;
};

static struct count counts[HARTS];
static volatile uint32_t up; /* one bit a hart */
static volatile uint32_t done;

static uint64_t next_hart(uint64_t hart)
{
    do
        hart = (hart + 1) % HARTS;
    while (!(up >> hart & 1));
    return hart;
}

static void serve_uart(struct count *mine)
{
    uint32_t irq = REG32(PLIC_CLAIM);
    mine->external += irq == UART_IRQ;
    (void)REG8(UART_IIR); /* reading it clears the transmitter's interrupt */
    REG8(UART_IER) = 0;
    REG32(PLIC_CLAIM) = irq;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame)
{
    uint64_t hart = csr_read(mhartid);
    struct count *mine = &counts[hart];
    mine->fold = (mine->fold ^ cause ^ frame[0] ^ mine->work) * 0x100000001b3UL;
    switch (cause) {
    case INTERRUPT | 3:
        set_ipi(hart, 0);
        mine->ipi++;
        break;
    case INTERRUPT | 7:
        mine->timer++;
        set_timer(hart, mtime() + 200 + 37 * hart);
        if (mine->timer >= TIMER_TICKS) {
            csr_clear(mie, MIE_MTIE);
            __atomic_fetch_or(&done, 1u << hart, __ATOMIC_SEQ_CST);
            set_ipi(0, 1); /* hart 0 waits for the last */
        }
        if (mine->timer % 3 == 0)
            set_ipi(next_hart(hart), 1);
        if (hart == 0 && mine->timer % 5 == 0)
            REG8(UART_IER) = 2; /* transmitter empty: interrupts at once */
        break;
    case INTERRUPT | 11:
        serve_uart(mine);
        break;
    default:
        unexpected_trap(cause, tval, frame);
    }
}

/* Work, and rest now and then; once finished, sleep until the last hart has too. */
static void take_part(uint64_t hart)
{
    set_timer(hart, mtime() + 1000);
    csr_write(mie, MIE_MSIE | MIE_MTIE | (hart ? 0 : MIE_MEIE));
    csr_set(mstatus, MSTATUS_MIE);
    while (done != up) {
        for (int i = 0; i < 50; i++)
            counts[hart].work++;
        if (counts[hart].work % 4000 && !(done >> hart & 1))
            continue;
        csr_clear(mstatus, MSTATUS_MIE); /* so that no interrupt slips in before the WFI */
        if (done != up)
            wait_for_interrupt();
        csr_set(mstatus, MSTATUS_MIE);
    }
}

static void report(void)
{
    uint64_t fold = 0;
    for (uint64_t hart = 0; hart < HARTS; hart++) {
        if (!(up >> hart & 1))
            continue;
        put_text("hart ");
        put_number(hart, 0, ' ');
        put_text(": timer ");
        put_number(counts[hart].timer, 0, ' ');
        put_text(" ipi ");
        put_number(counts[hart].ipi, 0, ' ');
        put_text(" external ");
        put_number(counts[hart].external, 0, ' ');
        put_text("\n");
        fold = fold * 31 + counts[hart].fold;
    }
    put_text("irq ");
    put_hex(fold, 16);
    put_text("\n");
}

void main(uint64_t hart)
{
    __atomic_fetch_or(&up, 1u << hart, __ATOMIC_SEQ_CST);
    if (hart == 0) {
        REG32(PLIC_PRIORITY(UART_IRQ)) = 1;
        REG32(PLIC_ENABLE) = 1u << UART_IRQ;
    }
    for (uint64_t until = mtime() + 2 * TICKS_PER_MS; mtime() < until;)
        ; /* let every hart come up */
    take_part(hart);
    csr_clear(mstatus, MSTATUS_MIE);
    if (hart)
        return;
    report();
    power_off();
}
