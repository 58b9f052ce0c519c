# Start-up and trap entry shared by our bare-metal guests (M-mode, `--bios none`, entry 0x80000000).
#
# Every hart gets its own stack and comes to `main(hart)`; hart 0 clears .bss first, the others wait
# for it. A trap saves all integer registers in a frame and calls `trap(cause, tval, frame)`.

        .equ STACK_SIZE, 16384          # per hart; its top 4 KiB serve traps, through mscratch
        .equ TRAP_STACK, 4096
        .equ FRAME, 256                 # x0..x31; slot 0 holds mepc

        .section .text.start, "ax"
        .globl _start
_start:
        .option push
        .option norelax
        la      gp, __global_pointer$
        .option pop
        csrr    a0, mhartid
        li      t0, 8
        bgeu    a0, t0, park            # no stack for a ninth hart
        la      t0, trap_entry
        csrw    mtvec, t0
        li      t0, 0x6000              # mstatus.FS: floating point may be used
        csrs    mstatus, t0
        la      sp, stacks
        addi    t1, a0, 1
        li      t2, STACK_SIZE
        mul     t1, t1, t2
        add     sp, sp, t1
        csrw    mscratch, sp
        li      t2, TRAP_STACK
        sub     sp, sp, t2
        la      t3, bss_is_clear
        bnez    a0, 2f
        la      t0, __bss_start
        la      t1, __bss_end
1:      bgeu    t0, t1, 1f
        sd      zero, 0(t0)
        addi    t0, t0, 8
        j       1b
1:      li      t0, 1
        fence   rw, w
        sw      t0, 0(t3)
        j       3f
2:      lw      t0, 0(t3)
        beqz    t0, 2b
        fence   r, rw
3:      call    main
park:   wfi
        j       park

        .align 2
        .globl trap_entry
trap_entry:
        csrrw   sp, mscratch, sp
        addi    sp, sp, -FRAME
        .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        sd      x\n, 8*\n(sp)
        .endr
        csrr    t0, mscratch            # the interrupted stack pointer
        sd      t0, 16(sp)
        addi    t0, sp, FRAME
        csrw    mscratch, t0
        csrr    t0, mepc
        sd      t0, 0(sp)
        csrr    a0, mcause
        csrr    a1, mtval
        mv      a2, sp
        call    trap
        ld      t0, 0(sp)
        csrw    mepc, t0
        .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        ld      x\n, 8*\n(sp)
        .endr
        ld      sp, 16(sp)
        mret

        .data
        .align 2
bss_is_clear:
        .word 0

        .section .stacks, "aw", @nobits
        .align 12
stacks: .skip 8 * STACK_SIZE
