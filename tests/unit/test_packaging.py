"""What the distribution says of itself, and what it asks for."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
REQUIREMENT = re.compile(r"(?P<name>[\w-]+)>=(?P<least>[\d.]+),<(?P<below>[\d.]+)")


def pinned(name: str) -> dict[str, str]:
    lines = (TOP / name).read_text().splitlines()
    return dict(line.split("==") for line in lines)


def test_every_dependency_is_bounded_on_both_sides() -> None:
    """What is not out yet may break what is used."""
    for each in PROJECT["dependencies"]:
        assert REQUIREMENT.fullmatch(each), each


def test_the_lower_bounds_are_the_ones_that_are_tried() -> None:
    """`make lowest` installs exactly them."""
    bounds = (REQUIREMENT.fullmatch(each) for each in PROJECT["dependencies"])
    assert {each["name"]: each["least"] for each in bounds if each} == pinned(
        "constraints-lowest.txt"
    )


@pytest.mark.parametrize("name", [*PROJECT["dependencies"], *pinned("constraints.txt")])
def test_the_constraints_are_of_what_is_installed(name: str) -> None:
    """Every dependency has one, and nothing has one that nothing brings."""
    bare = re.split(r"[<>=]", name)[0]
    assert bare in pinned("constraints.txt")
    try:
        installed = version(bare)
    except PackageNotFoundError:
        # A sample of the tests runs where only the lower bounds are installed.
        lowest = pinned("constraints-lowest.txt")
        assert version("msgspec").startswith(lowest["msgspec"]), f"nothing brings {bare}"
    else:
        assert installed


def test_the_name_is_free_and_the_command_keeps_its_own() -> None:
    """On the package index "lockstep" is another's."""
    found = distribution("lockstep-riscv")
    (script,) = (each for each in found.entry_points if each.group == "console_scripts")
    assert (script.name, script.value) == ("lockstep", "lockstep.__main__:main")


def test_the_metadata_says_licence_author_and_what_it_is_for() -> None:
    metadata = distribution("lockstep-riscv").metadata
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Operating System :: POSIX :: Linux" in metadata.get_all("Classifier")


def test_a_source_distribution_has_the_tests_and_the_docs() -> None:
    """Whatever there is at the top of the tree, but for what is made."""
    said = (TOP / "MANIFEST.in").read_text()
    for name in ("tests", "docs", "guests", "bench", "stress"):
        assert f"graft {name}\n" in said
    assert "constraints-lowest.txt" in said
