"""Several processes that train together: the steps and the scores of one with as many times the batch size."""

import math
import os
import signal
import time
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from classifiers import batch_of as sequence_batch_of
from classifiers import model_of as classifier_of
from commands import QUICK, Done, load, metrics_of, run, shell, start
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sequences import sequences_of
from labelled_sequences import spec_of as sequence_spec_of
from model_forms import CELLS, HALFWAY, HEADS, MODELS, model_of, part, spec_of
from small_data import small_data
from stream_loaders import ranges_of, streams_of
from synthetic import batch_of, with_weights
from torch.nn import functional
from ts_files import write_turning
from window_loaders import loader_of, starts_of

from recast.data.prepare.loader import SequenceLoader
from recast.data.prepare.order import Order
from recast.data.prepare.sequences import prepare_unseen
from recast.errors import ConfigurationError, DataError, NonFiniteLossError, StoppedBySignalError
from recast.nn.anchors import LinearAnchor
from recast.nn.attention import Luong
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.models.segment import Segment
from recast.nn.models.teacher_forcing import ResumableGenerator, TeacherForcingMask
from recast.nn.schedules import Always, Linear, Never
from recast.runs.trainer import check_strategy
from recast.system import processes
from recast.training.checkpoint_format import last_checkpoint_path
from recast.training.classification_task import ClassificationTask
from recast.training.task import ForecastTask
from recast.types import Batch, Share

counts = st.integers(1, 40)
worlds = st.integers(1, 5)
sizes = st.integers(1, 12)


# Who gets which windows


@settings(deadline=None)
@given(windows=counts, world=worlds, batch_size=sizes)
def test_together_they_take_the_batches_of_one_process(windows, world, batch_size):
    loaders = [loader_of(windows, batch_size, shuffle=True, rank=rank, world=world) for rank in range(world)]
    one = loader_of(windows, batch_size * world, shuffle=True)
    assert {len(loader) for loader in loaders} == {len(one)}
    for _ in range(2):
        for whole, *parts in zip(one, *loaders, strict=True):
            own = [batch for batch in parts if batch.share is None or batch.share.weight > 0]
            assert starts_of(own) == starts_of([whole])
            assert all(len(batch.start) > 0 for batch in parts)
            owned = [len(batch.start) for batch in own]
            assert max(owned) - min(owned) <= 1
            assert whole.share is None


@settings(deadline=None)
@given(windows=counts, world=st.integers(2, 5), batch_size=sizes)
def test_weighted_means_average_to_the_mean_over_all(windows, world, batch_size):
    loaders = [loader_of(windows, batch_size, shuffle=True, rank=rank, world=world) for rank in range(world)]
    for whole, *parts in zip(loader_of(windows, batch_size * world, shuffle=True), *loaders, strict=True):
        means = [batch.target.double().mean() * batch.share.weight for batch in parts]
        assert math.isclose(sum(means) / world, whole.target.double().mean(), rel_tol=1e-12)
        places = [(batch.share.first, len(batch.start)) for batch in parts]
        assert all(
            starts_of([whole])[first : first + own] == starts_of([batch])
            for (first, own), batch in zip(places, parts, strict=True)
        )
        assert {batch.share.total for batch in parts} == {len(whole.start)}


def test_an_uneven_last_batch_weighs_every_window_alike():
    order = [Order(torch.arange(37), 32, shuffle=True, rank=rank, world=2) for rank in range(2)]
    shares = [each.cut(each.of(0), 0) for each in order]
    assert [len(items) for items, _ in shares] == [19, 18]
    assert [share for _, share in shares] == [Share(37, 0, 38 / 37), Share(37, 19, 36 / 37)]


def test_who_gets_no_window_of_a_batch_takes_part_with_no_weight():
    order = [Order(torch.arange(5), 1, shuffle=True, rank=rank, world=4) for rank in range(4)]
    last = [each.cut(each.of(0), 1) for each in order]
    assert [share for _, share in last] == [Share(1, 0, 4.0), *[Share(1, 0, 0.0)] * 3]
    assert len({int(items) for items, _ in last}) == 1


