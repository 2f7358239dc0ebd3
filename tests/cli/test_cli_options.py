"""recast-options explains every option."""

import pytest
from commands import run, scratch, shell


def options(*overrides: str) -> str:
    done = run("recast-options", *overrides, cwd=scratch())
    assert done.code == 0, done
    assert done.err == ""
    return done.out


def row(text: str, key: str) -> str:
    """What is said of an option, in one line: key=value, the meaning, type [unit], default, class."""
    (found,) = [part for part in text.split("\n\n") if part.startswith(f"{key}=")]
    return " ".join(found.split())


def test_value_type_default_unit_and_meaning():
    text = options()
    for key, words in {
        "model.cell.hidden_size": ("=64 Number of hidden units.", "integer >= 1", "default: 64"),
        "data.windows.context": ("=800", "integer >= 1 [steps]", "of recast.data.prepare.windows.Windows"),
        "model.dropout": ("=0.0", "number in [0, 1)", "default: 0.0"),
        "data.source.days": ("Length of the record.", "number > 0 [days]"),
        "model.mask_unit": ("=step", "one of: step, sequence, batch"),
        "trainer.max_epochs": ("=5",),
        "seed": ("=0", "integer in [0, "),
    }.items():
        for word in words:
            assert word in row(text, key), (key, word)


@pytest.mark.parametrize(
    ("overrides", "key", "word"),
    [
        (("model/cell=lstm",), "model.cell.gate_init.bias", "3.0"),
        (("data=ssh",), "data.source.path", "santos_ssh.csv"),
        (("model/head=gaussian",), "model.head.min_std", "0.001"),
        (("model/schedule=inverse_sigmoid",), "model.schedule.half", "null"),
        (("callbacks=early_stopping",), "callbacks.early_stopping.patience", "5"),
        (("model.cell.hidden_size=7",), "model.cell.hidden_size", "7"),
        (("data=csv",), "data.source.path", "???"),
    ],
)
def test_overrides_are_shown(overrides, key, word):
    assert word in row(options(*overrides), key)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model/cell=lst", "did you mean lstm"),
        ("model.cell.hiden=3", "did you mean hidden_size"),
        ("seed", "seed: expected option=value, as in seed=..."),
        ("--config-dir=none", "--config-dir=none: no such folder"),
    ],
)
def test_a_wrong_override_is_refused(override, says):
    done = run("recast-options", override, cwd=scratch())
    assert done.code == 2
    assert says in done.err
    assert done.out == ""


@pytest.mark.slow
def test_in_a_shell():
    done = shell("recast-options", "data=stock", cwd=scratch())
    assert done.code == 0, done
    assert "USD" in row(done.out, "data.source.currency")
