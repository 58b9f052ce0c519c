/*
 * A user program under Sv39 that does little but call its kernel and touch pages it does not have.
 * M-mode only sets the stage; the kernel is S-mode, entered by delegated traps. The kernel's 2 MiB page
 * and the user's are mapped one to one; WINDOW is filled page by page on faults, and emptied by a call.
 */
#include "bench.h"

#define WINDOW 0x40000000UL
#define PAGES 64
#define ROUNDS 15000
#define CALLS 96

#define PTE_V 0x01UL
#define PTE_R 0x02UL
#define PTE_W 0x04UL
#define PTE_X 0x08UL
#define PTE_U 0x10UL
#define PTE_A 0x40UL
#define PTE_D 0x80UL
#define TABLE(page) ((uint64_t)(page) >> 12 << 10 | PTE_V)
#define LEAF(page, bits) (TABLE(page) | PTE_A | PTE_D | (bits))

#define ECALL_FROM_U 8
#define ECALL_FROM_S 9
#define LOAD_PAGE_FAULT 13
#define STORE_PAGE_FAULT 15
#define SATP_SV39 (8UL << 60)

enum { CALL_ADD, CALL_RELEASE, CALL_EXIT };

static uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t middle[2][512] __attribute__((aligned(4096)));
static uint64_t window[512] __attribute__((aligned(4096)));
static uint8_t frames[PAGES][4096] __attribute__((aligned(4096)));
static uint64_t kernel_stack[512];
static uint64_t faults, calls, sum;

/* The user's side: its code and stack lie in the section that the linker script sets apart. */
#define USER __attribute__((section(".user"), noinline, used))
static uint64_t user_stack[512] __attribute__((section(".user_data"), aligned(4096)));

USER static uint64_t call(uint64_t number, uint64_t a, uint64_t b)
{
    register uint64_t a0 __asm__("a0") = a, a1 __asm__("a1") = b, a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    return a0;
}

USER static void user_main(void)
{
    uint64_t x = 1;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < CALLS; i++)
            x = call(CALL_ADD, x, i);
        for (uint64_t page = 0; page < PAGES; page++) {
            volatile uint64_t *word = (volatile uint64_t *)(WINDOW + 4096 * page);
            x += page & 1 ? *word : (*word = x);
        }
        x ^= call(CALL_RELEASE, 0, 0);
    }
    call(CALL_EXIT, x, 0);
}

/* The kernel's trap entry: as the M-mode one in crt0, over sscratch, with the registers C spoils. */
void s_trap_entry(void);
__asm__(".text\n"
        ".align 2\n"
        "s_trap_entry:\n"
        "  csrrw sp, sscratch, sp\n"
        "  addi  sp, sp, -128\n"
        "  sd ra, 0(sp)\n  sd t0, 8(sp)\n  sd t1, 16(sp)\n  sd t2, 24(sp)\n"
        "  sd a0, 32(sp)\n  sd a1, 40(sp)\n  sd a2, 48(sp)\n  sd a3, 56(sp)\n"
        "  sd a4, 64(sp)\n  sd a5, 72(sp)\n  sd a6, 80(sp)\n  sd a7, 88(sp)\n"
        "  sd t3, 96(sp)\n  sd t4, 104(sp)\n  sd t5, 112(sp)\n  sd t6, 120(sp)\n"
        "  mv    a0, sp\n"
        "  call  kernel\n"
        "  ld ra, 0(sp)\n  ld t0, 8(sp)\n  ld t1, 16(sp)\n  ld t2, 24(sp)\n"
        "  ld a0, 32(sp)\n  ld a1, 40(sp)\n  ld a2, 48(sp)\n  ld a3, 56(sp)\n"
        "  ld a4, 64(sp)\n  ld a5, 72(sp)\n  ld a6, 80(sp)\n  ld a7, 88(sp)\n"
        "  ld t3, 96(sp)\n  ld t4, 104(sp)\n  ld t5, 112(sp)\n  ld t6, 120(sp)\n"
        "  addi  sp, sp, 128\n"
        "  csrrw sp, sscratch, sp\n"
        "  sret\n");

enum { SAVED_A0 = 4, SAVED_A1 = 5, SAVED_A7 = 11 };

static uint64_t serve(uint64_t number, uint64_t a, uint64_t b)
{
    calls++;
    switch (number) {
    case CALL_ADD:
        return a * 3 + b;
    case CALL_RELEASE:
        for (int page = 0; page < PAGES; page++)
            window[page] = 0;
        __asm__ volatile("sfence.vma" ::: "memory");
        return faults;
    default:
        sum = a;
        __asm__ volatile("ecall"); /* to M-mode, which has the devices: the end */
        return 0;
    }
}

__attribute__((used)) static void kernel(uint64_t *saved)
{
    uint64_t cause = csr_read(scause), address = csr_read(stval);
    if (cause == ECALL_FROM_U) {
        csr_write(sepc, csr_read(sepc) + 4);
        saved[SAVED_A0] = serve(saved[SAVED_A7], saved[SAVED_A0], saved[SAVED_A1]);
        return;
    }
    uint64_t page = (address - WINDOW) >> 12;
    if ((cause != LOAD_PAGE_FAULT && cause != STORE_PAGE_FAULT) || page >= PAGES)
        __asm__ volatile("ebreak"); /* not delegated: M-mode reports it */
    faults++;
    window[page] = LEAF(frames[page], PTE_R | PTE_W | PTE_U);
    __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

/* M-mode sees the kernel's farewell, or something that should not be. */
void trap(uint64_t cause, uint64_t tval, uint64_t *frame)
{
    if (cause != ECALL_FROM_S)
        unexpected_trap(cause, tval, frame);
    finish("syscall", sum ^ faults << 32 ^ calls);
}

static void map_memory(void)
{
    root[2] = TABLE(middle[0]); /* 0x80000000 */
    middle[0][0] = LEAF(0x80000000UL, PTE_R | PTE_W | PTE_X);
    middle[0][1] = LEAF(0x80200000UL, PTE_R | PTE_W | PTE_X | PTE_U);
    root[1] = TABLE(middle[1]); /* WINDOW */
    middle[1][0] = TABLE(window);
    csr_write(satp, SATP_SV39 | (uint64_t)root >> 12);
    __asm__ volatile("sfence.vma" ::: "memory");
}

static _Noreturn void enter_user(void)
{
    csr_write(pmpaddr0, ~0UL);
    csr_write(pmpcfg0, 0x1f); /* NAPOT over everything, RWX */
    csr_write(medeleg, 1 << ECALL_FROM_U | 1 << LOAD_PAGE_FAULT | 1 << STORE_PAGE_FAULT);
    csr_write(stvec, s_trap_entry);
    csr_write(sscratch, kernel_stack + 512);
    csr_clear(mstatus, 3UL << 11); /* MPP = U */
    csr_write(mepc, user_main);
    __asm__ volatile("mv sp, %0\n mret" ::"r"(user_stack + 512));
    __builtin_unreachable();
}

void main(uint64_t hart)
{
    if (hart)
        return;
    map_memory();
    enter_user();
}