@settings(deadline=None)
@given(windows=counts, world=worlds, batch_size=sizes)
def test_evaluation_deals_out_the_batches_of_one_process(windows, world, batch_size):
    loaders = [loader_of(windows, batch_size, rank=rank, world=world) for rank in range(world)]
    whole = [batch.start.tolist() for batch in loader_of(windows, batch_size)]
    dealt = [list(loader) for loader in loaders]
    for rank, batches in enumerate(dealt):
        assert len(batches) == len(loaders[rank]) >= 1
        assert all(batch.share is None for batch in batches)
        found = [batch.start.tolist() for batch in batches]
        assert found == (whole[rank::world] or [[]])
    assert sorted(start for batches in dealt for start in starts_of(batches)) == loaders[0].order.items.tolist()


def test_where_there_is_nothing_to_evaluate_nobody_gets_a_batch():
    assert [Order(torch.arange(0), 3, rank=rank, world=2).batches for rank in range(2)] == [0, 0]


@settings(deadline=None)
@given(count=counts, world=st.integers(2, 4), batch_size=sizes, shuffle=st.booleans())
def test_sequences_are_shared_as_windows_are(count, world, batch_size, shuffle):
    prepared = prepare_unseen(sequences_of([1 + index % 3 for index in range(count)], channels=1), sequence_spec_of(1))

    def loader(size: int, rank: int = 0, world: int = 1) -> SequenceLoader:
        return SequenceLoader(
            storage=prepared.storage,
            order=Order(prepared.parts.test, size, shuffle=shuffle, rank=rank, world=world),
        )

    parts = [batch for rank in range(world) for batch in loader(batch_size, rank, world)]
    own = [batch for batch in parts if len(batch.label) and (batch.share is None or batch.share.weight > 0)]
    seen = sorted(row for batch in own for row in batch.past[:, 0, 0].tolist())
    assert seen == sorted(row for batch in loader(count) for row in batch.past[:, 0, 0].tolist())
    assert all(len(batch.past) == len(batch.lengths) == len(batch.label) for batch in parts)
    assert all((batch.share is None) != shuffle for batch in parts)


def test_streams_know_their_place():
    shares = [
        next(iter(streams_of(ranges_of([90, 50]), chunk=4, streams=3, rank=rank, world=2))).share for rank in (0, 1)
    ]
    assert shares == [Share(6, 0, 1.0), Share(6, 3, 1.0)]
    assert next(iter(streams_of(ranges_of([90, 50]), chunk=4, streams=6))).share is None


# What is drawn


@pytest.mark.parametrize("mask_unit", ["step", "sequence", "batch"])
def test_masks_are_those_of_the_whole_batch(mask_unit):
    def draw(batch: int, share: Share | None = None) -> torch.Tensor:
        torch.manual_seed(4)
        return TeacherForcingMask(mask_unit).draw([0.2, 0.5, 0.8], batch, share)

    whole = draw(9)
    assert 0 < whole.sum() < whole.numel() or mask_unit == "batch"
    assert torch.cat([draw(5, Share(9, 0, 10 / 9)), draw(4, Share(9, 5, 8 / 9))]).equal(whole)
    assert draw(1, Share(9, 0, 0.0)).equal(whole[:1])


def test_what_a_decoder_is_fed_is_drawn_for_the_whole_batch():
    head = Gaussian()
    parameters = torch.randn(9, 2, 2, dtype=torch.float64)

    def fed(rows: slice, share: Share | None) -> torch.Tensor:
        return head.feedback(parameters[rows], torch.Generator().manual_seed(1), share)

    whole = fed(slice(None), None)
    first, second = fed(slice(5), Share(9, 0, 10 / 9)), fed(slice(5, None), Share(9, 5, 8 / 9))
    assert torch.cat([first, second]).equal(whole)
    assert not fed(slice(5, None), None).equal(second)


