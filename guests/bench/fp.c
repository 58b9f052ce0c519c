/* Double and single precision: planets, the Mandelbrot set, square roots and conversions. */
#include "bench.h"

#define BODIES 5
#define STEPS 4000000

struct body {
    double x[3], v[3], mass;
};

static struct body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 39.47},
    {{4.84, -1.16, -0.10}, {0.60, 2.81, -0.02}, 0.0376},
    {{8.34, 4.12, -0.40}, {-1.01, 1.81, 0.008}, 0.0112},
    {{12.89, -15.11, -0.22}, {1.08, 0.86, -0.01}, 0.0017},
    {{15.37, -25.9, 0.17}, {0.97, 0.59, -0.03}, 0.0020},
};

static void attract(struct body *a, struct body *b, double dt)
{
    double d[3], square = 0;
    for (int i = 0; i < 3; i++) {
        d[i] = a->x[i] - b->x[i];
        square = __builtin_fma(d[i], d[i], square);
    }
    double pull = dt / (square * __builtin_sqrt(square));
    for (int i = 0; i < 3; i++) {
        a->v[i] = __builtin_fma(-d[i], b->mass * pull, a->v[i]);
        b->v[i] = __builtin_fma(d[i], a->mass * pull, b->v[i]);
    }
}

static void step(double dt)
{
    for (int a = 0; a < BODIES; a++)
        for (int b = a + 1; b < BODIES; b++)
            attract(&bodies[a], &bodies[b], dt);
    for (int a = 0; a < BODIES; a++)
        for (int i = 0; i < 3; i++)
            bodies[a].x[i] = __builtin_fma(dt, bodies[a].v[i], bodies[a].x[i]);
}

static uint64_t mandelbrot(int size)
{
    uint64_t inside = 0;
    for (int py = 0; py < size; py++)
        for (int px = 0; px < size; px++) {
            float x = 0, y = 0, cx = 3.0f * px / size - 2.0f, cy = 2.0f * py / size - 1.0f;
            int n = 0;
            for (; n < 60 && x * x + y * y < 4.0f; n++) {
                float next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
            }
            inside += (uint64_t)n;
        }
    return inside;
}

static uint64_t bits(double value)
{
    uint64_t raw;
    __builtin_memcpy(&raw, &value, 8);
    return raw;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    uint64_t sum = 0;
    if (hart)
        return;
    for (int i = 0; i < STEPS; i++)
        step(0.001);
    for (int a = 0; a < BODIES; a++)
        for (int i = 0; i < 3; i++)
            sum = sum * 31 + bits(bodies[a].x[i]);
    finish("fp", sum * 31 + mandelbrot(1200));
}
