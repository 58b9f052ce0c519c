"""Image files: read, and found again unchanged."""

import hashlib
import os

import pytest

from lockstep.errors import BadRecording, UsageError
from lockstep.replay.format import Image
from lockstep.session import images
from lockstep.session.config import MachineConfig


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(b"code")
    return path


def expected(loaded):
    return [Image(each.role, each.sha256, len(each.data)) for each in loaded]


def test_images_are_named_by_absolute_path(kernel, monkeypatch):
    """So that the recording is replayed from anywhere."""
    monkeypatch.chdir(kernel.parent)
    config, loaded = images.load_images(MachineConfig(bios="none", kernel="kernel"))
    assert config.kernel == str(kernel)
    assert config.bios == "none"
    assert [(each.role, each.data) for each in loaded] == [("kernel", b"code")]
    assert loaded[0].sha256 == hashlib.sha256(b"code").hexdigest()


def test_an_image_in_the_recording_needs_no_file(kernel):
    """And is preferred."""
    config, loaded = images.load_images(MachineConfig(bios="none", kernel=str(kernel)))
    kernel.unlink()
    again = images.reload_images(config, expected(loaded), lambda sha256: b"code")
    assert again == loaded


def test_an_embedded_image_is_checked_too(kernel):
    """Its hash is in the manifest."""
    config, loaded = images.load_images(MachineConfig(bios="none", kernel=str(kernel)))
    with pytest.raises(BadRecording, match="has changed"):
        images.reload_images(config, expected(loaded), lambda sha256: b"other")


def test_a_manifest_cannot_name_any_attribute_as_an_image():
    """Only what a machine has."""
    with pytest.raises(BadRecording, match="no machine"):
        images.reload_images(MachineConfig(), [Image("__class__", "00", 0)], lambda sha256: None)


@pytest.mark.parametrize("there", ["fifo", "device", "directory", "bigger"])
def test_what_cannot_be_the_image_is_not_even_read(kernel, there):
    """A recording may name anything, and some files never end."""
    config, loaded = images.load_images(MachineConfig(bios="none", kernel=str(kernel)))
    kernel.unlink()
    if there == "fifo":
        os.mkfifo(kernel)
    elif there == "device":
        kernel.symlink_to("/dev/zero")
    elif there == "directory":
        kernel.mkdir()
    else:
        kernel.write_bytes(b"code and more")
    with pytest.raises(BadRecording, match="has changed") as caught:
        images.reload_images(config, expected(loaded), lambda sha256: None)
    assert loaded[0].sha256 in caught.value.remedy


@pytest.mark.parametrize("there", ["fifo", "device", "directory", "sparse"])
@pytest.mark.parametrize("role", images.ROLES)
def test_an_image_is_a_plain_file_of_bounded_size(tmp_path, role, there):
    """Nobody waits for a FIFO, nor reads until the memory is full."""
    path = tmp_path / "image"
    if there == "fifo":
        os.mkfifo(path)
    elif there == "device":
        path.symlink_to("/dev/zero")
    elif there == "directory":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(UsageError, match=f"the {role} .* cannot be read: it ") as caught:
        images.load_images(MachineConfig(**{"bios": "none", role: str(path)}))
    assert f"--{role}" in caught.value.remedy


def test_default_firmware_is_looked_for(kernel, monkeypatch, tmp_path):
    """In the fetched guests first; then the system's; then there is a remedy."""
    monkeypatch.setattr(images, "guests_directory", lambda: tmp_path / "guests")
    monkeypatch.setattr(images, "_SYSTEM_FIRMWARE", (str(tmp_path / "system.bin"),))
    wanted = MachineConfig(kernel=str(kernel))
    with pytest.raises(UsageError) as caught:
        images.load_images(wanted)
    assert "guests fetch" in caught.value.remedy
    (tmp_path / "system.bin").write_bytes(b"system")
    assert images.load_images(wanted)[0].bios == str(tmp_path / "system.bin")
    (tmp_path / "guests").mkdir()
    (tmp_path / "guests" / "fw_dynamic.bin").write_bytes(b"fetched")
    assert images.load_images(wanted)[0].bios == str(tmp_path / "guests" / "fw_dynamic.bin")
