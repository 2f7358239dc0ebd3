"""Texts: how they are read, divided, numbered, and served."""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import RHYME

from recast.data.prepare.passages import PassageLoader
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.text import encode, prepare_text, vocabulary_of
from recast.data.sources.text import Text, TextSource, symbols_of
from recast.data.spec import UNKNOWN
from recast.data.text_datamodule import TextDataModule
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.spec import checked_text_spec


@given(st.text(), st.sampled_from(["character", "word"]))
def test_symbols_put_together_are_the_text(text, symbol):
    assert "".join(symbols_of(text, symbol, lower=False)) == text


def test_words_come_with_the_blank_before_them():
    found = symbols_of("Don't go,  Romeo!\n'Tis -- 3 o'clock.", "word", lower=True)
    assert found == ["don't", " go", ",", " ", " romeo", "!", "\n", "'", "tis", " --", " 3", " o'clock", "."]


def test_a_folder_is_one_text_in_the_order_of_names(tmp_path):
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.txt").write_bytes(b"fir\r\nst\n")
    (tmp_path / "c.md").write_text("none")
    with gzip.open(tmp_path / "d.txt.gz", "wt") as file:
        file.write("packed")
    assert "".join(TextSource(path=str(tmp_path)).read().symbols) == "fir\nst\nsecond\n"
    assert "".join(TextSource(path=str(tmp_path / "d.txt.gz")).read().symbols) == "packed\n"
    assert "".join(TextSource(path=str(tmp_path), pattern="*.md", lower=True).read().symbols) == "none\n"


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no such file"):
        TextSource(path=str(tmp_path / "absent.txt")).read()
    with pytest.raises(DataError, match=r"no file in this folder matches data.source.pattern=\*.txt"):
        TextSource(path=str(tmp_path)).read()
    with pytest.raises(DataError, match=r"data.source.pattern=: no glob pattern"):
        TextSource(path=str(tmp_path), pattern="").read()
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"it holds no text"):
        TextSource(path=str(tmp_path)).read()
    (tmp_path / "latin.txt").write_bytes("first\ncaf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.txt, line 2: found the byte 0xe9"):
        TextSource(path=str(tmp_path)).read()


def test_a_vocabulary_holds_what_is_frequent():
    symbols = [*"aaabbbccd", UNKNOWN]
    assert vocabulary_of(symbols, 1, None) == (UNKNOWN, "a", "b", "c", "d")
    assert vocabulary_of(symbols, 2, None) == (UNKNOWN, "a", "b", "c")
    assert vocabulary_of(symbols, 1, 1) == (UNKNOWN, "a")
    assert encode(list("dab"), (UNKNOWN, "a", "b")).tolist() == [0, 1, 2]


def prepared(symbols: str = RHYME, **options):
    text = Text("text", list(symbols))
    given_options = {"symbol": "character", "lower": False, "fewest": 1, "most": None} | options
    return prepare_text(text, split=FractionSplit(validation=0.25, test=0.25), **given_options)


def test_parts_follow_each_other_and_the_vocabulary_is_that_of_training():
    found = prepared("aabbaabb" + "ccca" + "abcd")
    assert found.ranges == {"train": (0, 8), "validation": (8, 12), "test": (12, 16)}
    assert found.spec.vocabulary == (UNKNOWN, "a", "b")
    assert found.codes[8:].tolist() == [0, 0, 0, 1, 1, 2, 0, 0]
    assert found.text("test") == f"ab{UNKNOWN}{UNKNOWN}"
    assert found.spec.lengths == (1, 1, 1)
    assert checked_text_spec(found.spec.to_dict()) == found.spec
    # As in checkpoints from before there were lines.
    assert checked_text_spec({k: v for k, v in found.spec.to_dict().items() if k != "lines"}) == found.spec
    # What is unknown counts in the fingerprint.
    assert prepared("aabbaabb" + "ccca" + "abce").fingerprint != found.fingerprint


def test_a_training_part_of_one_symbol_is_refused():
    with pytest.raises(DataError, match="has 1 different ones for the vocabulary, expected two or more"):
        prepared("aaaaaaaaab")


