"""Labelled sequences: read strictly, split by class, scaled on training rows, gathered right."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sequences import sequences_of, spec_of
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.preprocessing import StandardScaler
from ts_files import CLASSES, ts_text, turning, write_turning

from recast.data.panel import Panel
from recast.data.prepare.loader import SequenceLoader
from recast.data.prepare.order import Order
from recast.data.prepare.scale import MinMax, NoScaling
from recast.data.prepare.sequences import prepare_unseen, stratified
from recast.data.sequence_datamodule import SequenceDataModule
from recast.data.sources.ts_file import TsSource
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.spec import checked_sequence_spec
from recast.runs.predictions import Predictions
from recast.runs.scores import class_scores
from recast.scoring.baselines.class_baselines import Majority, SummaryRidge, summary
from recast.scoring.metrics.accuracy import Accuracy
from recast.scoring.metrics.macro_f1 import MacroF1
from recast.types import Batch

VOWELS = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "JapaneseVowels_TRAIN.ts"
HEAD = "@problemName x\n@dimensions 2\n@classLabel true a b\n@data\n"


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    return write_turning(tmp_path)


def source_of(train: Path, test: Path, **options) -> TsSource:
    return TsSource(path=str(train), test_path=str(test), **options)


def read_text(tmp_path: Path, text: str, **options) -> Panel:
    path = tmp_path / "file.ts"
    path.write_text(text)
    return source_of(path, path, **options).read()[0]


def values_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    assert batch.lengths is not None
    assert batch.label is not None
    return batch.past, batch.lengths, batch.label


# Reading


@pytest.mark.parametrize("part", ["train", "test"])
def test_what_was_written_is_read(files, part):
    train, test = source_of(*files).read()
    found = train if part == "train" else test
    sequences, labels = turning(60, 0) if part == "train" else turning(30, 1, longest=17)
    assert found.classes == CLASSES
    assert [found.classes[label] for label in found.labels] == labels
    assert np.array_equal(found.values, np.concatenate(sequences))
    assert found.lengths.tolist() == [len(sequence) for sequence in sequences]


def test_the_real_file():
    if not VOWELS.exists():
        pytest.skip(f"{VOWELS.name} is absent")
    train, test = source_of(VOWELS, VOWELS.with_name("JapaneseVowels_TEST.ts")).read()
    assert (len(train.ids), len(test.ids), len(train.names)) == (270, 370, 12)
    assert (train.lengths.min(), train.lengths.max(), test.lengths.min(), test.lengths.max()) == (7, 26, 7, 29)
    assert np.bincount(train.labels).tolist() == [30] * 9
    assert np.bincount(test.labels).max() / len(test.ids) == pytest.approx(0.238, abs=5e-4)
    assert train.values[:3, 0].tolist() == [1.860936, 1.891651, 1.939205]


def test_names_and_units_are_given_or_made(files):
    assert source_of(*files).read()[0].names == ("dim1", "dim2")
    named = source_of(*files, names=["east", "north"], units=["m", "m"]).read()[1]
    assert (named.names, named.units) == (("east", "north"), ("m", "m"))


def test_comments_capitals_blanks_and_line_ends_do_not_matter(tmp_path):
    text = (
        "# a comment\r\n%\r\n@PROBLEMNAME x\r\n@Dimensions 2\r\n@ClassLabel TRUE a b\r\n\r\n@Data\r\n1, 2:3,4: a \r\n"
    )
    found = read_text(tmp_path, text + "\r\n-1e3:.5:b")
    assert found.values.tolist() == [[1, 3], [2, 4], [-1000, 0.5]]
    assert found.labels.tolist() == [0, 1]


def test_univariate_needs_no_dimensions(tmp_path):
    found = read_text(tmp_path, "@univariate true\n@classLabel true a b\n@data\n1,2,3:a\n4:b\n")
    assert found.values[:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("1,2:3,4:a\n1,2:a\n", ["line 6", "found 1 dimension(s)", "expected 2"]),
        ("1,2:3,4:a\n1,2:3,4:5,6:a\n", ["line 6", "found 3 dimension(s)", "expected 2"]),
        ("1,2:3,4:a\n1,2:3:b\n", ["line 6", "dimension 1 has 2", "dimension 2 has 1"]),
        ("1,2:3,4:c\n", ["line 5", "'c'", "expected one of a, b"]),
        ("1,2:3,4\n", ["line 5", "'3,4'", "expected one of a, b"]),
        ("1,2:3,x:a\n", ["line 5, dimension 2", "'x' as value 2 of 2", "finite number"]),
        ("1,2:3,:a\n", ["line 5, dimension 2", "'' as value 2"]),
        ("1_0,2:3,4:a\n", ["line 5, dimension 1", "'1_0'"]),
        ("1e200,2:3,4:a\n", ["line 5, dimension 1", "'1e200'"]),
        ("1,2\xa0:3,4:a\n", ["line 5, dimension 1", "'2'"]),
        ("inf,2:3,4:a\n", ["line 5, dimension 1", "'inf'"]),
        ("1,2:3,?:a\n", ["line 5, dimension 2", "value 2 is missing", "data.source.missing=hold"]),
        ("1,NaN:3,4:a\n", ["line 5, dimension 1", "value 2 is missing"]),
        (":1:a\n", ["line 5, dimension 1", "''"]),
        ("", ["no sequence after @data"]),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path, lines, says):
    with pytest.raises(DataError) as refused:
        read_text(tmp_path, HEAD + lines)
    message = str(refused.value)
    assert message.startswith(str(tmp_path / "file.ts"))
    for part in says:
        assert part in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line '@data'"),
        ("@classLabel true a b\n", "no line '@data'"),
        ("1,2:a\n", "line 1: found '1,2:a' before @data"),
        ("@data\n1:a\n", "no @classLabel"),
        ("@classLabel true a\n@data\n1:a\n", "two or more different classes"),
        ("@classLabel true a a\n@data\n1:a\n", "two or more different classes"),
        ("@classLabel perhaps a b\n@data\n1:a\n", "expected true or false"),
        ("@classLabel false\n@data\n1\n", "not labelled"),
        ("@timeStamps true\n@classLabel true a b\n@data\n(0,1):a\n", "without time stamps"),
        ("@targetLabel true\n@data\n1:0.5\n", "classes only"),
        ("@dimensions two\n@classLabel true a b\n@data\n1:a\n", "'@dimensions two'"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(tmp_path, text, says):
    with pytest.raises(DataError, match=r"file\.ts") as refused:
        read_text(tmp_path, text)
    assert says in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path, files):
    (tmp_path / "packed.ts").write_bytes(b"\x1f\x8b\xff\xfe")
    for path, says in ((tmp_path / "no.ts", "no such file"), (tmp_path, "a folder"), (tmp_path / "packed.ts", "0x8b")):
        with pytest.raises(DataError, match=says):
            source_of(path, files[1]).read()


def test_files_of_two_problems_are_refused(tmp_path, files):
    sequences, labels = turning(6, 3)
    other = tmp_path / "other.ts"
    other.write_text(ts_text([sequence[:, :1] for sequence in sequences], labels, CLASSES))
    with pytest.raises(DataError, match=r"other.ts: sequences of 1 dimension\(s\), but .* has 2"):
        source_of(files[0], other).read()
    other.write_text(ts_text(sequences, labels, (*CLASSES, "upwards")))
    with pytest.raises(DataError, match="@classLabel names upwards; the classes of the training are left, right"):
        source_of(files[0], other).read()
    other.write_text(ts_text(sequences, None, CLASSES))
    with pytest.raises(DataError, match="nothing to test"):
        source_of(files[0], other).read()
    with pytest.raises(DataError, match=r"2 dimension\(s\), but names has 1"):
        source_of(*files, names=["x"]).read()


def test_missing_values_are_held_where_asked_for(tmp_path):
    found = read_text(tmp_path, HEAD + "?,1,?,NaN,2:1,2,3,4,5:a\n", missing="hold")
    assert found.values[:, 0].tolist() == [1, 1, 1, 1, 2]
    with pytest.raises(DataError, match="line 5: a dimension without any value"):
        read_text(tmp_path, HEAD + "?,?:1,2:a\n", missing="hold")


def test_a_test_file_may_list_its_classes_in_another_order(tmp_path, files):
    sequences, labels = turning(9, 3)
    other = tmp_path / "other.ts"
    other.write_text(ts_text(sequences, labels, CLASSES[::-1]))
    _, test = source_of(files[0], other).read()
    assert [test.classes[label] for label in test.labels] == labels
    assert test.classes == CLASSES


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=10), data=st.data())
def test_taken_sequences_are_those_asked_for(lengths, data):
    sequences = sequences_of(lengths)
    which = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=12).map(np.array)).astype(np.int64)
    taken = sequences.take(which)
    assert taken.lengths.tolist() == [lengths[index] for index in which]
    for place, index in enumerate(which):
        values = sequences.values[slice(*sequences.pieces[index])]
        assert np.array_equal(taken.values[slice(*taken.pieces[place])], values)
        assert taken.labels[place] == sequences.labels[index]
        assert taken.ids[place] == sequences.ids[index]
    assert taken.items.tolist() == list(range(len(which)))


# Splitting


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array),
    fraction=st.floats(0, 0.9),
    seed=st.integers(0, 1000),
)
def test_a_stratified_split_keeps_proportions(labels, fraction, seed):
    kept, aside = stratified(labels, fraction, seed)
    assert sorted([*kept, *aside]) == list(range(len(labels)))
    for name in set(labels.tolist()):
        count, taken = np.sum(labels == name), np.sum(labels[aside] == name)
        assert taken <= count - 1
        assert abs(taken - min(count * fraction, count - 1)) <= 1
    again = stratified(labels, fraction, seed)
    assert np.array_equal(aside, again[1])


def test_the_sum_over_classes_is_the_rounded_fraction():
    labels = np.repeat(np.arange(9), 7)  # 0.2 of 7 is 1.4
    _, aside = stratified(labels, 0.2, 0)
    assert len(aside) == round(0.2 * 63)
    assert set(np.bincount(labels[aside])) == {1, 2}


def test_another_seed_gives_another_split():
    labels = np.arange(60) % 3
    assert len({tuple(stratified(labels, 0.2, seed)[1]) for seed in range(5)}) == 5


# Preparing


def test_scaling_is_fitted_on_the_training_part_alone(files):
    data = SequenceDataModule(source=source_of(*files), validation=0.25)
    train, test = data.source.read()
    kept = train.take(data.prepared.parts.train.numpy())
    reference = StandardScaler().fit(kept.values)
    assert data.spec.offset == pytest.approx(reference.mean_.tolist(), rel=1e-12)
    assert data.spec.scale == pytest.approx(reference.scale_.tolist(), rel=1e-12)
    everything = np.concatenate([train.values, test.values])
    found = data.prepared.storage.values[:-1].numpy()
    assert found == pytest.approx(reference.transform(everything), rel=1e-5, abs=1e-6)
    assert not data.prepared.storage.values[-1].any()


def test_parts_share_no_sequence_and_the_test_part_is_the_test_file(files):
    prepared = SequenceDataModule(source=source_of(*files), validation=0.25, seed=3).prepared
    assert [len(part) for part in prepared.parts] == [45, 15, 30]
    assert sorted(torch.cat(list(prepared.parts)).tolist()) == list(range(90))
    assert np.bincount(prepared.part("validation").labels).tolist() == [5, 5, 5]
    assert np.array_equal(prepared.part("test").values, source_of(*files).read()[1].values)


def test_all_sequences_train_without_validation(files):
    data = SequenceDataModule(source=source_of(*files), validation=0)
    assert len(data.prepared.parts.train) == 60
    assert data.val_dataloader() == []


def test_too_few_sequences_for_a_validation_part_are_refused(tmp_path):
    files = write_turning(tmp_path, train=3)
    with pytest.raises(DataError, match=r"3 sequences are too few .* data\.validation=0"):
        _ = SequenceDataModule(source=source_of(*files)).prepared


def test_a_constant_channel_is_refused(tmp_path):
    text = HEAD + "1,2:7,7:a\n3,4,5:7,7,7:b\n" * 4
    (tmp_path / "file.ts").write_text(text)
    path = tmp_path / "file.ts"
    with pytest.raises(DataError, match="column dim2: it is constant"):
        _ = SequenceDataModule(source=source_of(path, path), validation=0).prepared
    assert SequenceDataModule(source=source_of(path, path), validation=0, scaler=NoScaling()).spec.scale == (1, 1)


def test_the_fingerprint_changes_with_every_fact(tmp_path, files):
    def of(train: Path, test: Path, **options) -> str:
        return SequenceDataModule(source=source_of(train, test), **options).prepared.fingerprint

    first = of(*files)
    assert first == of(*files, seed=5, scaler=MinMax(), validation=0.0)
    text = files[0].read_text()
    changed = tmp_path / "changed.ts"
    found = {first, of(files[0], files[0]), of(files[1], files[0])}
    for old, new in ((":left\n", ":right\n"), ("@classLabel true left right", "@classLabel true right left")):
        changed.write_text(text.replace(old, new, 1))
        found.add(of(changed, files[1]))
    assert len(found) == 5


def test_new_sequences_are_scaled_as_in_training(files):
    data = SequenceDataModule(source=source_of(*files))
    unseen = data.source.read_file(str(files[1]), data.spec.classes)
    prepared = prepare_unseen(unseen, data.spec)
    ours = SequenceLoader(storage=prepared.storage, order=Order(prepared.parts.test, 100))
    (theirs,) = list(data.test_dataloader())
    assert all(part.equal(other) for part, other in zip(values_of(next(iter(ours))), values_of(theirs), strict=True))
    with pytest.raises(DataError, match=r"2 dimension\(s\), but the model was trained on 3"):
        prepare_unseen(unseen, spec_of(3))
    with pytest.raises(DataError, match=r"columns .*'dim1'.*, but the model was trained on .*'x'"):
        prepare_unseen(unseen, spec_of(2))


def test_new_sequences_with_gaps_are_refused_by_a_model_that_read_none(tmp_path, files):
    source = source_of(*files, missing="mask")
    gappy = tmp_path / "gappy.ts"
    gappy.write_text(ts_text([np.array([[1.0, 2.0], [np.nan, 3.0]])], None, CLASSES))
    unseen = source.read_file(str(gappy), CLASSES)
    data = SequenceDataModule(source=source)
    assert not data.spec.masked
    with pytest.raises(DataError, match="some values were not observed, but the model was trained on complete rows"):
        prepare_unseen(unseen, data.spec)


def test_missing_values_become_masks(tmp_path):
    path = tmp_path / "gappy.ts"
    path.write_text(HEAD + "?,1,2:5,6,?:a\n7,9:8,8:b\n")
    data = SequenceDataModule(source=source_of(path, path, missing="mask"), validation=0)
    (batch,) = list(data.test_dataloader())
    assert data.spec.masked
    assert batch.observed.past.tolist() == [
        [[False, True], [True, True], [True, False]],
        [[True, True], [True, True], [False, False]],
    ]
    # Padding is zero, and so is what was not observed.
    assert not batch.past[~batch.observed.past].any()
    # Fitted on what was observed: 1, 2, 7, 9 and 5, 6, 8, 8.
    assert data.spec.offset == pytest.approx((19 / 4, 27 / 4))
    assert batch.past[0, 1].tolist() == pytest.approx(
        [(1 - 19 / 4) / np.std([1, 2, 7, 9]), (6 - 27 / 4) / np.std([5, 6, 8, 8])]
    )


@pytest.mark.parametrize("path", [True, False], ids=["another file", "the same files"])
def test_a_module_adopts_the_scaling_of_a_trained_model(files, path):
    trained = SequenceDataModule(source=source_of(*files)).spec
    other = SequenceDataModule(source=source_of(*files[::-1]))
    own = SequenceDataModule(source=source_of(*files[::-1])).spec
    other.adopt(trained, str(files[1]) if path else None)
    assert other.spec == trained != own
    assert [len(part) for part in other.prepared.parts] == ([0, 0, 30] if path else [24, 6, 60])
    values = other.prepared.part("test").values
    scaled = (values - trained.offset) / trained.scale
    assert other.prepared.storage.values[-1 - len(values) : -1].numpy() == pytest.approx(scaled, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("option", "value"), [("validation", 1.0), ("validation", -0.1), ("batch_size", 0), ("seed", -1), ("source", 3)]
)
def test_impossible_options_are_refused(files, option, value):
    options = {"source": source_of(*files), option: value}
    with pytest.raises(ConfigurationError, match=option):
        SequenceDataModule(**options)


def test_the_spec_survives_a_checkpoint(files):
    spec = SequenceDataModule(source=source_of(*files)).spec
    assert checked_sequence_spec(json.loads(json.dumps(spec.to_dict()))) == spec


# Batches


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12), data=st.data())
def test_gathered_batches_are_the_sequences_and_zeros(lengths, data):
    sequences = sequences_of(lengths)
    prepared = prepare_unseen(sequences, spec_of(2, offset=-1.0))
    loader = SequenceLoader(storage=prepared.storage, order=Order(prepared.parts.test, 4))
    which = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6)))
    batch = loader.gather(which)
    assert batch.past.shape == (len(which), max(lengths[index] for index in which), 2)
    assert batch.lengths.tolist() == [lengths[index] for index in which]
    for row, index in enumerate(which.tolist()):
        expected = torch.from_numpy(sequences.values[slice(*sequences.pieces[index])] + 1).float()
        assert batch.past[row, : lengths[index]].equal(expected)
        assert not batch.past[row, lengths[index] :].any()
        assert batch.label[row] == sequences.labels[index]


@given(count=st.integers(1, 30), batch_size=st.integers(1, 12), world=st.integers(1, 3), seed=st.integers(0, 99))
def test_each_epoch_has_every_sequence_once(count, batch_size, world, seed):
    prepared = prepare_unseen(sequences_of([1] * count, channels=1), spec_of(1))
    seen = []
    for rank in range(world):
        order = Order(prepared.parts.test, batch_size, seed=seed, rank=rank, world=world)
        loader = SequenceLoader(storage=prepared.storage, order=order)
        batches = list(loader)
        assert len(batches) == len(loader)
        seen += [row for batch in batches if len(batch.label) for row in batch.past[:, 0, 0].tolist()]
    assert sorted(seen) == list(range(count))


def test_a_restored_loader_goes_on_in_mid_epoch(files):
    data = SequenceDataModule(source=source_of(*files), batch_size=7)
    loader = data.train_dataloader()
    epochs = [[batch.past for batch in loader] for _ in range(2)]
    assert not all(ours.equal(theirs) for ours, theirs in zip(*epochs, strict=True) if ours.shape == theirs.shape)
    interrupted = data.train_dataloader()
    list(interrupted)
    batches = iter(interrupted)
    next(batches), next(batches)
    resumed = data.train_dataloader()
    resumed.load_state_dict(interrupted.state_dict())
    assert all(ours.equal(theirs.past) for ours, theirs in zip(epochs[1][2:], resumed, strict=True))


# Scores


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(2, 6), count=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 999))
def test_metrics_agree_with_scikit_learn(classes, count, batch, seed):
    random = np.random.default_rng(seed)
    spec = spec_of(1, classes=classes)
    probabilities = random.dirichlet(np.ones(classes), size=count)
    labels = random.integers(0, classes, count)
    metrics = {"accuracy": Accuracy(spec=spec), "macro_f1": MacroF1(spec=spec)}
    for first in range(0, count, batch):
        part = slice(first, first + batch)
        for metric in metrics.values():
            metric.update(torch.from_numpy(probabilities[part]), torch.from_numpy(labels[part]))
    predicted = probabilities.argmax(axis=1)
    assert metrics["accuracy"].compute().item() == pytest.approx(accuracy_score(labels, predicted), rel=1e-6)
    expected = f1_score(labels, predicted, average="macro", zero_division=0)
    assert metrics["macro_f1"].compute().item() == pytest.approx(expected, rel=1e-6)
    scores = class_scores(metrics, probabilities, labels)
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, predicted), rel=1e-6)
    assert scores["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(classes)), rel=1e-9)


@given(classes=st.integers(2, 6), count=st.integers(1, 60), seed=st.integers(0, 999))
def test_scores_of_each_class_agree_with_scikit_learn(classes, count, seed):
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    random = np.random.default_rng(seed)
    found = Predictions(
        probabilities=random.dirichlet(np.ones(classes), size=count),
        labels=random.integers(0, classes, count),
        classes=tuple("abcdef"[:classes]),
        numbers=np.arange(count),
    )
    every = range(classes)
    assert np.array_equal(found.confusion(), confusion_matrix(found.labels, found.predicted, labels=every))
    precision, recall, f1, support = precision_recall_fscore_support(
        found.labels, found.predicted, labels=every, zero_division=np.nan
    )
    table = found.per_class()
    assert table["sequences"].tolist() == support.tolist()
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert table[name].to_numpy() == pytest.approx(expected, nan_ok=True)


def test_the_majority_is_that_of_the_training_part():
    sequences = sequences_of([2, 3, 4, 5], classes=3)  # classes 0 1 2 0
    baseline = Majority()
    baseline.fit(sequences)
    found = baseline.probabilities(sequences.take(np.array([1, 2])))
    assert found == pytest.approx(np.tile([3 / 7, 2 / 7, 2 / 7], (2, 1)))


def test_the_summary_is_that_of_each_sequence():
    sequences = sequences_of([1, 4, 2])
    for row, (first, stop) in zip(summary(sequences), sequences.pieces, strict=True):
        values = sequences.values[first:stop]
        expected = np.concatenate([values.mean(axis=0), values.std(axis=0), values[0], values[-1]])
        assert row == pytest.approx(expected)


def test_the_summary_is_that_of_what_was_observed():
    sequences = sequences_of([5, 4, 2])
    gappy = np.full((5 + 4 + 2, 2), np.nan)
    gappy[[0, 2, 4]] = sequences.values[[0, 2, 4]]
    gappy[6:8, 0] = [3, 5]
    gappy[9:] = sequences.values[9:]
    found = summary(replace(sequences, values=gappy))
    every_other = sequences.values[[0, 2, 4]]
    expected = [every_other.mean(axis=0), every_other.std(axis=0), every_other[0], every_other[-1]]
    assert found[0] == pytest.approx(np.concatenate(expected))
    # Of a channel without any value nothing is known: 0.
    assert found[1] == pytest.approx([4, 0, 1, 0, 3, 0, 5, 0])
    assert np.array_equal(found[2], summary(sequences)[2])


def test_ridge_agrees_with_scikit_learn(files):
    from sklearn.linear_model import RidgeClassifier

    train, test = source_of(*files).read()
    baseline = SummaryRidge(penalty=2.0)
    baseline.fit(train)
    scaler = StandardScaler().fit(summary(train))
    reference = RidgeClassifier(alpha=2.0).fit(scaler.transform(summary(train)), train.labels)
    scores = reference.decision_function(scaler.transform(summary(test)))
    exponentials = np.exp(scores)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert baseline.probabilities(test) == pytest.approx(expected, rel=1e-9)
