/*
 * Code that changes under the feet of whoever has compiled it. Every case is a function that goes a
 * number of rounds and returns a number which tells what ran in each of them.
 *
 * All cases run twice. "fenced" keeps to what the architecture promises: after code was changed there
 * is a FENCE.I, after a page table was changed an SFENCE.VMA, before either has an effect. Its results are
 * the same everywhere. "exact" leaves the fences out, and gives the same once more on a machine whose
 * fetches and translations follow memory at once.
 */
#include "virt.h"

#ifndef SHORT
#define ROUNDS 200000
#define HOT 8000000 /* rounds of loops that are left alone for long: compiled, if anything is */
#else
#define ROUNDS 1600
#define HOT 4000
#endif
#define SELDOM (HOT / 4)
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

#define PAGE 4096UL
#define PAGES 8
/* Virtual pages that can be mapped anywhere, from FIRST on: it meets no other page in a cache by its low bits. */
#define FIRST 0xc5
#define WINDOW (0x40000000UL + PAGE * FIRST)

#define PTE_V 0x01UL
#define PTE_R 0x02UL
#define PTE_W 0x04UL
#define PTE_X 0x08UL
#define PTE_A 0x40UL
#define PTE_D 0x80UL
#define TABLE(page) ((uint64_t)(page) >> 12 << 10 | PTE_V)
#define LEAF(page, bits) (TABLE(page) | PTE_A | PTE_D | (bits))
#define RWX (PTE_R | PTE_W | PTE_X)
#define SATP_SV39 (8UL << 60)
#define INSTRUCTION_PAGE_FAULT 12
#define ECALL_FROM_S 9

typedef uint64_t loop(uint64_t rounds);

struct test {
    const char *name;
    loop *fenced, *exact;
    uint64_t rounds;
};

static int fenced; /* which of the two runs this is */

static inline void fence_i(void) { __asm__ volatile("fence.i" ::: "memory"); }
static inline void sfence_vma(void) { __asm__ volatile("sfence.vma" ::: "memory"); }

/* After code was written: what the architecture asks for. */
static inline void code_written(void)
{
    if (fenced)
        fence_i();
}

static inline void tables_written(void)
{
    if (fenced)
        sfence_vma();
}

/*
 * Loops that patch themselves. In every so many rounds the instruction at the label `target_of_...`
 * becomes the other of two, by the store in `patch`, which may be some instructions `away`. The sum is multiplied by five in each round, so that it tells the order as well as the number.
 */