def encoder_decoder(head: str, **options: Any) -> ForecastModel:
    parts = {"cell": partial(GRU, hidden_size=3), "head": part("head", head), "schedule": Linear()}
    return with_weights(EncoderDecoder(spec=spec_of(), **(parts | options)))


def recurrent_segment(head: str) -> ForecastModel:
    options: Any = {"cell": partial(GRU, hidden_size=3), "segment": 2, "decoding": "recurrent"}
    return with_weights(Segment(spec=spec_of(), head=part("head", head), **options))


TRAINED = {name: partial(model_of, name) for name in MODELS}
TRAINED |= {"scheduled": encoder_decoder, "recurrent segment": recurrent_segment}
TRAINED["free-running"] = partial(encoder_decoder, schedule=Never())


def rows(batch: Batch, first: int, own: int, share: Share) -> Batch:
    return batch.take(torch.arange(first, first + own))._replace(share=share)


@pytest.mark.parametrize(("name", "head"), list(product(TRAINED, HEADS)))
def test_the_mean_gradient_is_that_of_one_process(name, head):
    model = TRAINED[name](head=head).train()
    task = ForecastTask(model=model)
    batch = batch_of(model.spec, 7)
    states = [module.generator.get_state() for module in model.modules() if isinstance(module, ResumableGenerator)]

    def gradients(batch: Batch) -> list[torch.Tensor]:
        drawing = [module for module in model.modules() if isinstance(module, ResumableGenerator)]
        for module, state in zip(drawing, states, strict=True):
            module.generator.set_state(state)
        torch.manual_seed(int(batch.start[0]))  # of no effect
        loss = task.weighted(model.head.loss(*model.training_forecast(batch, HALFWAY)), batch.share)
        return list(torch.autograd.grad(loss, list(model.parameters())))

    parts = [(0, 3, 9 / 7), (3, 2, 6 / 7), (5, 2, 6 / 7)]
    found = [gradients(rows(batch, first, own, Share(7, first, weight))) for first, own, weight in parts]
    for whole, *shares in zip(gradients(batch), *found, strict=True):
        torch.testing.assert_close(sum(shares) / 3, whole, rtol=1e-9, atol=1e-12)
    stand_in = gradients(rows(batch, 0, 1, Share(7, 0, 0.0)))
    assert not any(gradient.any() for gradient in stand_in)


VARIED = {
    "attention": {"attention": Luong},
    "bidirectional": {"bidirectional": True, "layers": 2},
    "learnt first state": {"cell": partial(GRU, hidden_size=3, learn_initial_state=True)},
    "linear anchor": {"anchor": partial(LinearAnchor, window=3)},
    "constant": {"feedback": "constant"},
    "detached": {"detach_feedback": True},
    "truth": {"schedule": Always()},
    "free": {"schedule": Never()},
}
BUILT = {f"{model}-{cell}": partial(model_of, model, cell) for model, cell in product(MODELS, CELLS)}
BUILT |= {name: partial(encoder_decoder, "point", **options) for name, options in VARIED.items()}
BUILT |= {
    f"{name}-{cell}": partial(encoder_decoder, "point", cell=partial(part("cell", cell), **given), **options)
    for cell in CELLS
    for name, given, options in (
        ("bidirectional", {}, {"bidirectional": True, "layers": 2}),
        ("learnt", {"learn_initial_state": True}, {}),
        ("tied", {}, {"tied": True}),
    )
}
BUILT["recurrent segment"] = partial(recurrent_segment, "gaussian")


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT.keys())
def test_no_weight_is_left_without_a_gradient(build):
    """DDP would wait for it, or search for it in every step (find_unused_parameters)."""
    model = build().train()
    model.head.loss(*model.training_forecast(batch_of(model.spec), HALFWAY)).backward()
    weights = dict(model.named_parameters())
    assert [name for name, weight in weights.items() if weight.requires_grad and weight.grad is None] == []
    unread = set(model.encoder.output_weights()) if isinstance(model, EncoderDecoder) else set()
    frozen = [name for name, weight in weights.items() if not weight.requires_grad and weight not in unread]
    assert all("bridges" in name for name in frozen)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_gradient_of_a_classifier_is_that_of_one_process(smoothing):
    task = ClassificationTask(model=classifier_of(layers=2, pooling="mean"), label_smoothing=smoothing)
    lengths = [4, 9, 2, 7, 5]

    def gradients(first: int, stop: int, share: Share | None) -> list[torch.Tensor]:
        batch = sequence_batch_of(lengths)
        scores = task.model(batch.take(torch.arange(first, stop)))
        loss = functional.cross_entropy(scores, batch.label[first:stop], label_smoothing=smoothing)
        return list(torch.autograd.grad(task.weighted(loss, share), list(task.model.parameters())))

    found = gradients(0, 3, Share(5, 0, 6 / 5)), gradients(3, 5, Share(5, 3, 4 / 5))
    for whole, *shares in zip(gradients(0, 5, None), *found, strict=True):
        torch.testing.assert_close(sum(shares) / 2, whole, rtol=1e-9, atol=1e-12)


