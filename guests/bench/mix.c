/*
 * A mix of what small processors do all day, in turn, each fed by what the one before found: a linked
 * list is searched, sorted and turned round; small matrices are multiplied; a state machine reads
 * numbers out of a text; and a checksum of it all is taken bit by bit.
 */
#include "bench.h"

#define ROUNDS 40000
#define NODES 64
#define SIDE 12
#define TEXT 256

struct node {
    struct node *next;
    int16_t key, place;
};

typedef int16_t matrix[SIDE][SIDE];

enum state { BETWEEN, SIGN, DIGITS, FRACTION, EXPONENT, POWER, HEX_MARK, HEX_DIGITS, WRONG, STATES };

static struct node nodes[NODES];
static matrix left, right;
static int32_t product[SIDE][SIDE];
static char text[TEXT];

static uint16_t crc16(uint16_t crc, uint32_t value)
{
    for (int bit = 0; bit < 32; bit++, value >>= 1) {
        uint32_t out = (crc ^ value) & 1;
        crc = (uint16_t)(crc >> 1);
        if (out)
            crc ^= 0xa001;
    }
    return crc;
}

/* The list. */

typedef int order(const struct node *a, const struct node *b);

static int by_key(const struct node *a, const struct node *b) { return a->key - b->key; }
static int by_place(const struct node *a, const struct node *b) { return a->place - b->place; }

static struct node *fill_list(uint64_t *state)
{
    for (int i = 0; i < NODES; i++)
        nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : NULL,
                                 (int16_t)(xorshift(state) & 0x3ff), (int16_t)i};
    return nodes;
}

static struct node *turned_round(struct node *list)
{
    struct node *turned = NULL;
    while (list) {
        struct node *rest = list->next;
        list->next = turned;
        turned = list;
        list = rest;
    }
    return turned;
}

static const struct node *found(const struct node *list, int16_t key)
{
    while (list && list->key != key)
        list = list->next;
    return list;
}

static struct node *merged(struct node *a, struct node *b, order *compare)
{
    struct node *first, **end = &first;
    while (a && b) {
        struct node **smaller = compare(a, b) <= 0 ? &a : &b;
        *end = *smaller;
        end = &(*smaller)->next;
        *smaller = *end;
    }
    *end = a ? a : b;
    return first;
}

/* Merge sort: the list is cut in the middle, which a pointer at half the pace finds. */
static struct node *sorted(struct node *list, order *compare)
{
    if (!list || !list->next)
        return list;
    struct node *middle = list;
    for (struct node *end = list->next; end && end->next; end = end->next->next)
        middle = middle->next;
    struct node *second = middle->next;
    middle->next = NULL;
    return merged(sorted(list, compare), sorted(second, compare), compare);
}

static uint16_t lists(uint16_t crc, uint64_t *state)
{
    struct node *list = fill_list(state);
    for (int i = 0; i < 16; i++) {
        const struct node *hit = found(list, (int16_t)(xorshift(state) & 0x3ff));
        crc = crc16(crc, hit ? (uint32_t)hit->place : 0xffff);
        list = turned_round(list);
    }
    list = sorted(list, by_key);
    crc = crc16(crc, (uint32_t)list->place);
    list = sorted(turned_round(list), by_place);
    return crc16(crc, (uint32_t)list->key);
}

/* The matrices. */

static void fill_matrices(uint16_t seed)
{
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++) {
            left[i][k] = (int16_t)(seed * (i + 1) + 7 * k);
            right[i][k] = (int16_t)((seed ^ i << 4) - 3 * k);
        }
}

static void multiply(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++) {
            uint32_t sum = 0;
            for (int n = 0; n < SIDE; n++)
                sum += (uint32_t)(left[i][n] * right[n][k]);
            product[i][k] = (int32_t)sum;
        }
}

/* Each product is narrowed to a few bits from its middle, added up, and capped. */
static int32_t narrowed(void)
{
    int32_t sum = 0;
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++) {
            int32_t middle = product[i][k] >> 5 & 0x7f;
            left[i][k] = (int16_t)(left[i][k] + middle * (k & 3));
            sum = sum > 4000 ? middle - 100 : sum + middle;
        }
    return sum;
}

static uint16_t matrices(uint16_t crc)
{
    fill_matrices(crc);
    for (int i = 0; i < 2; i++) {
        multiply();
        crc = crc16(crc, (uint32_t)narrowed());
    }
    return crc;
}

/* The state machine: numbers between commas, most of them right. */

static void fill_text(uint64_t *state)
{
    static const char *const words[] = {"5012", "-1874", "+322.1", "-.7318", "5.500e3", "-1e-17",
                                        "0x3a9F", "12x4", "T0.3e", "--8", "0x", "6e+"};
    int at = 0;
    while (at + 10 <= TEXT) {
        uint64_t dice = xorshift(state);
        const char *word = words[dice >> 60 ? dice & 7 : 8 + (dice & 3)];
        while (*word)
            text[at++] = *word++;
        text[at++] = ',';
    }
    text[at] = 0;
}

static int digit(char c) { return c >= '0' && c <= '9'; }
static int hex_digit(char c) { return digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

static enum state after(enum state state, char c)
{
    switch (state) {
    case BETWEEN:
        if (c == '+' || c == '-')
            return SIGN;
        return c == '0' ? HEX_MARK : digit(c) ? DIGITS : c == '.' ? FRACTION : WRONG;
    case SIGN:
        return digit(c) ? DIGITS : c == '.' ? FRACTION : WRONG;
    case HEX_MARK:
        if (c == 'x')
            return HEX_DIGITS;
        __attribute__((fallthrough));
    case DIGITS:
        return digit(c) ? DIGITS : c == '.' ? FRACTION : (c | 32) == 'e' ? EXPONENT : WRONG;
    case FRACTION:
        return digit(c) ? FRACTION : (c | 32) == 'e' ? EXPONENT : WRONG;
    case EXPONENT:
        return digit(c) || c == '+' || c == '-' ? POWER : WRONG;
    case POWER:
        return digit(c) ? POWER : WRONG;
    case HEX_DIGITS:
        return hex_digit(c) ? HEX_DIGITS : WRONG;
    default:
        return WRONG;
    }
}

static uint16_t numbers(uint16_t crc, uint64_t *random)
{
    uint32_t ended[STATES] = {0}, entered[STATES] = {0};
    fill_text(random);
    for (const char *c = text; *c; c++) {
        enum state state = BETWEEN;
        for (; *c != ','; c++) {
            state = after(state, *c);
            entered[state]++;
        }
        ended[state]++;
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc, ended[i] << 16 | entered[i]);
    return crc;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    uint64_t sum = 0, state = 88172645463325252UL;
    uint16_t crc = 0xffff;
    if (hart)
        return;
    for (int round = 0; round < ROUNDS; round++) {
        crc = lists(crc, &state);
        crc = matrices(crc);
        crc = numbers(crc, &state);
        sum = sum * 31 + crc;
    }
    finish("mix", sum);
}
