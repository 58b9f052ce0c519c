"""What is built, and what is left of it afterwards."""

import gc
import resource
import weakref
from contextlib import contextmanager
from importlib.resources import files

import pytest

from fakes.recordings import alter_about
from lockstep.errors import HostFailure, UsageError
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.build import live
from lockstep.session.config import MOST_MEMORY, MachineConfig
from lockstep.session.console import Console

DEMO = files("lockstep.ui") / "data" / "demo.elf"
CONFIG = MachineConfig(kernel=str(DEMO), bios="none", memory=16 << 20, idle="skip", seed=1)


def test_a_machine_bigger_than_the_host(tmp_path):
    """Who starts it can give it less; who replays it cannot. No recording is begun, or lost."""
    path = tmp_path / "r"
    huge = {"kernel": str(DEMO), "bios": "none", "memory": MOST_MEMORY}
    with limited_memory(), pytest.raises(UsageError, match="the host has no") as caught:
        api.record(path, **huge)
    assert caught.value.remedy == "give less --memory"
    assert not path.exists()
    api.record(path, **{**huge, "memory": 16 << 20})
    alter_about(path, "manifest", lambda it: it["machine"].update(memory=MOST_MEMORY))
    with limited_memory(), pytest.raises(HostFailure, match="the host has no") as caught:
        api.replay(path)
    assert "more memory" in caught.value.remedy


@contextmanager
def limited_memory():
    """Some hosts promise whatever they are asked for."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


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
