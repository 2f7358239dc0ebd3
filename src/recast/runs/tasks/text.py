"""Predicting a text symbol by symbol, and writing one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from recast.data.prepare.text import WHOLE
from recast.data.spec import TextSpec
from recast.data.text_datamodule import TextDataModule
from recast.errors import ConfigurationError, DataError, InputError, MisfitError
from recast.figures.leads import lead_errors
from recast.nn.heads.categorical import Sampler
from recast.nn.models.language_model import LanguageModel
from recast.runs.checkpoints.spec import checked_text_spec
from recast.runs.tasks.task_plug import IN_TRAINING, RestoredTask, TaskPlug
from recast.runs.text_results import TextResults
from recast.scoring.baselines.text_baselines import TextBaseline
from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.text_metric import TextMetric
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.text_task import TextTask
from recast.training.writing import START, written

RestoredText = RestoredTask[TextTask, TextDataModule, TextSpec]
SAMPLE = 500
"""Symbols of the sample in the results."""


class TextPlug(TaskPlug[TextTask, TextDataModule, TextResults]):
    """A text as symbols, scores of each symbol given those before it, samples."""

    name = "text"
    task = TextTask
    data = TextDataModule
    model = LanguageModel
    metric = TextMetric
    baseline = TextBaseline

    def checked_spec(self, values: object) -> TextSpec:
        """See the base class."""
        return checked_text_spec(values)

    def counts(self, data: TextDataModule) -> dict[str, int]:
        """Number of symbols in each part: those that are trained on or scored."""
        first, stop = data.prepared.ranges["train"]
        return {"train": stop - first} | {part: len(data.items(part)) for part in ("validation", "test")}

    def summary(self, data: TextDataModule) -> str:
        """See the base class."""
        prepared = data.prepared
        counts = ", ".join(f"{count} {part}" for part, count in self.counts(data).items())
        different = len(prepared.spec.vocabulary) - 1
        return f"{prepared.panel.label}: {prepared.spec.symbol}s, {different} different ones; {counts}"

    def data_facts(self, data: TextDataModule) -> dict[str, Any]:
        """See the base class."""
        prepared = data.prepared
        return {
            "label": prepared.panel.label,
            "fingerprint": prepared.fingerprint,
            "rows": len(prepared.panel),
            "symbols": self.counts(data),
            "spec": prepared.spec.to_dict(),
        }

    def fit_baselines(
        self, baselines: Mapping[str, TextBaseline], data: TextDataModule, scored: Sequence[str] = IN_TRAINING
    ) -> None:
        """See the base class."""
        first, stop = data.prepared.ranges["train"]
        panel = data.prepared.panel
        training = replace(panel, values=panel.values[first:stop], starts=WHOLE, items=WHOLE)
        for baseline in baselines.values():
            try:
                baseline.fit(training)
            except InputError as error:
                raise MisfitError(str(error)) from error

    def score_baselines(
        self, baselines: Mapping[str, TextBaseline], task: TextTask, data: TextDataModule, part: str
    ) -> dict[str, dict[str, float]]:
        """See the base class."""
        rows = data.items(part)
        if not task.scored:
            return {}
        first, stop = int(rows[0]), int(rows[0]) + task.scored
        lengths = np.asarray(data.spec.lengths)[data.prepared.codes[first:stop]].sum()
        numbers = [torch.tensor(float(number), dtype=torch.float64) for number in (stop - first, lengths)]

        def scores(baseline: TextBaseline) -> dict[str, float]:
            nats = torch.tensor(baseline.nats(data.prepared.panel, first, stop), dtype=torch.float64)
            return {name: metric.value(nats, *numbers).item() for name, metric in task.metrics_of("test").items()}

        return {name: scores(baseline) for name, baseline in baselines.items()}

    def adapt(self, config: dict[str, Any], restored: RestoredText) -> bool:
        """Reads the text that is to be scored, in the vocabulary of the training.

        All of another text is scored, but the symbols at its beginning that are read before the first passage.
        """
        data, spec, path = restored.data, restored.spec, config["path"]
        data.evaluation_batch_size = min(config["batch_size"], data.evaluation_batch_size)
        if path is not None:
            if config["split"] != "test":
                raise ConfigurationError(f"split={config['split']}: all of path={path} is the test part; leave it out")
            data.adopt(spec, path)
            if not self.counts(data)["test"]:
                raise DataError(
                    f"{path}: {len(data.prepared.panel)} {spec.symbol}s; expected more than data.warmup="
                    f"{data.warmup}, which are read before the first that is scored"
                )
            return False
        data.adopt(spec)
        if data.fingerprint != restored.fingerprint:
            raise DataError(
                f"{data.prepared.panel.label}: it has changed since the training, or is read otherwise, so that the "
                "parts are others now; give path=FILE to score a text as it is"
            )
        if not self.counts(data)[config["split"]]:
            raise ConfigurationError(f"split={config['split']}: the model was trained without such a part")
        return True

    def results(
        self,
        task: TextTask,
        data: TextDataModule,
        part: str,
        *,
        baselines: dict[str, dict[str, float]],
        seconds: dict[str, float],
        facts: dict[str, Any],
    ) -> TextResults:
        """The scores of the test loop, and a sample."""
        metrics = task.metrics_of("test")
        task.eval()
        sampler = Sampler(temperature=0.8, never=0)
        return TextResults(
            part=part,
            symbol=data.spec.symbol,
            symbols=self.counts(data),
            scored=task.scored,
            vocabulary=len(data.spec.vocabulary) - 1,
            metrics={name: metric.description for name, metric in metrics.items()},
            model={name: metric.compute().item() for name, metric in metrics.items()},
            baselines=baselines,
            sample=written(task.model, START, SAMPLE, sampler, torch.Generator().manual_seed(0)),
            seconds=seconds,
            facts=facts,
        )

    def draw(self, trainer: pl.Trainer, task: TextTask, data: TextDataModule, results: TextResults) -> None:
        """The metric that ranks, of model and baselines, as bars."""
        first = ranking(results.metrics)
        if first is None:
            return
        found = {"model": results.model, **results.baselines}
        figure = lead_errors(
            {name: np.array([scores[first]]) for name, scores in found.items()},
            unit=results.metrics[first].unit,
            metric=task.metrics_of("test")[first].title,
            step=None,
            highlight="model",
        )
        log_figure(trainer, "language_models", figure, results.facts["steps"])
