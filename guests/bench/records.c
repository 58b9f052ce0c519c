/*
 * What programs of records, strings and procedures do: a clerk takes parcels in, copies and compares
 * their labels, decides by enumerations where they go, and passes them by pointer from one small
 * procedure to the next.
 */
#include "bench.h"

#define PARCELS 3600000
#define LABEL 32
#define SHELVES 20

enum size { SMALL, MIDDLING, LARGE, SIZES };
enum content { LETTER, GOODS, ANIMAL };
enum zone { NEAR, FAR, ABROAD, ZONES };

struct parcel {
    struct parcel *behind;
    enum content content;
    char label[LABEL];
    union {
        struct {
            int pages;
            enum zone zone;
        } letter;
        struct {
            int weight;
            enum size size;
            char mark;
        } goods;
    };
};

static struct parcel counter, shelf;
static int stock[SHELVES], moved[SIZES][SHELVES];
static int taken, refused;
static char letter_of_the_day;

static NOINLINE void copy_text(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

static NOINLINE int compare_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

static NOINLINE enum zone next_zone(enum zone zone)
{
    switch (zone) {
    case NEAR:
        return taken > 100 ? FAR : NEAR;
    case FAR:
        return ABROAD;
    default:
        return NEAR;
    }
}

static NOINLINE int fits(enum size size, int weight) { return weight < 5 << size; }

static NOINLINE void weigh(struct parcel *parcel, int weight)
{
    parcel->goods.weight = weight;
    parcel->goods.size = SMALL;
    while (parcel->goods.size < LARGE && !fits(parcel->goods.size, weight))
        parcel->goods.size++;
}

/* Of a parcel's label, the letters up to the first that is not the same in both. */
static NOINLINE int alike(const char *a, const char *b)
{
    int count = 0;
    while (a[count] && a[count] == b[count])
        count++;
    return count;
}

static NOINLINE void put_away(int *places, int row[SHELVES], int first, int value)
{
    int place = first + 5;
    places[place] = value;
    places[place + 1] = places[place];
    places[place + 10] = place;
    for (int i = place; i <= place + 1; i++)
        row[i] = place;
    row[place - 1]++;
    row[place + 10] = places[place];
}

static NOINLINE void hand_over(struct parcel *from)
{
    struct parcel *to = from->behind;
    *to = *from;
    weigh(to, from->goods.weight + 1);
    to->behind = from;
    if (to->content == GOODS)
        to->goods.mark = (char)('A' + to->goods.size);
    else
        refused++;
}

static NOINLINE int address(struct parcel *parcel, int number)
{
    static const char *const towns[] = {
        "TO THE MILL, THIRD DOOR LEFT", "TO THE MILL, THIRD DOOR RIGHT",
        "TO THE HARBOUR MASTER'S HOUSE", "TO THE MILL, SECOND DOOR",
    };
    char label[LABEL];
    copy_text(label, towns[number & 3]);
    int differs = compare_text(label, parcel->label);
    if (differs > 0)
        letter_of_the_day = label[alike(label, parcel->label)];
    copy_text(parcel->label, label);
    return differs;
}

static NOINLINE uint64_t take(int number, enum zone *zone)
{
    int weight = number % 23, share;
    taken++;
    counter.content = number % 7 ? GOODS : ANIMAL;
    weigh(&counter, weight);
    uint64_t sum = (uint64_t)address(&counter, number / 3);
    hand_over(&counter);
    share = (weight * 7 + 3) / (int)(shelf.goods.size + 2);
    put_away(stock, moved[shelf.goods.size], share & 3, number);
    *zone = next_zone(*zone);
    for (char c = 'A'; c <= shelf.goods.mark; c++)
        sum += compare_text(&shelf.label[c - 'A'], "THE MILL") == 0 ? 2 : (uint64_t)c;
    return sum * 31 + (uint64_t)*zone + (uint64_t)share;
}

static uint64_t inventory(void)
{
    uint64_t sum = (uint64_t)taken * 31 + (uint64_t)refused + (uint64_t)letter_of_the_day;
    for (int place = 0; place < SHELVES; place++) {
        sum = sum * 31 + (uint64_t)stock[place];
        for (int size = 0; size < SIZES; size++)
            sum = sum * 31 + (uint64_t)moved[size][place];
    }
    return sum;
}

void trap(uint64_t cause, uint64_t tval, uint64_t *frame) { unexpected_trap(cause, tval, frame); }

void main(uint64_t hart)
{
    uint64_t sum = 0;
    enum zone zone = NEAR;
    if (hart)
        return;
    counter.behind = &shelf;
    for (int number = 0; number < PARCELS; number++)
        sum = sum * 31 + take(number, &zone);
    finish("records", sum * 31 + inventory());
}