# Who says and writes what


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, 0), ({"LOCAL_RANK": "1"}, 1), ({"SLURM_PROCID": "2"}, 2), ({"RANK": "5", "LOCAL_RANK": "1"}, 5)],
)
def test_the_number_of_a_process(monkeypatch, environment, expected):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processes.rank() == expected


@pytest.mark.parametrize("error", [StoppedBySignalError("stop"), NonFiniteLossError("nan"), DataError("no file")])
@pytest.mark.parametrize("local_rank", ["0", "1"])
@pytest.mark.parametrize("together", [False, True])
def test_what_the_first_process_says_for_all(monkeypatch, error, local_rank, together):
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: together)
    agreed = not isinstance(error, DataError)
    assert processes.is_told_by_the_first(error) == (agreed and together and local_rank == "1")


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_notebook", "fsdp", "dpd"])
def test_ways_of_training_that_would_lose_results_are_refused(strategy):
    with pytest.raises(ConfigurationError, match=f"trainer.strategy={strategy}: .* auto, ddp"):
        check_strategy({"trainer": {"strategy": strategy}})


@pytest.mark.parametrize("trainer", [{}, {"strategy": None}, {"strategy": "auto"}, {"strategy": "ddp"}])
def test_other_ways_of_training_are_not(trainer):
    check_strategy({"trainer": trainer})


def test_a_state_of_two_processes_is_not_resumed_by_one():
    task = ForecastTask(model=model_of("direct"))
    task.trainer = SimpleNamespace(world_size=1, global_rank=0)
    with pytest.raises(ConfigurationError, match=r"saved by 2 process.*there are 1; .*trainer.devices=2"):
        task.on_load_checkpoint({"processes": [{}, {}], "state_dict": {}})


def test_a_batch_without_windows_is_passed_over():
    data = small_data()
    task = ForecastTask(
        model=EncoderDecoder(spec=data.spec, cell=partial(GRU, hidden_size=3), head=Gaussian(), schedule=Never())
    )
    empty = data.windows_at(torch.empty(0, dtype=torch.int64))
    task.validation_step(empty, 0)
    task.test_step(empty, 0)
    assert not any(metric.update_called for part in ("validation", "test") for metric in task.metrics_of(part).values())


# Processes

DDP = ("trainer=ddp", "trainer.accelerator=cpu", *(option for option in QUICK if option != "logger=none"))
ONE = tuple(option for option in QUICK if option != "logger=none")
EXACT = ("trainer.precision=64-true",)
SCHEDULED = ("model/schedule=linear", "model/head=gaussian")


LIMIT = 600  # seconds
slow, patient = pytest.mark.slow, pytest.mark.timeout(2 * LIMIT)


