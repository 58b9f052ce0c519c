# An S-mode guest whose page tables have no A and no D set, as those of xv6-riscv: Sv39, one gigapage
# for RAM and one for the devices. Ends with 0x5555 where hardware sets both, else with the trap's
# cause << 16 | 0x3333.

        .globl  _start
_start: la      t0, trap
        csrw    mtvec, t0
        li      t0, -1                  # PMP: all of memory, for everybody
        srli    t0, t0, 10
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        la      t0, root
        li      t1, (0x80000000 >> 2) | 0xf
        sd      t1, 16(t0)
        li      t1, 0xf
        sd      t1, 0(t0)
        srli    t0, t0, 12
        li      t1, 8 << 60
        or      t0, t0, t1
        csrw    satp, t0
        sfence.vma
        li      t0, 0x1800              # MPP = S
        csrc    mstatus, t0
        li      t0, 0x800
        csrs    mstatus, t0
        la      t0, supervisor
        csrw    mepc, t0
        mret

supervisor:
        la      t2, root
        ld      t3, 16(t2)              # through a page that was fetched from, and loaded from now
        andi    t3, t3, 0xc0
        li      t1, 0x40                # A, and not yet D
        bne     t3, t1, wrong
        sd      zero, 24(t2)
        ld      t3, 16(t2)
        andi    t3, t3, 0xc0
        li      t1, 0xc0
        bne     t3, t1, wrong
        li      t1, 0x5555
finish: li      t0, 0x100000
        sw      t1, 0(t0)
1:      j       1b
wrong:  li      t1, 0x3333
        j       finish

        .balign 4
trap:   csrr    t1, mcause
        slli    t1, t1, 16
        li      t2, 0x3333
        or      t1, t1, t2
        j       finish

        .balign 4096
root:   .space  4096