def test_a_spec_of_something_else_is_refused():
    good = prepared().spec.to_dict()
    for changed, says in (
        ({"masked": True}, "without gaps"),
        ({"columns": [good["columns"][0] | {"name": "byte"}]}, "named character or word"),
        ({"columns": [good["columns"][0] | {"levels": ["a", "b"]}]}, "named character or word"),
        ({"columns": [good["columns"][0] | {"levels": [UNKNOWN, ""]}]}, "an empty symbol"),
        ({"lower": 1}, "lower=1"),
        ({"lines": True, "columns": [good["columns"][0] | {"levels": [UNKNOWN, "a"]}]}, "without a line break"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            checked_text_spec(good | changed)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted),
    context=st.integers(1, 6),
    horizon=st.integers(1, 9),
    batch_size=st.integers(1, 4),
    world=st.integers(1, 3),
)
def test_passages_serve_every_symbol_once_with_what_stands_before_it(rows, context, horizon, batch_size, world):
    found = prepared((RHYME * 2)[:40])
    seen = []
    for rank in range(world):
        loader = PassageLoader(
            storage=found.storage,
            rows=tuple(rows),
            context=context,
            horizon=horizon,
            batch_size=batch_size,
            rank=rank,
            world=world,
        )
        batches = list(loader)
        assert len(batches) == len(loader)
        assert len(batches) <= 1 or all(len(batch.start) for batch in batches)
        for batch in batches:
            assert batch.context == context
            symbols = batch.categories.target[..., 0]
            for start, window in zip(batch.start.tolist(), symbols.tolist(), strict=True):
                assert window == found.codes[start : start + len(window)].tolist()
                seen += range(start + context, start + len(window))
    assert sorted(seen) == list(range(max(rows[0], context), max(rows[1], context)))


def module(tmp_path, text=RHYME * 12, **options) -> TextDataModule:
    path = tmp_path / "text.txt"
    path.write_text(text)
    small = {"chunk": 8, "warmup": 5, "passage": 16, "batch_size": 4, "evaluation_batch_size": 2}
    return TextDataModule(source=TextSource(path=str(path)), **small | options)


def test_training_streams_go_on_where_they_were(tmp_path):
    data = module(tmp_path)
    codes = data.prepared.codes
    before = None
    batches = list(data.train_dataloader())
    assert len(batches) > 2
    for batch in batches:
        assert (batch.context, batch.categories.target.shape) == (8, (4, 9, 1))
        for start, window in zip(batch.start.tolist(), batch.categories.target[..., 0].tolist(), strict=True):
            assert window == codes[start : start + 9].tolist()
        if before is None:
            assert not batch.carried.any()
        else:
            assert (batch.carried == (batch.start == before + 8)).all()
            assert batch.carried.any()
        before = batch.start
    assert int(before.max()) + 9 <= data.prepared.ranges["train"][1]


def test_too_short_a_text_for_its_streams_is_refused(tmp_path):
    data = module(tmp_path, batch_size=400)
    with pytest.raises(ConfigurationError, match="expected 3 chunks of 8 for each of 400 streams"):
        data.train_dataloader()


def test_another_text_is_read_in_the_vocabulary_of_the_model(tmp_path):
    data = module(tmp_path)
    spec = data.spec
    other = tmp_path / "other.txt"
    other.write_text("a zebra sat")
    data.adopt(spec, str(other))
    assert data.spec == spec
    assert data.prepared.ranges["test"] == (0, 12)
    assert data.prepared.text("test") == f"a {UNKNOWN}e{UNKNOWN}ra sat\n"
    assert data.items("test").tolist() == list(range(5, 12))
    assert sum(batch.categories.target.shape[1] - 5 for batch in data.test_dataloader()) == 7
    data.adopt(spec)
    assert data.prepared.ranges["train"][0] == 0
    assert len(data.val_dataloader()) > 0


def test_without_validation_there_are_no_batches_of_it(tmp_path):
    data = module(tmp_path, split=FractionSplit(validation=0.0, test=0.1))
    assert data.val_dataloader() == []


def test_a_resumed_loader_goes_on(tmp_path):
    whole = [batch.start for batch in module(tmp_path).train_dataloader()]
    loader = module(tmp_path).train_dataloader()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    other = module(tmp_path).train_dataloader()
    other.load_state_dict(state)
    assert torch.equal(torch.stack([batch.start for batch in other]), torch.stack(whole[1:]))


def test_values_of_a_text_are_numbers_of_levels():
    assert np.issubdtype(prepared().codes.dtype, np.integer)
