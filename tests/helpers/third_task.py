"""A kind of task outside of recast: a number predicted from vectors, with data, model, metric and baseline its own."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanSquaredError

from recast.data.prepare.order import EpochLoader
from recast.data.training_data import TrainingData
from recast.options import PositiveFloat, PositiveInt, Seed, checked
from recast.runs.checkpoints.spec import checked_fields
from recast.runs.results import ResultTable, RunResults
from recast.runs.tasks.task_plug import RestoredTask, TaskPlug
from recast.scoring.baselines.baseline import AnyBaseline
from recast.system.files import write_json
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask


@dataclass(frozen=True)
class VectorSpec:
    """How long the vectors are."""

    size: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class VectorBatch(NamedTuple):
    """Some vectors x and their y."""

    x: Tensor
    y: Tensor


class VectorLoader(EpochLoader[VectorBatch]):
    """Batches in order."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int) -> None:
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.y) / self.batch_size)

    def plan(self, epoch: int) -> Tensor:
        return torch.arange(len(self.y))

    def batch(self, plan: Tensor, number: int) -> VectorBatch:
        rows = plan[number * self.batch_size : (number + 1) * self.batch_size]
        return VectorBatch(self.x[rows], self.y[rows])


class VectorData(TrainingData):
    """Vectors x of normal numbers with y = sum of x."""

    @checked
    def __init__(self, *, size: PositiveInt, rows: PositiveInt = 60, batch_size: PositiveInt = 10, seed: Seed = 0):
        super().__init__()
        self.size, self.rows, self.batch_size, self.seed = size, rows, batch_size, seed

    @cached_property
    def parts(self) -> dict[str, tuple[Tensor, Tensor]]:
        x = torch.randn(self.rows, self.size, generator=torch.Generator().manual_seed(self.seed))
        thirds = x.chunk(3)
        return {part: (x, x.sum(1)) for part, x in zip(("train", "validation", "test"), thirds, strict=True)}

    @property
    def spec(self) -> VectorSpec:
        return VectorSpec(self.size)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"".join(x.numpy().tobytes() for x, _ in self.parts.values())).hexdigest()

    def loader(self, part: str) -> VectorLoader:
        return VectorLoader(*self.parts[part], self.batch_size)

    def train_dataloader(self) -> VectorLoader:
        return self.loader("train")

    def val_dataloader(self) -> VectorLoader:
        return self.loader("validation")

    def test_dataloader(self) -> VectorLoader:
        return self.loader("test")


class VectorModel(nn.Module):
    """A network with one hidden layer."""

    @checked
    def __init__(self, *, spec: VectorSpec, hidden: PositiveInt = 4) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(nn.Linear(spec.size, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)


class VectorMetric(MeanSquaredError):
    """The squared error, times a factor."""

    @checked
    def __init__(self, *, spec: VectorSpec, factor: PositiveFloat = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def compute(self) -> Tensor:
        return self.factor * super().compute()


class MeanOfTraining(AnyBaseline[Tensor]):
    """Says the mean of the training part."""

    def fit(self, training: Tensor, /) -> None:
        self.mean = training.mean()


class VectorTask(TrainingTask):
    """Least squares."""

    @checked
    def __init__(
        self,
        *,
        model: VectorModel,
        optimizer: Callable[..., Optimizer] | None = None,
        learning_rate: LearningRate | None = None,
        metrics: dict[str, Callable[..., VectorMetric]] | None = None,
        weight: PositiveFloat = 1.0,
    ) -> None:
        metrics = metrics or {"error": VectorMetric}
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=metrics)
        self.weight = weight
        self.scores = nn.ModuleDict({name: metric(spec=model.spec) for name, metric in metrics.items()})

    @property
    def validation_curves(self) -> list[str]:
        return ["loss/validation"]

    def training_step(self, batch: VectorBatch, batch_idx: int) -> Tensor:
        x, y = batch
        return self.weight * (self.model(x) - y).square().mean()

    def validation_step(self, batch: VectorBatch, batch_idx: int) -> None:
        self.log("loss/validation", self.training_step(batch, batch_idx))

    def test_step(self, batch: VectorBatch, batch_idx: int) -> None:
        x, y = batch
        for metric in self.scores.values():
            metric.update(self.model(x), y)

    def on_test_epoch_start(self) -> None:
        for metric in self.scores.values():
            metric.reset()


@dataclass
class VectorResults(RunResults):
    """One number for model and baselines."""

    part: str
    model: dict[str, float]
    baselines: dict[str, float]
    facts: dict[str, Any]

    @property
    def overall(self) -> dict[str, float]:
        return self.model

    def tables(self) -> list[ResultTable]:
        return [ResultTable(self.part, "model", pd.DataFrame(self.model, index=["model"]))]

    def remarks(self) -> list[str]:
        return []

    def write(self, folder: Path) -> None:
        write_json(folder / "metrics.json", {self.part: self.model, "baselines": self.baselines, **self.facts})


class VectorPlug(TaskPlug[VectorTask, VectorData, VectorResults]):
    """Regression on vectors."""

    name = "vectors"
    task = VectorTask
    data = VectorData
    model = VectorModel
    metric = VectorMetric
    baseline = MeanOfTraining

    def checked_spec(self, values: object) -> VectorSpec:
        return VectorSpec(**checked_fields(values, {"size": PositiveInt}))

    def counts(self, data: VectorData) -> dict[str, int]:
        return {part: len(y) for part, (_, y) in data.parts.items()}

    def summary(self, data: VectorData) -> str:
        return f"{data.rows} vectors"

    def data_facts(self, data: VectorData) -> dict[str, Any]:
        return {"fingerprint": data.fingerprint}

    def fit_baselines(
        self, baselines: Mapping[str, MeanOfTraining], data: VectorData, scored: Sequence[str] = ("validation", "test")
    ) -> None:
        for baseline in baselines.values():
            baseline.fit(data.parts["train"][1])

    def score_baselines(
        self, baselines: Mapping[str, MeanOfTraining], task: VectorTask, data: VectorData, part: str
    ) -> dict[str, float]:
        y = data.parts[part][1]
        return {name: (y - baseline.mean).square().mean().item() for name, baseline in baselines.items()}

    def adapt(self, config: dict[str, Any], restored: RestoredTask[VectorTask, VectorData, VectorSpec]) -> bool:
        restored.data.batch_size = config["batch_size"]
        return True

    def test(self, trainer: pl.Trainer, task: VectorTask, data: VectorData, part: str) -> None:
        trainer.test(task, data.loader(part), verbose=False)

    def results(self, task: VectorTask, data: VectorData, part: str, **measured: Any) -> VectorResults:
        model = {name: metric.compute().item() for name, metric in task.scores.items()}
        return VectorResults(part, model, measured["baselines"], measured["facts"])

    def draw(self, trainer: pl.Trainer, task: VectorTask, data: VectorData, results: VectorResults) -> None:
        np.save(Path(trainer.default_root_dir) / "drawn.npy", np.array(list(results.model.values())))
