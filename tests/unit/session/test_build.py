"""What is built, and what is left of it afterwards."""

import gc
import weakref
from importlib.resources import files

import pytest

from lockstep.host.serial import NullSerial
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console

DEMO = files("lockstep.ui") / "data" / "demo.elf"
CONFIG = MachineConfig(kernel=str(DEMO), bios="none", memory=16 << 20, idle="skip", seed=1)


@pytest.fixture
def no_accidents():
    """Nothing is given back because it happens to be time to."""
    gc.disable()
    yield
    gc.enable()


def test_the_memory_of_a_machine_that_is_over_is_given_back(no_accidents):
    """Before another gets its own: who runs machines in a loop needs no more than for one."""
    with live(CONFIG, Console(NullSerial())) as session:
        session.run()
    ram = weakref.ref(session._machine.ram)
    del session
    with live(CONFIG, Console(NullSerial())) as session:
        assert ram() is None
        session.run()