__asm__(".macro patch often, store, fence\n"
        "  .if \\often > 1\n"
        "  addi t5, t5, -1\n"
        "  bnez t5, 2f\n"
        "  li t5, \\often\n"
        "  .endif\n"
        "  xor t1, t1, t2\n"
        "  \\store t1, 0(t0)\n"
        "  \\fence\n"
        "2:\n"
        ".endm\n"

        ".macro start name, often=1\n"
        "  .balign 4\n"
        "\\name:\n"
        "  li a1, 0\n"
        "  li t5, \\often\n"
        ".endm\n"

        ".macro fold\n"
        "  slli t3, a1, 2\n"
        "  add a1, a1, t3\n"
        ".endm\n"

        ".macro again\n"
        "  addi a0, a0, -1\n"
        "  bnez a0, 1b\n"
        "  mv a0, a1\n"
        "  ret\n"
        ".endm\n"

        ".macro fillers count\n"
        "  .rept \\count\n"
        "  addi a1, a1, 3\n"
        "  .endr\n"
        ".endm\n"

        /* The patch comes before what it changes. */
        ".macro ahead name, often, away, fence\n"
        "  start \\name, \\often\n"
        "  la t0, target_of_\\name\n"
        "  lw t1, 0(t0)\n"
        "  lui t2, (1 ^ 16) << 8\n"
        "1: patch \\often, sw, \\fence\n"
        "  fillers \\away\n"
        "target_of_\\name:\n"
        "  addi a1, a1, 1\n" /* or 16 */
        "  fold\n"
        "  again\n"
        ".endm\n"

        /* The patch comes after what it changes, which is for the next round. */
        ".macro behind name, often, fence\n"
        "  start \\name, \\often\n"
        "  la t0, target_of_\\name\n"
        "  lw t1, 0(t0)\n"
        "  lui t2, (1 ^ 16) << 8\n"
        "1:\n"
        "target_of_\\name:\n"
        "  addi a1, a1, 1\n" /* or 16 */
        "  fold\n"
        "  patch \\often, sw, \\fence\n"
        "  again\n"
        ".endm\n"

        /* A compressed instruction, which shares its word with another. */
        ".macro compressed name, often, fence\n"
        "  start \\name, \\often\n"
        "  la t0, target_of_\\name\n"
        "  lhu t1, 0(t0)\n"
        "  li t2, (1 ^ 16) << 2\n"
        "1: patch \\often, sh, \\fence\n"
        "  .option push\n"
        "  .option rvc\n"
        "  c.addi a1, 3\n"
        "target_of_\\name:\n"
        "  c.addi a1, 1\n" /* or 16 */
        "  .option pop\n"
        "  fold\n"
        "  again\n"
        ".endm\n"

        /* A jump over an instruction becomes one over two. */
        ".macro detour name, often, fence\n"
        "  start \\name, \\often\n"
        "  la t0, target_of_\\name\n"
        "  lw t1, 0(t0)\n"
        "  lui t2, (8 ^ 12) / 2 << 9\n"
        "1: patch \\often, sw, \\fence\n"
        "target_of_\\name:\n"
        "  j 3f\n" /* or 4f */
        "  addi a1, a1, 100\n"
        "3: addi a1, a1, 7\n"
        "4: addi a1, a1, 1\n"
        "  fold\n"
        "  again\n"
        ".endm\n"

        /* An instruction that begins on one page and ends on the next, where its immediate is. */
        ".macro straddling name, often, fence\n"
        "  .balign 4096\n"
        "  start \\name, \\often\n"
        "  la t0, target_of_\\name + 2\n"
        "  lhu t1, 0(t0)\n"
        "  li t2, (1 ^ 16) << 4\n"
        "1: patch \\often, sh, \\fence\n"
        "  j target_of_\\name\n"
        "  .balign 2048\n"
        "  .skip 2046\n"
        "  .option push\n"
        "  .option rvc\n"
        "target_of_\\name:\n"
        "  .4byte 0x00158593\n" /* addi a1, a1, 1 (or 16), which must not be shortened */
        "  fold\n"
        "  again\n"
        "  .option pop\n"
        ".endm\n"

        /* A loop that counts in memory, between its own instructions. */
        ".macro counting name\n"
        "  start \\name\n"
        "  la t0, data_of_\\name\n"
        "  sd zero, 0(t0)\n"
        "1: ld t1, 0(t0)\n"
        "  add t1, t1, a0\n"
        "  sd t1, 0(t0)\n"
        "  j 2f\n"
        "  .balign 8\n"
        "data_of_\\name:\n"
        "  .dword 0\n"
        "2: add a1, a1, t1\n"
        "  fold\n"
        "  again\n"
        ".endm\n"

        ".pushsection .text.patched, \"ax\"\n"
        ".option push\n"
        ".option norvc\n"
        ".balign 4096\n"
        "ahead next_instruction_fenced, 1, 0, fence.i\n"
        "ahead next_instruction_exact, 1, 0, \n"
        "ahead own_block_fenced, 1, 4, fence.i\n"
        "ahead own_block_exact, 1, 4, \n"
        "behind earlier_instruction_fenced, 1, fence.i\n"
        "behind earlier_instruction_exact, 1, \n"
        "ahead hot_loop_fenced, " TEXT(SELDOM) ", 4, fence.i\n"
        "ahead hot_loop_exact, " TEXT(SELDOM) ", 4, \n"
        "behind end_of_hot_loop_fenced, " TEXT(SELDOM) ", fence.i\n"
        "behind end_of_hot_loop_exact, " TEXT(SELDOM) ", \n"
        "compressed half_a_word_fenced, 64, fence.i\n"
        "compressed half_a_word_exact, 64, \n"
        "detour other_way_fenced, 64, fence.i\n"
        "detour other_way_exact, 64, \n"
        "straddling across_pages_fenced, 64, fence.i\n"
        "straddling across_pages_exact, 64, \n"
        ".balign 4096\n"
        "counting data_among_code\n"

        /* To be copied, and patched from outside: it adds `step` in each round. */
        ".balign 8\n"
        "start plain\n"
        "1: addi a1, a1, 1\n"
        "  fold\n"
        "  again\n"
        "end_of_plain:\n"
        ".option pop\n"
        ".popsection\n");

