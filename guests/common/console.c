/* The serial console (16550, polled) and the two ways to end the machine. */
#include "virt.h"

#define UART_LSR (UART + 5)
#define LSR_THR_EMPTY 0x20

void put_char(char c)
{
    if (c == '\n')
        put_char('\r');
    while (!(REG8(UART_LSR) & LSR_THR_EMPTY))
        ;
    REG8(UART) = (uint8_t)c;
}

void put_text(const char *text)
{
    while (*text)
        put_char(*text++);
}

void put_number(uint64_t value, int width, char pad)
{
    char digits[20];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    for (; width > n; width--)
        put_char(pad);
    while (n)
        put_char(digits[--n]);
}

void put_hex(uint64_t value, int digits)
{
    while (digits--)
        put_char("0123456789abcdef"[value >> (4 * digits) & 15]);
}

_Noreturn void power_off(void)
{
    REG32(FINISHER) = 0x5555;
    for (;;)
        wait_for_interrupt();
}

_Noreturn void fail(uint32_t code)
{
    REG32(FINISHER) = code << 16 | 0x3333;
    for (;;)
        wait_for_interrupt();
}

_Noreturn void unexpected_trap(uint64_t cause, uint64_t tval, const uint64_t *frame)
{
    put_text("unexpected trap: cause ");
    put_hex(cause, 16);
    put_text(" tval ");
    put_hex(tval, 16);
    put_text(" at ");
    put_hex(frame[0], 16);
    put_text("\n");
    fail(1);
}