def train(folder: Path, *options: object) -> Done:
    return start("recast-train", *options, f"hydra.run.dir={folder}", cwd=folder.parent, leads=True).wait(LIMIT)


def trained_by(processes: int, folder: Path, batch: int, *options: object, size: str = "data.batch_size") -> Path:
    """The folder of a run whose processes together have batches of the given size."""
    common = ONE if processes == 1 else (*DDP, f"trainer.devices={processes}")
    done = train(folder, *common, f"{size}={batch // processes}", *options)
    assert done.code == 0, done
    assert "Warning" not in done.err
    assert "rank" not in done.err
    return folder


def flat(content: Any, name: str = "") -> dict[str, float]:
    """The numbers in nested containers."""
    if isinstance(content, dict):
        return {key: value for part, inner in content.items() for key, value in flat(inner, f"{name}.{part}").items()}
    if isinstance(content, list):
        return flat(dict(enumerate(content)), name)
    return {name: content} if isinstance(content, float | int) else {}


def assert_equal_results(one: Path, many: Path, tolerance: float) -> None:
    """Every number of metrics.json, and the errors of every window, which is there once."""
    expected, found = flat(metrics_of(one)), flat(metrics_of(many))
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)
    expected, found = (pd.read_csv(folder / "per_origin.csv", index_col="origin") for folder in (one, many))
    assert len(found) == metrics_of(many)["windows"]["test"]
    assert found.index.is_unique
    assert not found.isna().any(axis=None)
    pd.testing.assert_frame_equal(found, expected, rtol=tolerance, atol=tolerance)


STOPPED_EARLY = (
    "callbacks=early_stopping",
    "callbacks.early_stopping.patience=1",
    "callbacks.progress_bar=null",
    "learning_rate=plateau",
    "learning_rate.patience=0",
    "optimizer.lr=0.3",
    "trainer.max_epochs=8",
)
SETTINGS = {
    # 251 training windows: the last batch has 27, then 11, of which the processes have 14 and 13, then 6 and 5.
    "point": (32, EXACT),
    "drawn": (40, (*EXACT, *SCHEDULED, "data.evaluation_batch_size=7")),
    "sequence mask": (
        40,
        (*EXACT, *SCHEDULED, "model.mask_unit=sequence", "model.anchor.window=3", "model/anchor=linear"),
    ),
    "recurrent segments": (40, (*EXACT, "model=segment", "model.decoding=recurrent", "model/head=gaussian")),
    "accumulated": (40, (*EXACT, "trainer.accumulate_grad_batches=2")),
    "a last batch of one window": (50, EXACT),
    "stopped early": (
        32,
        (*EXACT, *STOPPED_EARLY),
    ),
}


@slow
@patient
@pytest.mark.parametrize(("batch", "options"), SETTINGS.values(), ids=SETTINGS.keys())
def test_two_processes_give_the_results_of_one(tmp_path, batch, options):
    one = trained_by(1, tmp_path / "one", batch, *options)
    two = trained_by(2, tmp_path / "two", batch, *options)
    assert_equal_results(one, two, 1e-11)
    assert metrics_of(two)["steps"] == metrics_of(one)["steps"]
    best = [load(folder / "checkpoints" / "best.ckpt") for folder in (one, two)]
    assert best[0]["global_step"] == best[1]["global_step"]
    files = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} for folder in (one, two)
    ]
    plain = [{name for name in names if "tfevents" not in name} for names in files]
    assert plain[1] - plain[0] == {"train_ddp_process_1.log"}
    assert (two / "train_ddp_process_1.log").read_text() == ""
    assert plain[0] <= plain[1] | {".hydra/config.yaml"}
    assert len(files[0] - plain[0]) == len(files[1] - plain[1])


@slow
@patient
def test_streams_of_two_processes_give_the_results_of_one(tmp_path):
    streams = (*EXACT, "data/regime=stateful", "data.regime.chunk=10", "model=per_step")
    assert_equal_results(
        trained_by(1, tmp_path / "one", 6, *streams), trained_by(2, tmp_path / "two", 6, *streams), 1e-11
    )


