"""What campaigns came to is kept, and the page tells it."""

from pathlib import Path

from stress.report import Entry, keep, kept, text
from stress.result import Result

ENTRY = Entry(
    "kills",
    "nothing is lost",
    Result(200, ["number 7 was"], [("lost tail", "3 ms")]),
    61.4,
    "2031-02-03 04:05 UTC",
    "a machine",
    "abcdef1",
)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    keep(ENTRY, tmp_path / "new")
    assert kept("kills", tmp_path / "new") == ENTRY


def test_nothing_comes_of_a_campaign_that_was_not_run_or_cannot_be_read(tmp_path: Path) -> None:
    assert kept("kills", tmp_path) is None
    (tmp_path / "kills.json").write_text('{"name": "kills"}')
    assert kept("kills", tmp_path) is None


def test_the_page_has_a_row_and_a_section_for_each() -> None:
    page = text([ENTRY])
    assert "| [kills](#kills) | nothing is lost | 200 | 1 | 61 s |" in page
    section = page.partition("## kills")[2]
    assert "2031-02-03 04:05 UTC, commit abcdef1, a machine" in section
    assert "| lost tail | 3 ms |" in section
    assert "number 7 was" in section
