/* The `virt` board as our guests use it: where its devices are, and a console to print on. */
#ifndef VIRT_H
#define VIRT_H

#include <stddef.h>
#include <stdint.h>

#define FINISHER 0x00100000UL
#define RTC 0x00101000UL
#define CLINT 0x02000000UL
#define PLIC 0x0c000000UL
#define UART 0x10000000UL
#define UART_IRQ 10
#define TICKS_PER_MS 10000UL /* mtime runs at 10 MHz */

#define MIE_MSIE (1UL << 3)
#define MIE_MTIE (1UL << 7)
#define MIE_MEIE (1UL << 11)
#define MSTATUS_MIE (1UL << 3)
#define INTERRUPT (1UL << 63)

#define REG8(address) (*(volatile uint8_t *)(address))
#define REG32(address) (*(volatile uint32_t *)(address))
#define REG64(address) (*(volatile uint64_t *)(address))

#define csr_read(name)                                          \
    ({                                                          \
        uint64_t value_;                                        \
        __asm__ volatile("csrr %0, " #name : "=r"(value_));     \
        value_;                                                 \
    })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define csr_set(name, bits) __asm__ volatile("csrs " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")
#define csr_clear(name, bits) __asm__ volatile("csrc " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")
#define wait_for_interrupt() __asm__ volatile("wfi" ::: "memory")

/* What a guest supplies. `frame` holds x1..x31 by number; frame[0] is mepc, and may be changed. */
void main(uint64_t hart);
void trap(uint64_t cause, uint64_t tval, uint64_t *frame);

/* common/console.c */
void put_char(char c);
void put_text(const char *text);
void put_number(uint64_t value, int width, char pad); /* decimal, at least `width` columns */
void put_hex(uint64_t value, int digits);
_Noreturn void power_off(void);
_Noreturn void fail(uint32_t code); /* the machine ends with this exit code */
_Noreturn void unexpected_trap(uint64_t cause, uint64_t tval, const uint64_t *frame);

static inline uint64_t mtime(void) { return REG64(CLINT + 0xbff8); }
static inline void set_timer(uint64_t hart, uint64_t at) { REG64(CLINT + 0x4000 + 8 * hart) = at; }
static inline void set_ipi(uint64_t hart, uint32_t level) { REG32(CLINT + 4 * hart) = level; }

/* Nanoseconds since 1970. Reading the low half latches the high one. */
static inline uint64_t wall_clock(void)
{
    uint64_t low = REG32(RTC);
    return low | (uint64_t)REG32(RTC + 4) << 32;
}

#endif
