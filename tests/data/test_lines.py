"""Texts whose lines stand each alone: how they are divided, and served."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.prepare.lines import LineLoader, in_lines
from recast.data.prepare.order import Order
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.text import PreparedText, prepare_other_text, prepare_text
from recast.data.sources.copying import Copying
from recast.data.sources.text import Text, TextSource
from recast.data.spec import LINE_BREAK, UNKNOWN
from recast.data.text_datamodule import TextDataModule
from recast.errors import DataError
from recast.runs.checkpoints.spec import checked_text_spec

NAMES = ["anna", "bob", "", "nan", "abba", "o", "banana", "noon", "boa", "ann"]


def prepared(names=NAMES, validation=0.2, test=0.2, **options) -> PreparedText:
    text = Text("names", list("\n".join(names)))
    given_options = {"symbol": "character", "lower": False, "fewest": 1, "most": None, "lines": True} | options
    return prepare_text(text, split=FractionSplit(validation=validation, test=test), **given_options)


def lines_of(found: PreparedText, part: str) -> list[str]:
    text = found.text(part)
    assert text.startswith(LINE_BREAK)
    return text[1:].split(LINE_BREAK)


def test_every_line_has_a_break_before_it_and_one_after():
    for text in ("a\nb", "a\nb\n"):
        assert "".join(in_lines(Text("text", list(text))).symbols) == "\na\nb\n"


@given(st.lists(st.text("ab", max_size=4), min_size=4, max_size=12), st.floats(0.0, 0.4), st.floats(0.1, 0.4))
def test_parts_are_of_whole_lines_and_lose_none(names, validation, test):
    names = ["abc", *names, "ab", "a"]
    found = prepared(names, validation, test)
    ranges = found.ranges
    assert ranges["train"][1] == ranges["validation"][0]
    assert ranges["validation"][1] == ranges["test"][0]
    # The break at the end of the last line is beyond the range.
    assert ranges["test"][1] == len(found.codes) - 1
    parts = [lines_of(found, part) for part in ranges if ranges[part][0] < ranges[part][1]]
    assert [line.replace(UNKNOWN, "?") for part in parts for line in part] == [
        "".join(c if c in found.spec.vocabulary else "?" for c in name) for name in names
    ]


def rows_of(batch) -> list[list[int]]:
    symbols = batch.categories.target[..., 0]
    return [row[:length] for row, length in zip(symbols.tolist(), batch.lengths.tolist(), strict=True)]


def loaders(found: PreparedText, batch_size: int, world: int) -> list[LineLoader]:
    items = torch.arange(len(found.panel.starts) - 1)
    return [
        LineLoader(storage=found.storage, order=Order(items, batch_size, shuffle=True, seed=3, rank=rank, world=world))
        for rank in range(world)
    ]


def test_a_batch_has_lines_from_break_to_break_padded_to_the_longest():
    found = prepared()
    (loader,) = loaders(found, 4, 1)
    vocabulary = found.spec.vocabulary
    batches = list(loader)
    read = ["".join(vocabulary[code] for code in row) for batch in batches for row in rows_of(batch)]
    assert sorted(read) == sorted(f"\n{name}\n" for name in NAMES)
    assert [batch.categories.target.shape[1] for batch in batches] == [int(batch.lengths.max()) for batch in batches]
    assert all(batch.context == batch.categories.target.shape[1] for batch in batches)
    assert all(batch.carried is None and batch.share is None for batch in batches)


@settings(max_examples=40, deadline=None)
@given(batch_size=st.integers(1, 5), world=st.integers(2, 4))
def test_shares_of_processes_are_those_of_symbols(batch_size, world):
    """The mean of weighted means over processes is the mean over all symbols of the global batch."""
    found = prepared()
    worth = torch.arange(float(len(found.spec.vocabulary)))
    (alone,) = loaders(found, batch_size * world, 1)
    for whole, *parts in zip(alone, *loaders(found, batch_size, world), strict=True):
        symbols = [code for row in rows_of(whole) for code in row[1:]]
        means, counted = [], 0
        for part in parts:
            own = [code for row in rows_of(part) for code in row[1:]]
            assert part.share.total == len(symbols)
            if part.share.weight:
                assert symbols[part.share.first : part.share.first + len(own)] == own
                counted += len(own)
            means.append(part.share.weight * float(worth[own].mean()))
        assert counted == len(symbols)
        assert sum(means) / world == pytest.approx(float(worth[symbols].mean()))


def test_a_text_whose_breaks_are_too_rare_is_refused():
    with pytest.raises(DataError, match="line breaks are not in the vocabulary of the training part"):
        prepared(["abababab", "babababa"], validation=0.0, test=0.1, fewest=3)


def test_another_text_is_read_in_lines_too(tmp_path):
    spec = prepared().spec
    assert spec.lines
    assert checked_text_spec(spec.to_dict()) == spec
    other = prepare_other_text(Text("other", list("nob\nzoo")), spec, None)
    assert lines_of(other, "test") == ["nob", f"{UNKNOWN}oo"]
    assert other.ranges["train"] == (0, 0)


def module(tmp_path, **options) -> TextDataModule:
    (tmp_path / "names.txt").write_text("\n".join(NAMES * 4) + "\n")
    source = TextSource(path=str(tmp_path / "names.txt"))
    return TextDataModule(source=source, lines=True, batch_size=4, evaluation_batch_size=3, **options)


def test_a_module_trains_on_shuffled_lines_and_scores_each_symbol_in_order(tmp_path):
    data = module(tmp_path)
    codes = data.prepared.codes
    for part, loader in (("validation", data.val_dataloader()), ("test", data.test_dataloader())):
        scored = [code for batch in loader for row in rows_of(batch) for code in row[1:]]
        assert scored == codes[data.items(part)].tolist()
    loader = data.train_dataloader()
    first, second = ([row for batch in loader for row in rows_of(batch)] for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second)
    assert sum(len(row) - 1 for row in first) == data.prepared.ranges["train"][1]
    assert module(tmp_path, split=FractionSplit(validation=0.0, test=0.1)).val_dataloader() == []


def test_copying_asks_for_its_first_letters_after_so_many_steps():
    source = Copying(lines=900, length=6, letters=3, levels=4)
    text = "".join(source.read().symbols)
    assert text == "".join(source.read().symbols)
    assert text != "".join(Copying(lines=900, length=6, letters=3, levels=4, seed=1).read().symbols)
    lines = text.splitlines()
    assert len(lines) == 900
    assert {line[:3] == line[-3:] and line[3:-3] == ".....?" for line in lines} == {True}
    assert set(text) == set("abcd.?\n")
    assert len({line[:3] for line in lines}) == 4**3


def test_the_bound_of_copying_is_what_its_page_says():
    source = Copying(lines=2)
    symbols = len(source.read().symbols) / 2
    assert symbols == 500 + 2 * 10 + 1
    assert 10 * math.log(8) / symbols == pytest.approx(0.03991, abs=5e-6)


def test_a_copying_model_can_read_a_file(tmp_path):
    (tmp_path / "own.txt").write_text("ab..?ab\n")
    assert "".join(Copying().read_file(str(tmp_path / "own.txt")).symbols) == "ab..?ab\n"
