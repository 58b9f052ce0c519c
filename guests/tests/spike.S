# A program as for Spike: it talks to the host by `tohost` and `fromhost` alone. It writes a line
# byte by byte, one by a system call, asks for a call that there is not, and ends with code 7. Its
# words lie amid its data, and on the page of its code.

        .globl  _start, tohost, fromhost

        .macro  send register           # and wait until it is taken
        sd      \register, tohost, t6
1:      ld      t6, tohost
        bnez    t6, 1b
        .endm

        .macro  call                    # the block at s0
        sd      zero, fromhost, t6
        sd      s0, tohost, t6
1:      ld      t6, fromhost
        beqz    t6, 1b
        ld      a0, 0(s0)
        .endm

_start: la      s1, bytes
        li      s2, 0x101 << 48         # device 1, command 1
next:   lbu     t0, 0(s1)
        beqz    t0, calls
        or      t0, t0, s2
        send    t0
        addi    s1, s1, 1
        addi    s3, s3, 1               # between one store and the next
        j       next

calls:  la      s0, block
        call
        li      t0, 12                  # what was written
        bne     a0, t0, wrong
        li      t0, 1024
        sd      t0, 0(s0)
        call
        li      t0, -38
        bne     a0, t0, wrong
        li      t0, 7 << 1 | 1
        sw      t0, tohost, t6          # in two halves, as riscv-tests do
        nop
        sw      zero, tohost + 4, t6
1:      addi    s4, s4, 1               # not one of these is executed
        j       1b
wrong:  li      t0, 1 << 1 | 1
        sd      t0, tohost, t6
1:      j       1b

bytes:  .asciz  "byte by byte\n"
        .balign 8
        .dword  -1
tohost: .dword  0
fromhost:
        .dword  0
block:  .dword  64, 1, line, 12, 0, 0, 0, 0
line:   .ascii  "and at once\n"