loop next_instruction_fenced, next_instruction_exact, own_block_fenced, own_block_exact;
loop earlier_instruction_fenced, earlier_instruction_exact, hot_loop_fenced, hot_loop_exact;
loop end_of_hot_loop_fenced, end_of_hot_loop_exact, half_a_word_fenced, half_a_word_exact;
loop other_way_fenced, other_way_exact, across_pages_fenced, across_pages_exact, data_among_code;
extern const uint32_t plain[], end_of_plain[];

#define STEP 1 /* which word of the plain loop holds the step */

static uint8_t pages[PAGES][PAGE] __attribute__((aligned(4096)));

/* addi a1, a1, step */
static uint32_t add_step(int step) { return (uint32_t)step << 20 | 0x00058593; }

/* Writes the plain loop to `page`, with its step. */
static loop *copy_loop(void *page, int step)
{
    volatile uint32_t *to = page;
    for (const uint32_t *from = plain; from < end_of_plain; from++)
        *to++ = *from;
    ((volatile uint32_t *)page)[STEP] = add_step(step);
    code_written();
    return (loop *)page;
}

/* What to write next, and for how long to run it: not long enough to pay, and longer. */
static int step(uint64_t number) { return (int)(number * 7 % 1000); }
static uint64_t length(uint64_t number) { return number % 8 < 7 ? 32 : number % 1024 < 1023 ? 200 : SELDOM; }

static uint64_t patched_between_calls(uint64_t rounds)
{
    volatile uint32_t *code = (uint32_t *)pages[0];
    loop *run = copy_loop(pages[0], 1);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < rounds / 64; i++) {
        code[STEP] = add_step(step(i));
        code_written();
        sum = sum * 31 + run(length(i));
    }
    return sum;
}

static uint64_t copied_to_a_new_page(uint64_t rounds)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < rounds / 64; i++)
        sum = sum * 31 + copy_loop(pages[i % PAGES] + i % 5 * 32, step(i))(length(i));
    return sum;
}

static void store_conditionally(volatile uint32_t *at, uint32_t word)
{
    uint64_t failed;
    do
        __asm__ volatile("lr.w %0, (%1)\n sc.w %0, %2, (%1)" : "=&r"(failed) : "r"(at), "r"(word) : "memory");
    while (failed);
}

/* Changes the word at `at` by a store of the kind that is due. */
static void store_somehow(volatile uint32_t *at, uint32_t word, uint64_t kind)
{
    uint64_t two = word | (uint64_t)at[1] << 32, middle = at[-1] >> 16 | two << 16;
    switch (kind % 9) {
    case 0:
        ((volatile uint8_t *)at)[2] = (uint8_t)(word >> 16);
        ((volatile uint8_t *)at)[3] = (uint8_t)(word >> 24);
        break;
    case 1:
        ((volatile uint16_t *)at)[1] = (uint16_t)(word >> 16);
        break;
    case 2:
        *at = word;
        break;
    case 3: /* misaligned */
        __asm__ volatile("sd %0, -2(%1)" ::"r"(middle), "r"(at) : "memory");
        break;
    case 4:
        __atomic_exchange_n(at, word, __ATOMIC_RELAXED);
        break;
    case 5:
        __atomic_fetch_xor(at, *at ^ word, __ATOMIC_RELAXED);
        break;
    case 6:
        store_conditionally(at, word);
        break;
    case 7:
        __asm__ volatile("fmv.w.x ft0, %0\n fsw ft0, (%1)" ::"r"(word), "r"(at) : "ft0", "memory");
        break;
    default:
        __asm__ volatile("fmv.d.x ft0, %0\n fsd ft0, -2(%1)" ::"r"(middle), "r"(at) : "ft0", "memory");
    }
}

