"""Writes the reference tables from the code's own, and checks the links between the pages."""

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from lockstep.isa.csrs import CSRS
from lockstep.isa.table import table
from lockstep.replay.format import KINDS

DOCS = Path(__file__).parent
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)")
NOTE = "<!-- Written by `make docs` from the code: change it there. -->\n"


def first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0].replace("|", "\\|")


def instructions() -> Iterator[str]:
    yield f"# Instructions\n\n{NOTE}\nEvery one, from the table in `isa/ext`, by extension.\n"
    for extension, some in groupby(table(), key=lambda each: each.ext):
        yield f"\n## {extension}\n\n| instruction | encoding | meaning |\n|---|---|---|"
        for each in some:
            pattern = each.encoding.pattern.replace("|", "\\|")
            yield f"| `{each.name}` | `{pattern}` | {first_line(each.semantics.__doc__)} |"


def registers() -> Iterator[str]:
    yield f"# Control and status registers\n\n{NOTE}\nEvery one, from the table in `isa/csrs.py`.\n"
    yield "| number | name |\n|---|---|"
    for each in sorted(CSRS, key=lambda each: each.number):
        last = f" to `{each.number + each.count - 1:#05x}`" if each.count > 1 else ""
        yield f"| `{each.number:#05x}`{last} | `{each.name}` |"


def events() -> Iterator[str]:
    yield f"# Events\n\n{NOTE}\nEvery kind, from the table in `replay/format.py`.\n"
    yield "| number | kind | fields | meaning |\n|---|---|---|---|"
    for number, kind in sorted(KINDS.items()):
        fields = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
        yield f"| {number} | `{kind.kind}` | {fields} | {first_line(kind.__doc__)} |"


def broken_links() -> Iterator[str]:
    root = DOCS.parent
    for page in [*root.glob("*.md"), *DOCS.rglob("*.md"), root / "tests" / "README.md"]:
        for target in LINK.findall(page.read_text()):
            if not (page.parent / target).exists():
                yield f"{page.relative_to(root)}: there is no {target}"


def main() -> int:
    for write in (instructions, registers, events):
        page = DOCS / "reference" / f"{write.__name__}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(write()) + "\n")
    broken = list(broken_links())
    print("\n".join(broken) or "the pages are written and their links hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
