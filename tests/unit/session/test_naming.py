"""The numbers of recordings, and which one is meant if none is named."""

from itertools import islice

import pytest

from lockstep.errors import UsageError
from lockstep.session.naming import latest, link_latest, numbered


def names(stem, directory, count=1):
    """The first names to try."""
    return [path.name for path in islice(numbered(stem, directory), count)]


def test_a_number_is_higher_than_all_there_are(tmp_path):
    """Also than those whose recording is only just beginning, and of one that was deleted."""
    assert names("Image", tmp_path, 2) == ["Image-1.lockstep", "Image-2.lockstep"]
    for name in ("Image-2.lockstep", "Image-9.lockstep.abcdefgh.old", "other-77.lockstep"):
        (tmp_path / name).touch()
    assert names("Image", tmp_path) == ["Image-10.lockstep"]
    (tmp_path / "Image-12.lockstep-wal").touch()
    assert names("Image", tmp_path) == ["Image-13.lockstep"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("vm linux\x1b[m", "vm_linux__m-1.lockstep"),
        (".hidden", "hidden-1.lockstep"),
        ("--force", "force-1.lockstep"),
        ("..", "recording-1.lockstep"),
    ],
)
def test_a_name_is_easy_to_type(tmp_path, stem, name):
    """Whatever the kernel is called."""
    assert names(stem, tmp_path) == [name]


def test_there_is_an_end_to_the_names(tmp_path):
    """If each of them is taken meanwhile."""
    with pytest.raises(UsageError, match="all taken"):
        list(numbered("Image", tmp_path))


def test_the_link_leads_to_the_newest(tmp_path):
    """And is replaced at once; it leads there wherever the directory is moved to."""
    for name in ("a", "b"):
        (tmp_path / name).touch()
        assert link_latest(tmp_path / name)
        assert latest(tmp_path) == tmp_path / name
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert latest(moved) == moved / "b"
    assert sorted(each.name for each in moved.iterdir()) == ["a", "b", "latest.lockstep"]


def test_a_file_of_that_name_is_not_replaced(tmp_path):
    """It is somebody's own, and is the one that is meant."""
    (tmp_path / "latest.lockstep").write_text("mine")
    assert not link_latest(tmp_path / "a")
    assert latest(tmp_path).read_text() == "mine"


def test_a_directory_without_a_latest_one(tmp_path):
    """Is told from one whose latest was deleted, by name."""
    with pytest.raises(UsageError, match=r"latest\.lockstep, is not there"):
        latest(tmp_path)
    (tmp_path / "latest.lockstep").symlink_to("Image-3.lockstep")
    with pytest.raises(UsageError, match=r"Image-3\.lockstep, is not there"):
        latest(tmp_path)


@pytest.mark.parametrize("target", ["../mine.lockstep", "/etc/passwd"])
def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path, target):
    """A directory may be a stranger's, and some verbs write."""
    (tmp_path / "latest.lockstep").symlink_to(target)
    with pytest.raises(UsageError, match="leads out of its directory"):
        latest(tmp_path)


def test_a_directory_where_nothing_can_be_made(tmp_path):
    """Has no link; the recording itself is elsewhere told of."""
    assert not link_latest(tmp_path / "gone" / "a")
