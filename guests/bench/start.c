/* Prints a line as its first act, to tell how long it took to get here, and switches off. */
#include "bench.h"

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    if (hart)
        return;
    put_text("start\n");
    power_off();
}
