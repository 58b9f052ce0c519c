"""Image files: read before a run."""

import hashlib
import os

import pytest

from lockstep.errors import UsageError
from lockstep.session import images
from lockstep.session.config import MachineConfig


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(b"code")
    return path


def test_images_are_named_by_absolute_path(kernel, monkeypatch):
    """So that they are found from anywhere."""
    monkeypatch.chdir(kernel.parent)
    config, loaded = images.load_images(MachineConfig(bios="none", kernel="kernel"))
    assert config.kernel == str(kernel)
    assert config.bios == "none"
    assert [(each.role, each.data) for each in loaded] == [("kernel", b"code")]
    assert loaded[0].sha256 == hashlib.sha256(b"code").hexdigest()


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
