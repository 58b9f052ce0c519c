"""Measures lockstep against QEMU, both in the same run. `make bench`, never a test."""
