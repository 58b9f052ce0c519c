"""Image files: read, and found again unchanged."""

import hashlib

import pytest

from lockstep.errors import BadRecording, UsageError
from lockstep.session import images
from lockstep.session.config import MachineConfig


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(b"code")
    return path


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
    again = images.reload_images(config, {"kernel": loaded[0].sha256}, lambda sha256: b"code")
    assert again == loaded


def test_an_embedded_image_is_checked_too(kernel):
    """Its hash is in the manifest."""
    config, loaded = images.load_images(MachineConfig(bios="none", kernel=str(kernel)))
    with pytest.raises(BadRecording, match="has changed"):
        images.reload_images(config, {"kernel": loaded[0].sha256}, lambda sha256: b"other")


def test_a_manifest_cannot_name_any_attribute_as_an_image():
    """Only what a machine has."""
    with pytest.raises(BadRecording, match="no machine"):
        images.reload_images(MachineConfig(), {"__class__": "00"}, lambda sha256: None)


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
