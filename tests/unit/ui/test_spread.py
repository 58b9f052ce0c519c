"""Options written once, as the fields of a dataclass."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from lockstep.ui.cli.spread import spread


@dataclass(frozen=True)
class Size:
    """A group of options."""

    width: Annotated[int, typer.Option(metavar="N", help="How wide.")] = 3
    tall: Annotated[bool, typer.Option("--tall", help="Or not.")] = False


def invoke(*arguments):
    """A verb with a group between an argument and an option of its own."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    @spread
    def draw(
        name: Annotated[str, typer.Argument()],
        size: Size,
        last: Annotated[int, typer.Option()] = 7,
    ) -> None:
        """Draw it."""
        typer.echo(f"{name} {size} {last}")

    return CliRunner().invoke(app, arguments)


def test_a_group_is_filled_from_its_options():
    """What is given, and the defaults of its fields for the rest."""
    assert invoke("it").stdout == "it Size(width=3, tall=False) 7\n"
    assert invoke("it", "--tall", "--width", "9").stdout == "it Size(width=9, tall=True) 7\n"


def test_the_help_tells_of_the_options_of_a_group():
    """As if the verb had them itself."""
    said = invoke("--help").stdout
    for words in ("--width N", "How wide.", "[default: 3]", "--tall", "--last", "Draw it."):
        assert words in said


def test_a_wrong_value_is_refused():
    """By the field's type."""
    done = invoke("it", "--width", "much")
    assert done.exit_code == 2
    assert "'much' is not a valid integer" in done.output