static uint64_t stores_of_all_kinds(uint64_t rounds)
{
    loop *run = copy_loop(pages[1], 1);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < rounds / 32; i++) {
        store_somehow((uint32_t *)pages[1] + STEP, add_step(step(i)), i);
        code_written();
        sum = sum * 31 + run(length(i));
    }
    return sum;
}

/* Paging: all of main memory one to one, and the window. Two spaces differ in the window alone. */

static uint64_t root[2][512] __attribute__((aligned(4096)));
static uint64_t middle[2][512] __attribute__((aligned(4096)));
static volatile uint64_t window[2][512] __attribute__((aligned(4096)));
static volatile uint64_t refused;

static void map_memory(void)
{
    for (int space = 0; space < 2; space++) {
        root[space][2] = LEAF(0x80000000UL, RWX);
        root[space][1] = TABLE(middle[space]);
        middle[space][0] = TABLE(window[space]);
    }
    csr_write(pmpaddr0, ~0UL);
    csr_write(pmpcfg0, 0x1f); /* NAPOT over everything, RWX */
}

static void use_space(uint64_t space)
{
    csr_write(satp, SATP_SV39 | (space + 1) << 44 | (uint64_t)root[space] >> 12);
    sfence_vma();
}

/* From here on in S-mode, on the same stack. */
static inline void become_supervisor(void)
{
    use_space(0);
    csr_clear(mstatus, 3UL << 11 | 1UL << 7); /* MPIE = 0: no interrupts afterwards, either */
    csr_set(mstatus, 1UL << 11);              /* MPP = S */
    __asm__ volatile("la t0, 1f\n csrw mepc, t0\n mret\n 1:" ::: "t0", "memory");
}

/* And back: `trap` returns in M-mode. */
static inline void become_machine(void) { __asm__ volatile("ecall" ::: "memory"); }

void trap(uint64_t cause, uint64_t tval, uint64_t *frame)
{
    if (cause == ECALL_FROM_S) {
        csr_set(mstatus, 3UL << 11);
        frame[0] += 4;
    } else if (cause == INSTRUCTION_PAGE_FAULT && (tval & -PAGE) == WINDOW && !(window[0][FIRST] & PTE_X)) {
        refused++;
        window[0][FIRST] |= PTE_X;
        sfence_vma();
    } else {
        unexpected_trap(cause, tval, frame);
    }
}

/* A page of code has two addresses: patched at one, it runs at both. */
static uint64_t two_mappings(uint64_t rounds)
{
    loop *here = (loop *)WINDOW, *there = (loop *)(WINDOW + PAGE);
    uint64_t sum = 0;
    copy_loop(pages[2], 1);
    window[0][FIRST] = window[0][FIRST + 1] = LEAF(pages[2], RWX);
    become_supervisor();
    for (uint64_t i = 0; i < rounds / 64; i++) {
        ((volatile uint32_t *)there)[STEP] = add_step(step(i));
        code_written();
        sum = sum * 31 + here(length(i));
        sum = sum * 31 + there(24);
    }
    become_machine();
    return sum;
}

/* The page of a hot loop becomes another page, of another loop. */
static uint64_t remapped_page(uint64_t rounds)
{
    loop *run = (loop *)WINDOW;
    uint64_t sum = 0;
    for (int i = 0; i < PAGES; i++)
        copy_loop(pages[i], i + 1);
    window[0][FIRST] = LEAF(pages[0], RWX);
    become_supervisor();
    for (uint64_t i = 0; i < rounds / 64; i++) {
        window[0][FIRST] = LEAF(pages[i * i % PAGES], RWX);
        tables_written();
        sum = sum * 31 + run(length(i));
    }
    become_machine();
    return sum;
}

/* The page of a hot loop may not be executed any more; the fault's handler allows it again. */
static uint64_t refused_page(uint64_t rounds)
{
    loop *run = (loop *)WINDOW;
    uint64_t sum = 0;
    copy_loop(pages[3], 3);
    window[0][FIRST] = LEAF(pages[3], RWX);
    refused = 0;
    become_supervisor();
    for (uint64_t i = 0; i < rounds / 64; i++) {
        if (i % 3 == 0) {
            window[0][FIRST] &= ~PTE_X;
            tables_written();
        }
        sum = sum * 31 + run(length(i)) + refused;
    }
    become_machine();
    return sum;
}

