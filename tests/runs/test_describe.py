"""The list of all options."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from rich.text import Text
from torch.optim import Optimizer

from recast.errors import ConfigurationError
from recast.nn.schedules import Schedule
from recast.options import NonNegativeInt, PositiveInt, Probability, checked
from recast.runs.configure.check import check
from recast.runs.configure.describe import OptionRow, describe, render
from recast.runs.configure.targets import ALLOWED

HERE = __name__
EVERYTHING = (*ALLOWED, f"{HERE}.")


class Part:
    """A base.

    Args:
        size: How large
            the part is. [units]
        share: Share of it, in [0, 1].
    """


class Small(Part):
    """A part: small.

    Args:
        share: Share: of the small one.
        way: Path it takes. [steps or epochs, see by]

    Raises:
        ConfigurationError: never.
    """

    @checked
    def __init__(self, *, given: int, size: PositiveInt, share: Probability = 0.5, way: str | None = None) -> None: ...


class Bare(Part):
    def __init__(self, *, secret: str = "a b") -> None: ...


@dataclass(kw_only=True)
class Options:
    """All options.

    Args:
        part: The part.
        parts: More of them, by name.
        line: Some in a row.
        seed: Start of the random numbers.
        optimizer: What moves the weights.
        schedule: How often the truth is fed.
    """

    part: Callable[..., Part]
    parts: dict[str, Part] = field(default_factory=dict)
    line: list[Part] | None = None
    seed: NonNegativeInt = 0
    optimizer: Callable[..., Optimizer] | None = None
    schedule: Schedule | None = None


def small(**options):
    return {"_target_": f"{HERE}.Small", "_partial_": True, **options}


def bare(**options):
    return {"_target_": f"{HERE}.Bare", **options}


def rows(config):
    return {row.key: row for row in describe(config, Options, allowed=EVERYTHING)}


def test_rows_are_complete():
    config = {"part": small(size=3), "seed": 7}
    check(config, Options, allowed=EVERYTHING)
    assert describe(config, Options, allowed=EVERYTHING)[:5] == [
        OptionRow("part", f"{HERE}.Small", "a Part", "required", "", "The part.", f"{HERE}.Options"),
        OptionRow("part.size", "3", "integer >= 1", "required", "units", "How large the part is.", f"{HERE}.Small"),
        OptionRow("part.share", "0.5", "number in [0, 1]", "0.5", "", "Share: of the small one.", f"{HERE}.Small"),
        OptionRow(
            "part.way",
            "null",
            "text or none",
            "null",
            "steps or epochs, see by",
            "Path it takes.",
            f"{HERE}.Small",
        ),
        OptionRow("parts", "{}", "mapping of name to a Part", "{}", "", "More of them, by name.", f"{HERE}.Options"),
    ]


def test_options_left_out_show_their_default():
    found = rows({"part": small(size=3)})
    assert (found["seed"].value, found["seed"].default) == ("0", "0")
    assert (found["line"].value, found["optimizer"].value) == ("null", "null")


def test_value_differs_from_default():
    found = rows({"part": small(size=3, share=0.25), "seed": 7})
    assert (found["seed"].value, found["seed"].default) == ("7", "0")
    assert (found["part.share"].value, found["part.share"].default) == ("0.25", "0.5")


def test_missing_values_are_shown_as_missing():
    assert (rows({})["part"].value, rows({})["part"].default) == ("???", "required")
    assert rows({"part": small(size="???")})["part.size"].value == "???"


def test_what_the_program_gives_is_left_out():
    assert "part.given" not in rows({"part": small(size=3)})
    assert "optimizer.params" not in rows(
        {"part": small(), "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True}}
    )


def test_parts_in_containers():
    found = rows({"part": small(), "parts": {"a": bare(secret="x")}, "line": [bare(), bare(secret="y")]})
    assert found["parts"].value == "{a: " + HERE + ".Bare}"
    assert found["parts.a.secret"].value == "x"
    assert found["line[0].secret"].value == "'a b'"
    assert found["line[1].secret"].value == "y"


def test_undocumented_option_has_no_meaning():
    row = rows({"part": small(), "parts": {"a": bare()}})["parts.a.secret"]
    assert (row.meaning, row.unit) == ("", "")


def test_interval_is_not_a_unit():
    class Child(Part):
        def __init__(self, *, share: float = 0.0) -> None: ...

    (row,) = describe({}, Child)
    assert (row.meaning, row.unit) == ("Share of it, in [0, 1].", "")


def test_real_parts():
    config = {
        "part": small(),
        "schedule": {"_target_": "recast.nn.schedules.Linear", "start": 0.75},
        "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.25},
    }
    found = rows(config)
    start = found["schedule.start"]
    assert (start.value, start.default, start.type) == ("0.75", "1.0", "number in [0, 1]")
    assert start.meaning
    assert start.owner == "recast.nn.schedules.Linear"
    assert found["optimizer.lr"].value == "0.25"
    assert "learning rate" in found["optimizer.lr"].meaning


def test_options_of_the_trainer_are_documented():
    from lightning.pytorch import Trainer

    found = {row.key: row for row in describe({}, Trainer)}
    assert "Stop training once this number of epochs is reached" in found["max_epochs"].meaning


def test_class_that_may_not_be_named():
    with pytest.raises(ConfigurationError, match="may not be named"):
        describe({"part": {"_target_": "os.system"}}, Options)


LONG = OptionRow(
    "part.size", "3", "integer >= 1", "required", "units", "A meaning " * 30 + "that ends.", "some.module.Part"
)
SHORT = OptionRow("seed", "0", "integer >= 0", "0", "", "Start of the random numbers.", "some.Options")


def test_plain_text():
    assert render([SHORT, LONG._replace(meaning="Size.")]) == (
        "seed=0\n"
        "    Start of the random numbers.\n"
        "    integer >= 0; default: 0; of some.Options\n"
        "\n"
        "part.size=3\n"
        "    Size.\n"
        "    integer >= 1 [units]; required; of some.module.Part\n"
    )


@pytest.mark.parametrize("width", [60, 100, 140])
@pytest.mark.parametrize("terminal", [False, True])
def test_long_meanings_wrap(width, terminal):
    text = render([LONG, SHORT], terminal=terminal, width=width)
    lines = [Text.from_ansi(line).plain for line in text.splitlines()]
    assert max(map(len, lines)) <= width
    assert " ".join(lines).count("meaning") >= 30
    assert any("ends." in line for line in lines)


def test_plain_text_has_no_escapes_and_a_terminal_has():
    assert "\x1b" not in render([SHORT])
    assert "\x1b[1m" in render([SHORT], terminal=True)


def test_narrow_terminal_gets_paragraphs():
    assert render([SHORT], terminal=True, width=80) == render([SHORT], width=80)
    assert render([SHORT], terminal=True, width=100) != render([SHORT], width=100)


def test_key_is_not_cut_in_a_table():
    row = SHORT._replace(key="model.cell.a_rather_long_name_of_an_option")
    assert row.key in render([row], terminal=True, width=100)


def test_what_differs_from_the_default_stands_out():
    assert "\x1b[1m0" not in render([SHORT], terminal=True)
    assert "\x1b[1m7" in render([SHORT._replace(value="7")], terminal=True)


def test_brackets_survive_the_terminal():
    row = SHORT._replace(value="[1, 2]", type="number in [0, 1]", unit="bold", meaning="See [red].")
    shown = Text.from_ansi(render([row], terminal=True, width=200)).plain
    for text in ("[1, 2]", "number in [0, 1] [bold]", "See [red]."):
        assert text in shown


def test_no_rows():
    assert render([]) == ""
