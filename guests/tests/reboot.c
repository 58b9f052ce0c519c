/*
 * Starts again twice before it powers off. Each life leaves a note for the next in RAM that belongs to
 * no image, as that survives a reset; what it notes is the wall clock, so that every life is another.
 */
#include "virt.h"

#define LIVES 3
#define SYSCON_REBOOT 0x7777

struct notes {
    uint64_t lives;
    uint64_t born[LIVES];
};

static volatile struct notes *const notes = (volatile struct notes *)0x80800000UL;

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    if (hart)
        return;
    uint64_t life = notes->lives++;
    if (life >= LIVES)
        fail(2);
    notes->born[life] = wall_clock();
    put_text("life ");
    put_number(life, 0, ' ');
    for (uint64_t i = 0; i <= life; i++) {
        put_text(" ");
        put_hex(notes->born[i], 16);
    }
    put_text("\n");
    if (life == LIVES - 1)
        power_off();
    REG32(FINISHER) = SYSCON_REBOOT;
    for (;;)
        wait_for_interrupt();
}
