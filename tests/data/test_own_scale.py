"""Each sequence scaled by itself: whatever its size it looks the same, and level and spread become inputs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sequences import sequences_of, spec_of
from sklearn.preprocessing import StandardScaler
from ts_files import ts_text, turning, write_turning

from recast.data.panel import Panel
from recast.data.prepare.own_scale import own_scaled
from recast.data.prepare.scale import Standard
from recast.data.prepare.sequences import PreparedSequences, prepare_sequences, prepare_unseen
from recast.data.sequence_datamodule import SequenceDataModule
from recast.data.sources.ts_file import TsSource
from recast.errors import ConfigurationError
from recast.runs.checkpoints.spec import checked_sequence_spec


def noisy(lengths: list[int], seed: int = 0) -> Panel:
    """Sequences of different level and size."""
    random = np.random.default_rng(seed)
    panel = sequences_of(lengths)
    shape = (len(lengths), 2)
    size, level = np.exp(random.normal(size=shape)), 3 * random.normal(size=shape)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return replace(panel, values=level[rows] + size[rows] * random.normal(size=panel.values.shape))


def prepared(panel: Panel, own_scale: bool | None = True) -> PreparedSequences:
    return prepare_sequences(panel, panel, scaler=Standard(), validation=0.0, seed=0, own_scale=own_scale)


def test_each_sequence_is_standardised_by_itself():
    panel = noisy([5, 9, 14, 7])
    found = own_scaled(panel)
    assert [column.name for column in found.static] == [
        *("class", "level of x", "spread of x", "level of y", "spread of y")
    ]
    for (first, stop), statics in zip(panel.pieces, found.static_values, strict=True):
        reference = StandardScaler().fit(panel.values[first:stop])
        expected = reference.transform(panel.values[first:stop])
        assert found.values[first:stop] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert statics[[1, 3]] == pytest.approx(reference.mean_)
        assert statics[[2, 4]] == pytest.approx(np.log(reference.scale_))


@settings(max_examples=30, deadline=None)
@given(size=st.floats(1e-3, 1e3), level=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_another_size_or_level_changes_nothing_but_level_and_spread(size, level, seed):
    panel = noisy([6, 11, 8], seed)
    changed = replace(panel, values=panel.values.copy())
    changed.values[:6] = level + size * changed.values[:6]
    before, after = prepare_of(panel), prepare_of(changed)
    assert after.values.numpy() == pytest.approx(before.values.numpy(), rel=1e-3, abs=1e-4)
    other = (after.static[0] - before.static[0]).abs().max() > 1e-6
    assert other or (abs(size - 1) < 1e-3 and abs(level) < 1e-3)


def prepare_of(panel: Panel):
    """The storage under one and the same spec, as a trained model sees new sequences."""
    return prepare_unseen(panel, prepared(noisy([6, 11, 8], 1000)).spec).storage


def test_statics_reach_the_model_standardised_and_the_panel_keeps_its_unit():
    panel = noisy([5, 9, 14, 7])
    found = prepared(panel)
    assert found.panel.values[: len(panel)] == pytest.approx(panel.values)
    statics = found.storage.static.numpy()
    assert statics.shape == (8, 4)
    assert statics.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-6)
    assert statics.std(axis=0) == pytest.approx(np.ones(4), rel=1e-5)
    (batch,) = SequenceBatches(found)
    assert batch.static.shape == (8, 4)
    assert found.spec.classes == panel.classes


def SequenceBatches(found: PreparedSequences):
    import torch

    return [found.storage.sequences(torch.arange(len(found.panel.ids)))]


def test_sequences_standardised_before_bring_no_inputs_of_rounding_errors():
    panel = noisy([50, 90, 70])
    standardised = replace(panel, values=own_scaled(panel).values.round(4))
    found = prepared(standardised)
    assert found.spec.own_scale
    assert found.spec.static_inputs == ()
    # New ones have the inputs of the training, whatever they are like.
    assert prepare_unseen(panel, found.spec).storage.static.shape == (3, 0)


def test_what_was_not_observed_does_not_count_and_constants_are_zero():
    panel = noisy([4, 5])
    values = panel.values.copy()
    values[1, 0] = np.nan
    values[4:, 0] = 7.3
    values[4:, 1] = np.nan
    found = own_scaled(replace(panel, values=values), replace(spec_of(2), static=own_scaled(panel).static))
    seen = values[[0, 2, 3], 0]
    assert found.values[[0, 2, 3], 0] == pytest.approx((seen - seen.mean()) / seen.std())
    assert np.isnan(found.values[1, 0])
    assert not found.values[4:, 0].any()
    assert found.static_values[1, 1] == pytest.approx(7.3)
    assert np.isnan(found.static_values[1, 2:]).all()


@pytest.mark.parametrize(("longest", "own"), [(200, False), (201, True)])
def test_by_default_long_sequences_are_scaled_by_themselves(longest, own):
    panel = noisy([30, longest, 40])
    spec = prepared(panel, own_scale=None).spec
    assert (spec.longest, spec.own_scale, spec.is_long) == (longest, own, own)
    assert prepared(panel, own_scale=not own).spec.own_scale is not own
    assert checked_sequence_spec(json.loads(json.dumps(spec.to_dict()))) == spec


def test_checkpoints_of_before_are_of_sequences_as_they_are(tmp_path):
    train, test = write_turning(tmp_path)
    spec = SequenceDataModule(source=TsSource(path=str(train), test_path=str(test))).spec
    values = {name: value for name, value in spec.to_dict().items() if name not in ("longest", "own_scale")}
    assert checked_sequence_spec(values) == replace(spec, longest=0)
    with pytest.raises(ConfigurationError, match="longest=-1"):
        checked_sequence_spec(spec.to_dict() | {"longest": -1})


def test_another_file_is_scaled_as_in_training(tmp_path):
    train, test = write_turning(tmp_path)
    data = SequenceDataModule(source=TsSource(path=str(train), test_path=str(test)), own_scale=True)
    other = SequenceDataModule(source=data.source)
    sequences, _ = turning(30, 1, longest=17)
    (tmp_path / "new.ts").write_text(ts_text(sequences, None, data.spec.classes))
    other.adopt(data.spec, str(tmp_path / "new.ts"))
    (ours,), (theirs,) = list(other.test_dataloader()), list(data.test_dataloader())
    assert ours.past.equal(theirs.past)
    assert ours.static.equal(theirs.static)