@slow
@patient
def test_single_precision_differs_in_the_order_of_summation_alone(tmp_path):
    one, two = trained_by(1, tmp_path / "one", 32, *SCHEDULED), trained_by(2, tmp_path / "two", 32, *SCHEDULED)
    assert_equal_results(one, two, 1e-5)
    assert metrics_of(two)["test"] == pytest.approx(metrics_of(one)["test"], rel=1e-6)


@slow
@patient
def test_three_processes_share_a_part_of_two_windows(tmp_path):
    few = (*EXACT, "data.split.validation=0.0775", "trainer.max_epochs=1")
    one, three = trained_by(1, tmp_path / "one", 60, *few), trained_by(3, tmp_path / "three", 60, *few)
    assert metrics_of(one)["windows"]["validation"] == 2
    assert_equal_results(one, three, 1e-11)


@slow
@patient
def test_a_classifier_of_two_processes_gives_the_results_of_one(tmp_path):
    train_file, test_file = write_turning(tmp_path)
    files = (f"data.source.path={train_file}", f"data.source.test_path={test_file}")
    options = ("task=classification", "data=ts", *files, "data.validation=0.25", "model.cell.hidden_size=8")
    options = (*options, "trainer.max_epochs=3", "callbacks.progress_bar=null", "optimizer.lr=0.01")
    one = train(tmp_path / "one", *options, "data.batch_size=8")
    assert one.code == 0, one
    two = train(tmp_path / "two", *options, "trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=4")
    assert two.code == 0, two
    assert "Warning" not in two.err
    expected, found = (flat(metrics_of(tmp_path / name)) for name in ("one", "two"))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@slow
@patient
@pytest.mark.parametrize("lines", ["true", "false"])
def test_a_language_model_of_two_processes_gives_the_results_of_one(lines, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"{'ab' * (k % 5)}{'n' * (k % 3)}\n" for k in range(90)))
    options = ("task=text", "data=text", f"data.lines={lines}", "data.source.path=names.txt", "data.chunk=8")
    options = (*options, "data.warmup=5", "data.passage=20", "model.cell.hidden_size=8", "trainer.max_epochs=2")
    options = (
        *options,
        *EXACT,
        "callbacks.progress_bar=null",
        "callbacks.samples=null",
        "data.evaluation_batch_size=2",
    )
    one = train(tmp_path / "one", *options, "data.batch_size=6")
    assert one.code == 0, one
    two = train(tmp_path / "two", *options, "trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=3")
    assert two.code == 0, two
    assert "Warning" not in two.err
    expected, found = (flat(metrics_of(tmp_path / name)) for name in ("one", "two"))
    assert found == pytest.approx(expected, rel=1e-11)


class Group:
    """A command in work, with all processes that it starts."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.folder = folder
        self.first = self.step()
        self.running = start("recast-train", *options, f"hydra.run.dir={folder}", cwd=folder.parent, leads=True)
        self.pid = self.running.process.pid

    def step(self) -> int:
        """The step of the last checkpoint, 0 without one."""
        last = last_checkpoint_path(self.folder)
        return int(load(last)["global_step"]) if last.exists() else 0

    def wait_for_steps(self, steps: int) -> None:
        """Waits for so many steps of its own, so that all its processes are there."""
        while self.step() < self.first + steps:
            assert self.running.process.is_alive(), self.running.wait()
            time.sleep(0.01)

    def end(self) -> Done:
        """Waits for the end of every process."""
        done = self.running.wait(LIMIT)
        limit = time.monotonic() + 30
        while members(self.pid):
            assert time.monotonic() < limit, "a process was left behind"
            time.sleep(0.1)
        return done


def members(group: int) -> list[int]:
    """The processes of a group that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


RESUMED = {
    "shuffled": ("model/schedule=linear", "model.layers=2", "model.dropout=0.3"),
    "streams": ("data/regime=stateful", "data.regime.chunk=5", "data.batch_size=3", "model=per_step"),
}


