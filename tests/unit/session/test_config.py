"""What a machine may be made of."""

import msgspec
import pytest

from lockstep.errors import BadRecording, UsageError
from lockstep.machine.board import VERSION
from lockstep.session.config import MachineConfig, config_from_manifest, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 << 20),
        ("2G", 2 << 30),
        ("128", 128 << 20),
        ("64k", 64 << 10),
        ("1GiB", 1 << 30),
        ("16MB", 16 << 20),
        ("16 MiB", 16 << 20),  # as `info` prints it
        ("262,144 bytes", 262_144),  # as messages and `info` do
        ("1,024B", 1024),
        ("1_024", 1 << 30),
    ],
)
def test_sizes(text, size):
    """As QEMU writes them: a plain number is in MiB."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "lots", "1P", "9" * 40])
def test_what_is_not_a_size(text):
    """A remedy comes along."""
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.remedy


def test_a_configuration_survives_the_manifest():
    """Through JSON and back."""
    config = MachineConfig(memory=64 << 20, smp=3, kernel="/k", seed=-5, idle="skip")
    stored = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(config)))
    assert config_from_manifest(stored) == config


def test_a_manifest_from_before_there_were_versions_means_the_first():
    """The guest would see the difference."""
    assert config_from_manifest({"smp": 2}).version == 1
    assert config_from_manifest({"smp": 2, "version": 2}).version == 2
    with pytest.raises(BadRecording, match="version"):
        config_from_manifest({"version": VERSION + 1})


@pytest.mark.parametrize("machine", [{"smp": 9}, {"smp": "two"}, {"engine": "steam"}])
def test_a_manifest_from_a_stranger_is_checked(machine):
    """A damaged or malicious one is an error of the recording, not of the user."""
    with pytest.raises(BadRecording, match="cannot be built"):
        config_from_manifest(machine)


@pytest.mark.parametrize("quantum", [0, -1, 1 << 64])
def test_a_quantum_that_no_hart_can_run(quantum):
    """With none at all the turn would go round for ever."""
    with pytest.raises(UsageError, match="quantum"):
        MachineConfig(quantum=quantum).check()


def test_options_that_need_a_kernel():
    """There is nobody to read them otherwise."""
    for options in ({"append": "quiet"}, {"initrd": "/i"}):
        with pytest.raises(UsageError, match="needs a kernel"):
            MachineConfig(bios="/b", **options).check()
