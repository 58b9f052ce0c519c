/*
 * A lottery on two harts. Each draw, hart 0 rouses hart 1 and both turn one drum, without a lock,
 * until hart 0 lets it stop; how long that is, the wall clock says. So the ball that comes out hangs
 * on the clock, on how the two harts interleave, on when timers go off and on what is typed: run it
 * again and other numbers come. There is no seed to set: only a recording brings the same ones back.
 */
#include "virt.h"

#define BALLS 6
#define HIGHEST 49
#define DRAW_EVERY (200 * TICKS_PER_MS)
#define STIR_EVERY (13 * TICKS_PER_MS)
#define TYPED_MAX 40

#define UART_IER (UART + 1)
#define UART_LSR (UART + 5)
#define PLIC_PRIORITY(irq) (PLIC + 4 * (irq))
#define PLIC_ENABLE (PLIC + 0x2000) /* context 0: hart 0, machine mode */
#define PLIC_CLAIM (PLIC + 0x200004)

static volatile uint64_t drum = 88172645463325252UL;
static volatile uint64_t turning;   /* hart 1 turns the drum while this is set */
static volatile uint64_t turns[2];  /* by each hart, in this draw */
static volatile uint64_t ticks[2];  /* timer interrupts of each hart */
static volatile uint64_t here;      /* hart 1 has come up */
static volatile char typed[TYPED_MAX];
static volatile uint64_t typed_count;
static uint64_t fingerprint = 0xcbf29ce484222325UL;

/* FNV-1a over 8 bytes: everything seen goes into the fingerprint. */
static void see(uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8)
        fingerprint = (fingerprint ^ (value & 255)) * 0x100000001b3UL;
}

/* One turn: xorshift. Two harts doing this at once lose each other's turns, on purpose. */
static void turn(uint64_t hart)
{
    uint64_t d = drum;
    d ^= d << 13;
    d ^= d >> 7;
    d ^= d << 17;
    drum = d + hart;
    turns[hart]++;
}

static void take_input(void)
{
    while (REG8(UART_LSR) & 1) {
        char c = (char)REG8(UART);
        if (typed_count < TYPED_MAX)
            typed[typed_count++] = c;
        drum ^= (uint64_t)(uint8_t)c << 32 ^ mtime();
    }
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame)
{
    uint64_t hart = csr_read(mhartid);
    switch (cause) {
    case INTERRUPT | 3: /* roused by the other hart */
        set_ipi(hart, 0);
        break;
    case INTERRUPT | 7:
        ticks[hart]++;
        set_timer(hart, mtime() + (hart ? STIR_EVERY : DRAW_EVERY));
        drum += hart ? mtime() : 0;
        break;
    case INTERRUPT | 11: {
        uint32_t irq = REG32(PLIC_CLAIM);
        take_input();
        REG32(PLIC_CLAIM) = irq;
        break;
    }
    default:
        unexpected_trap(cause, tval, frame);
    }
}

static void put_time(uint64_t ns)
{
    uint64_t second = ns / 1000000000 % 86400;
    put_number(second / 3600, 2, '0');
    put_char(':');
    put_number(second / 60 % 60, 2, '0');
    put_char(':');
    put_number(second % 60, 2, '0');
    put_char('.');
    put_number(ns % 1000000000, 9, '0');
}

/* Turn the drum for as long as the clock's last digits say, and take out a ball not seen before. */
static uint64_t draw(uint64_t *drawn, uint64_t clock)
{
    uint64_t ball, length = 2000 + clock % 4001;
    turns[0] = turns[1] = 0;
    turning = 1;
    set_ipi(1, here);
    while (turns[0] < length)
        turn(0);
    do {
        turn(0);
        ball = 1 + drum % HIGHEST;
    } while (*drawn >> ball & 1);
    turning = 0;
    *drawn |= 1UL << ball;
    return ball;
}

static void put_typed(void)
{
    put_text("  typed meanwhile    ");
    if (!typed_count)
        put_text("nothing");
    for (uint64_t i = 0; i < typed_count; i++) {
        see((uint64_t)typed[i]);
        if (typed[i] >= ' ' && typed[i] <= '~')
            put_char(typed[i]);
    }
    put_text("\n");
}

static void put_summary(const uint64_t *balls)
{
    put_typed();
    put_text("  timer interrupts   ");
    put_number(ticks[0], 0, ' ');
    put_text(" on hart 0, ");
    put_number(ticks[1], 0, ' ');
    put_text(" on hart 1\n  lucky numbers     ");
    for (int i = 0; i < BALLS; i++)
        put_number(balls[i], 3, ' ');
    see(ticks[0]);
    see(ticks[1]);
    see(drum);
    put_text("\n  fingerprint        ");
    put_hex(fingerprint, 16);
    put_text("\n\n");
}

static void second_hart(void)
{
    here = 1;
    set_timer(1, mtime() + STIR_EVERY);
    csr_write(mie, MIE_MSIE | MIE_MTIE);
    csr_set(mstatus, MSTATUS_MIE);
    for (;;) {
        wait_for_interrupt();
        while (turning)
            turn(1);
    }
}

/* Sleep until a draw is due. Interrupts stay off from the look to the WFI, so none slips between. */
static void wait_for_tick(uint64_t number)
{
    csr_clear(mstatus, MSTATUS_MIE);
    while (ticks[0] < number) {
        wait_for_interrupt();
        csr_set(mstatus, MSTATUS_MIE);
        csr_clear(mstatus, MSTATUS_MIE);
    }
    csr_set(mstatus, MSTATUS_MIE);
}

static void listen(void)
{
    REG32(PLIC_PRIORITY(UART_IRQ)) = 1;
    REG32(PLIC_ENABLE) = 1u << UART_IRQ;
    REG8(UART_IER) = 1;
    set_timer(0, mtime() + DRAW_EVERY);
    csr_write(mie, MIE_MTIE | MIE_MEIE);
    csr_set(mstatus, MSTATUS_MIE);
}

void main(uint64_t hart)
{
    uint64_t balls[BALLS], drawn = 0;
    if (hart == 1)
        second_hart();
    if (hart)
        return;
    put_text("\n  A lottery on two harts, and no seed anywhere.\n\n"
             "  draw   wall clock           turns: hart 0   hart 1     ball\n");
    listen();
    for (int i = 0; i < BALLS; i++) {
        wait_for_tick((uint64_t)i + 1);
        uint64_t clock = wall_clock();
        balls[i] = draw(&drawn, clock);
        put_text("    ");
        put_number((uint64_t)i + 1, 0, ' ');
        put_text("    ");
        put_time(clock);
        put_number(turns[0], 19, ' ');
        put_number(turns[1], 9, ' ');
        put_number(balls[i], 9, ' ');
        put_text("\n");
        see(clock);
        see(turns[0]);
        see(turns[1]);
        see(balls[i]);
    }
    put_text("\n");
    put_summary(balls);
    power_off();
}