@slow
@patient
@pytest.mark.parametrize("options", RESUMED.values(), ids=RESUMED.keys())
def test_killed_and_stopped_they_go_on_bit_for_bit(tmp_path, options):
    # Many epochs: a run must be far from its end when it is killed, however late that is seen here.
    options = (*DDP, *options, "trainer.max_epochs=12", "callbacks.last_checkpoint.every_n_steps=1")
    whole = train(tmp_path / "whole", *options)
    assert whole.code == 0, whole

    folder = tmp_path / "run"
    group = Group(folder, *options)
    group.wait_for_steps(3)
    os.killpg(group.pid, signal.SIGKILL)
    assert group.end().code == -signal.SIGKILL

    group = Group(folder, *options, "resume=true")
    group.wait_for_steps(4)
    group.running.signal(signal.SIGTERM)  # the first process alone
    stopped = group.end()
    assert stopped.code == 143, stopped
    assert stopped.err.count("recast: SIGTERM") == 1
    assert "Traceback" not in stopped.err

    group = Group(folder, *options, "resume=true")
    group.wait_for_steps(4)
    os.kill(next(pid for pid in members(group.pid) if pid != group.pid), signal.SIGKILL)
    assert group.end().code != 0  # the first process does not outlive the other one

    done = train(folder, *options, "resume=true")
    assert done.code == 0, done
    for name in ("last", "best"):
        ours, theirs = (load(place / "checkpoints" / f"{name}.ckpt") for place in (folder, tmp_path / "whole"))
        assert ours["global_step"] == theirs["global_step"]
        assert_identical(ours["state_dict"], theirs["state_dict"])
        assert_identical(ours["processes"], theirs["processes"])
        assert_identical(ours["optimizer_states"], theirs["optimizer_states"])
    states = [own["generators"]["cpu"] for own in ours["processes"]]
    assert len(states) == 2
    assert not states[0].equal(states[1])
    assert metrics_of(folder) == metrics_of(tmp_path / "whole")


def assert_identical(one: Any, other: Any) -> None:
    """Equal bit for bit, whatever the containers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for ours, theirs in zip(one, other, strict=True):
            assert_identical(ours, theirs)
    else:
        assert one.equal(other) if isinstance(one, torch.Tensor) else one == other


@slow
@patient
def test_several_at_once_do_not_meet(tmp_path):
    runs = [Group(tmp_path / f"run{number}", *DDP, f"seed={number % 2}") for number in range(4)]
    ends = [run.end() for run in runs]
    assert [end.code for end in ends] == [0] * 4, ends
    scores = [metrics_of(run.folder) for run in runs]
    assert scores[0] == scores[2] != scores[1] == scores[3]


@slow
@patient
def test_a_loss_that_is_not_finite_is_told_once(tmp_path):
    done = train(tmp_path / "run", *DDP, "optimizer=sgd", "optimizer.lr=1e30", "trainer.gradient_clip_val=null")
    assert done.code == 1
    assert done.err.count("recast: the training loss is") == 1
    assert "Traceback" not in done.err


@slow
@patient
def test_jobs_of_a_sweep_train_in_two_processes(tmp_path):
    sweep = tmp_path / "sweep"
    options = (*DDP, "data.batch_size=16", *SCHEDULED)
    done = shell("recast-train", "-m", *options, "seed=0,1", f"hydra.sweep.dir={sweep}", cwd=tmp_path, limit=LIMIT)
    assert done.code == 0, done
    for seed in (0, 1):
        one = trained_by(1, tmp_path / f"one{seed}", 32, *SCHEDULED, f"seed={seed}")
        assert_equal_results(one, sweep / f"seed-{seed}", 1e-5)
    again = run("recast-train", "-m", *options, "seed=0,1", f"hydra.sweep.dir={sweep}", cwd=tmp_path)
    assert again.code == 0, again
    assert "2 of them done already" in again.out + again.err
