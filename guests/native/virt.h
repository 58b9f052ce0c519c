/* Instead of the board: what the guests that only compute need of it, as programs of this machine. */
#ifndef VIRT_H
#define VIRT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void work(uint64_t hart);
int main(void) { work(0); }
#define main work

static inline void put_text(const char *text) { fputs(text, stdout); }
static inline void put_hex(uint64_t value, int digits) { printf("%0*lx", digits, value); }
static inline _Noreturn void power_off(void) { exit(0); }

/* What trap() calls. Nobody calls trap(). */
#define unexpected_trap(cause, tval, frame) ((void)(cause), (void)(tval), (void)(frame))

#endif
