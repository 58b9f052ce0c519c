"""What the two threads of a session share."""

from typing import NamedTuple

from lockstep.cpu.engine import Cpu
from lockstep.det.locks import Locks
from lockstep.det.world import World
from lockstep.machine.machine import Machine


class Computer(NamedTuple):
    """A machine in its world, and the locks that both threads take before they touch it."""

    machine: Machine
    cpu: Cpu
    world: World
    locks: Locks