/* One virtual page, two address spaces, two loops. */
static uint64_t two_spaces(uint64_t rounds)
{
    loop *run = (loop *)WINDOW;
    uint64_t sum = 0;
    copy_loop(pages[4], 4);
    copy_loop(pages[5], 5);
    window[0][FIRST] = LEAF(pages[4], RWX);
    window[1][FIRST] = LEAF(pages[5], RWX);
    become_supervisor();
    for (uint64_t i = 0; i < rounds / 64; i++) {
        use_space(i & 1);
        sum = sum * 31 + run(length(i));
    }
    become_machine();
    return sum;
}

/* Two harts: hart 1 runs what hart 0 has written, when it is told to. */

static volatile uint64_t ordered, served, wanted, answer;

/* Each hart has a timer, which remembers when it is due; that of no hart does not. */
static int is_there(uint64_t hart)
{
    set_timer(hart, 12345);
    return REG64(CLINT + 0x4000 + 8 * hart) == 12345;
}

/* Sleeps until `count` is `value`. Who changes it sends an interrupt, which nobody takes. */
static void await(uint64_t hart, volatile uint64_t *count, uint64_t value)
{
    csr_write(mie, MIE_MSIE);
    for (;;) {
        set_ipi(hart, 0);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (*count == value)
            return;
        wait_for_interrupt();
    }
}

static void tell(uint64_t hart, volatile uint64_t *count)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ++*count;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    set_ipi(hart, 1);
}

static _Noreturn void serve(void)
{
    for (;;) {
        await(1, &ordered, served + 1);
        code_written();
        answer = ((loop *)pages[6])(wanted);
        tell(0, &served);
    }
}

static uint64_t patched_by_another_hart(uint64_t rounds)
{
    uint64_t sum = 0;
    if (!is_there(1))
        return 0;
    copy_loop(pages[6], 1);
    for (uint64_t i = 0; i < rounds / 64; i++) {
        ((volatile uint32_t *)pages[6])[STEP] = add_step(step(i));
        wanted = length(i);
        tell(1, &ordered);
        await(0, &served, ordered);
        sum = sum * 31 + answer;
    }
    return sum;
}

#define LOOP(name, rounds) {#name, name##_fenced, name##_exact, rounds}
#define CASE(name, rounds) {#name, name, name, rounds}

static const struct test tests[] = {
    LOOP(next_instruction, ROUNDS / 16),
    LOOP(own_block, ROUNDS / 16),
    LOOP(earlier_instruction, ROUNDS / 16),
    LOOP(hot_loop, HOT),
    LOOP(end_of_hot_loop, HOT),
    LOOP(half_a_word, ROUNDS),
    LOOP(other_way, ROUNDS),
    LOOP(across_pages, ROUNDS),
    CASE(data_among_code, ROUNDS / 4),
    CASE(patched_between_calls, ROUNDS),
    CASE(copied_to_a_new_page, ROUNDS),
    CASE(stores_of_all_kinds, ROUNDS),
    CASE(two_mappings, ROUNDS),
    CASE(remapped_page, ROUNDS),
    CASE(refused_page, ROUNDS),
    CASE(two_spaces, ROUNDS),
    CASE(patched_by_another_hart, ROUNDS),
};

static void run_all(const char *how)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        uint64_t result = (fenced ? tests[i].fenced : tests[i].exact)(tests[i].rounds);
        put_text(how);
        put_text(" ");
        put_text(tests[i].name);
        put_text(" ");
        put_hex(result, 16);
        put_text("\n");
        sum = sum * 31 + result;
    }
    put_text(how);
    put_text(" ");
    put_hex(sum, 16);
    put_text("\n");
}

void main(uint64_t hart)
{
    if (hart == 1)
        serve();
    if (hart)
        return;
    map_memory();
    fenced = 1;
    run_all("fenced");
    fenced = 0;
    run_all("exact");
    power_off();
}
