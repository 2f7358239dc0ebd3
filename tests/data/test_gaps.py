"""Windows without some of their values: how many go, in which form, and that nothing of them is left."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from texts import text_panel

from recast.data.features.calendar import Calendar
from recast.data.features.elapsed import Elapsed
from recast.data.features.lags import TargetLags
from recast.data.features.since_origin import SinceOrigin
from recast.data.features.tide import FittedTide
from recast.data.imputation_datamodule import ImputationDataModule
from recast.data.prepare.gap_loader import removed_from
from recast.data.prepare.gap_removal import Blocks, Points
from recast.data.prepare.scale import WindowScaler
from recast.data.prepare.split import FractionSplit
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.tide import TideSimulator
from recast.errors import ConfigurationError, DataError
from recast.scoring.baselines.tidal_fit import TidalFit
from recast.types import Batch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data_of(**options) -> ImputationDataModule:
    source = TideSimulator(days=20.0, step_minutes=60)
    return ImputationDataModule(
        **({"source": source, "steps": 12, "batch_size": 50, "evaluation_batch_size": 7} | options)
    )


@pytest.mark.parametrize("removal", [Points(share=0.3), Blocks(share=0.3, length=4, width=2), Blocks(share=0.3)])
def test_the_share_removed_is_that_asked_for(removal):
    removed = removal.draw(2000, 24, 7, generator())
    assert removed.float().mean().item() == pytest.approx(0.3, abs=0.01)
    # Also at the ends of windows and in outer columns.
    assert removed.float().mean(dim=(0, 2)).numpy() == pytest.approx(0.3, abs=0.03)
    assert removed.float().mean(dim=(0, 1)).numpy() == pytest.approx(0.3, abs=0.03)


def test_blocks_have_their_length_and_width():
    removed = Blocks(share=0.01, length=5, width=3).draw(2000, 40, 9, generator())
    spans = [np.ptp(np.nonzero(window.numpy()), axis=1).tolist() for window in removed if window.sum() == 15]
    assert len(spans) > 50
    # The others are of two blocks that an end of the window cuts.
    assert spans.count([4, 2]) > 0.9 * len(spans)


def test_points_are_independent():
    removed = Points(share=0.5).draw(400, 30, 2, generator()).double().flatten(0, 1)
    assert abs(np.corrcoef(removed.T.numpy())[0, 1]) < 0.03


def test_what_is_removed_is_gone_and_known_as_truth():
    data = data_of()
    batch = next(iter(data.loader("test")))
    removed = removed_from(batch)
    assert removed.any()
    assert (batch.history[removed] == 0).all()
    assert not batch.observed.history[removed].any()
    rows = batch.start.unsqueeze(1) + torch.arange(12)
    truth = torch.from_numpy(data.prepared.panel.values)[rows]
    assert torch.equal(batch.observed.target, ~truth.isnan())
    scaled = (truth - data.spec.target_offset[0]) / data.spec.target_scale[0]
    seen = batch.observed.target
    torch.testing.assert_close(batch.target[seen].double(), scaled[seen], rtol=0, atol=1e-6)
    torch.testing.assert_close(batch.truths.after(batch.start, 0, 12)[seen], truth[seen], rtol=0, atol=0)


def test_evaluation_windows_do_not_overlap_and_lack_the_same_whatever_the_batch():
    small, large = data_of(), data_of(evaluation_batch_size=1000, seed=5)
    for part in ("validation", "test"):
        batches = list(small.loader(part))
        whole = next(iter(large.loader(part)))
        assert len(batches) > 1 or part == "validation"
        assert torch.equal(torch.cat([batch.history for batch in batches]), whole.history)
        assert (whole.start.diff() >= 12).all()
    other = next(iter(data_of(removal_seed=1, evaluation_batch_size=1000).loader("test")))
    assert not torch.equal(removed_from(other), removed_from(whole))


def epochs(data: ImputationDataModule, count: int) -> list[list[Batch]]:
    loader = data.train_dataloader()
    return [list(loader) for _ in range(count)]


def test_each_epoch_removes_other_values_the_same_for_a_seed():
    once, again, other = (epochs(data_of(seed=seed), 2) for seed in (0, 0, 1))
    for one, same in zip(chain(*once), chain(*again), strict=True):
        assert torch.equal(one.history, same.history)
        assert torch.equal(one.observed.history, same.observed.history)
    assert not torch.equal(once[0][0].observed.history, other[0][0].observed.history)
    by_start = [
        {int(start): mask for batch in epoch for start, mask in zip(batch.start, removed_from(batch), strict=True)}
        for epoch in once
    ]
    assert sum(not torch.equal(mask, by_start[1][start]) for start, mask in by_start[0].items()) > 100


def test_a_resumed_loader_goes_on_with_the_same_batches():
    loader = data_of().train_dataloader()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [batch.observed.history for batch in batches]
    resumed = data_of().train_dataloader()
    resumed.load_state_dict(state)
    for one, same in zip(rest, resumed, strict=True):
        assert torch.equal(one, same.observed.history)


def test_processes_share_the_batch_of_one(monkeypatch):
    whole = epochs(data_of(batch_size=50), 1)[0]
    parts = []
    for rank in range(2):
        monkeypatch.setattr(ImputationDataModule, "_rank", rank)
        monkeypatch.setattr(ImputationDataModule, "_world", 2)
        parts.append(epochs(data_of(batch_size=25), 1)[0])
    for batch, *own in zip(whole, *parts, strict=True):
        assert torch.equal(batch.history, torch.cat([part.history for part in own]))


def test_gaps_in_training_are_there_for_good():
    data, plain = data_of(training_gaps=True), data_of()
    first, stop = data.prepared.parts.train[0]
    values, before = data.prepared.panel.values, plain.prepared.panel.values
    lost = np.isnan(values[first:stop]) & ~np.isnan(before[first:stop])
    assert lost.mean() == pytest.approx(0.1, abs=0.05)
    assert np.array_equal(values[stop:], before[stop:], equal_nan=True)
    assert np.array_equal(lost, (data.prepared.removed[first:stop].numpy() & ~np.isnan(before[first:stop])))
    assert data.spec.target_offset != plain.spec.target_offset
    for batch in data.train_dataloader():
        rows = batch.start.unsqueeze(1) + torch.arange(12)
        assert not batch.observed.target[torch.from_numpy(np.isnan(values))[rows]].any()


def csv(folder, **columns) -> str:
    stamps = pd.date_range("2024-01-01", periods=200, freq="h")
    frame = pd.DataFrame({name: np.resize(values, 200) for name, values in columns.items()}, index=stamps)
    frame.to_csv(folder / "series.csv", index_label="time")
    return str(folder / "series.csv")


def test_windows_of_many_series_are_each_of_one(tmp_path):
    stamps = pd.date_range("2024-01-01", periods=60, freq="h")
    frames = [
        pd.DataFrame({"time": stamps, "id": name, "v": place + np.arange(60) / 60}) for place, name in enumerate("xyz")
    ]
    pd.concat(frames).to_csv(tmp_path / "panel.csv", index=False)
    data = data_of(source=CsvSource(path=str(tmp_path / "panel.csv"), time="time", targets=["v"], id="id"), steps=6)
    for batch in (*data.train_dataloader(), *data.loader("test")):
        level = batch.truths.after(batch.start, 0, 6)[..., 0].floor()
        assert (level[:, :1] == level).all()
        assert torch.equal(level[:, 0].long(), batch.item)
        assert batch.sizes is not None


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ({"targets": [], "past": ["a"]}, {}, "no target; task=imputation fills columns of real numbers"),
        ({}, {"features": {"lags": TargetLags(lags=["24h"])}}, "a feature reads observations"),
        ({}, {"features": {"elapsed": Elapsed()}}, "a feature reads observations"),
        ({}, {"features": {"since": SinceOrigin()}}, "counts from the last step of a window"),
        ({}, {"scaler": WindowScaler()}, "one scaling for all"),
        ({}, {"steps": 30}, "the validation part .20 rows. has no window of 30 steps"),
    ],
)
def test_what_cannot_be_filled_is_refused(tmp_path, source, options, says):
    path = csv(tmp_path, a=np.sin(np.arange(200.0)), b=np.arange(200.0), c=np.array(["x", "y"]))
    data = data_of(source=CsvSource(**({"path": path, "time": "time", "targets": ["a"]} | source)), **options)
    with pytest.raises((ConfigurationError, DataError), match=says):
        _ = data.prepared


def test_a_text_has_no_gaps(monkeypatch):
    data = data_of()
    monkeypatch.setattr(data.source, "read", lambda: text_panel([0, 1, 0], ("a", "b")))
    with pytest.raises(ConfigurationError, match=r"targets that are categories \(character\)"):
        _ = data.prepared


def test_inputs_are_read_whole_and_never_removed(tmp_path):
    clock = np.arange(200.0)
    path = csv(tmp_path, a=np.sin(clock), b=clock**2, w=np.cos(clock), c=np.array(["x", "y"]))
    source = CsvSource(path=path, time="time", targets=["a", "b"], past=["c"], known=["w"], categories=["c"])
    features = {"calendar": Calendar(parts=["hour"], form="cyclic"), "tide": FittedTide(constituents=["M2"])}
    data = data_of(source=source, features=features, removal=Points(share=0.5), training_gaps=True)
    spec = data.spec
    assert [column.name for column in spec.of("known")] == [
        *("w", "calendar.hour.sin", "calendar.hour.cos", "tide.a", "tide.b"),
    ]
    values, targets = data.prepared.panel.values, data.prepared.panel.of("target")
    others = np.setdiff1d(np.arange(values.shape[1]), targets)
    assert np.isnan(values[:, targets]).mean() > 0.25
    assert not np.isnan(values[:, others]).any()
    batch = next(iter(data.train_dataloader()))
    assert batch.observed.known.all()
    rows = batch.start.unsqueeze(1) + torch.arange(12)
    place = [column.name for column in spec.reals("known")].index("w")
    offset, scale = (numbers[spec.names.index("w")] for numbers in (spec.offset, spec.scale))
    known = torch.from_numpy((np.cos(clock)[rows.numpy()] - offset) / scale).float()
    torch.testing.assert_close(batch.known[..., place], known, rtol=0, atol=1e-5)
    assert removed_from(batch).shape[2] == 2
    # The tide was fitted on what the training part has left.
    first, stop = data.prepared.parts.train[0]
    left = data.prepared.panel.targets[first:stop]
    hand = TidalFit.of("test", milliseconds_of(data, first, stop), left, ["M2"], None)
    tide = values[:, [spec.names.index("tide.a"), spec.names.index("tide.b")]][first:stop]
    assert tide == pytest.approx(hand.at(milliseconds_of(data, first, stop)), abs=1e-6)


def milliseconds_of(data: ImputationDataModule, first: int, stop: int) -> np.ndarray:
    return data.prepared.panel.clock[first:stop].astype("datetime64[ms]").astype(np.int64)


def test_windows_without_any_observation_are_left_out(tmp_path):
    values = np.sin(np.arange(200.0))
    values[150:175] = np.nan
    data = data_of(
        source=CsvSource(path=csv(tmp_path, a=values), time="time", targets=["a"], missing=[float("nan")]),
        split=FractionSplit(validation=0.1, test=0.4),
        steps=10,
    )
    assert data.items("test").tolist() == [120, 130, 140, 170, 180, 190]
