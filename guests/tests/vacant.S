# For each address, in M-mode: the cause after cbo.inval, cbo.clean, cbo.flush, cbo.zero and lw, 0 for
# none, as a line of the console: RAM, devices, and where nothing is.

        .globl  _start
_start: la      t0, trap
        csrw    mtvec, t0
        li      s2, 0x10000000
        la      s0, list
next:   ld      s1, 0(s0)
        addi    s0, s0, 8
        li      t1, -1
        beq     s1, t1, done
        .irp    which, 0, 1, 2, 4
        li      s3, 0
        .insn   i 0x0f, 2, x0, s1, \which
        call    digit
        .endr
        li      s3, 0
        lw      s4, 0(s1)
        call    digit
        li      a0, 10
        sb      a0, 0(s2)
        j       next
done:   li      t0, 0x100000
        li      t1, 0x5555
        sw      t1, 0(t0)
1:      j       1b

        .balign 4
trap:   csrr    s3, mcause
        csrr    t6, mtval
        bne     t6, s1, 1f
        csrr    t6, mepc
        addi    t6, t6, 4
        csrw    mepc, t6
        mret
1:      li      s3, 9                   # tval is to be the address, as rs1 has it
        j       1b

digit:  addi    a0, s3, 48
        sb      a0, 0(s2)
        ret

        .balign 8
list:   .dword  0, 0x50004, 0x7fffffc0, 0x80100000, 0x80fffff8, 0x81000000, 0x1000000000, 1 << 55
        .dword  0x100000, 0x2000000, 0xc000000, 0x10000000, 0x100000c0, -1
