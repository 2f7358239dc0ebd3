"""Classifying sequences."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl

from recast.data.sequence_datamodule import SequenceDataModule
from recast.data.spec import SequenceSpec
from recast.errors import ConfigurationError, DataError
from recast.figures.confusion import confusion_matrix
from recast.nn.models.classifier import Classifier
from recast.runs.checkpoints.spec import checked_sequence_spec
from recast.runs.classification_results import ClassificationResults
from recast.runs.predictions import predict
from recast.runs.scores import class_scores, descriptions
from recast.runs.tasks.task_plug import IN_TRAINING, RestoredTask, TaskPlug
from recast.scoring.baselines.class_baselines import ClassBaseline
from recast.scoring.metrics.class_metric import ClassMetric
from recast.scoring.metrics.description import ranking
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.classification_task import ClassificationTask

RestoredClassifier = RestoredTask[ClassificationTask, SequenceDataModule, SequenceSpec]


class ClassificationPlug(TaskPlug[ClassificationTask, SequenceDataModule, ClassificationResults]):
    """Labelled sequences, scores of each class, a confusion matrix."""

    name = "classification"
    task = ClassificationTask
    data = SequenceDataModule
    model = Classifier
    metric = ClassMetric
    baseline = ClassBaseline

    def checked_spec(self, values: object) -> SequenceSpec:
        """See the base class."""
        return checked_sequence_spec(values)

    def counts(self, data: SequenceDataModule) -> dict[str, int]:
        """Number of sequences in each part."""
        return {part: len(which) for part, which in data.prepared.parts._asdict().items()}

    def summary(self, data: SequenceDataModule) -> str:
        """See the base class."""
        panel = data.prepared.panel
        counts = ", ".join(f"{count} {part}" for part, count in self.counts(data).items())
        lengths = panel.lengths
        return (
            f"{panel.label}: {len(panel.classes)} classes, {len(panel.columns)} channels, lengths "
            f"{lengths.min()} to {lengths.max()}; sequences: {counts}"
        )

    def data_facts(self, data: SequenceDataModule) -> dict[str, Any]:
        """See the base class."""
        prepared = data.prepared
        lengths = prepared.panel.lengths
        return {
            "label": prepared.panel.label,
            "fingerprint": prepared.fingerprint,
            "rows": len(prepared.panel),
            "sequences": self.counts(data),
            "lengths": [int(lengths.min()), int(lengths.max())],
            "spec": prepared.spec.to_dict(),
        }

    def fit_baselines(
        self, baselines: Mapping[str, ClassBaseline], data: SequenceDataModule, scored: Sequence[str] = IN_TRAINING
    ) -> None:
        """See the base class. In training they are not scored on the validation part."""
        train, asked = data.prepared.part("train"), data.prepared.part(scored[-1])
        for baseline in baselines.values():
            baseline.require_affordable(train, asked)
            baseline.fit(train)

    def score_baselines(
        self, baselines: Mapping[str, ClassBaseline], task: ClassificationTask, data: SequenceDataModule, part: str
    ) -> dict[str, dict[str, float]]:
        """See the base class."""
        sequences = data.prepared.part(part)
        metrics = task.metrics_of("test")
        return {
            name: class_scores(metrics, baseline.probabilities(sequences), sequences.labels)
            for name, baseline in baselines.items()
        }

    def adapt(self, config: dict[str, Any], restored: RestoredClassifier) -> bool:
        """Reads the sequences that are to be scored, in the scaling of the training.

        Another file than those of the training needs no label, and has no training part; nor need the files of the
        training be there.
        """
        data, spec, path = restored.data, restored.spec, config["path"]
        data.evaluation_batch_size = config["batch_size"]
        if path is not None:
            if config["split"] != "test":
                raise ConfigurationError(
                    f"split={config['split']}: all sequences of path={path} are the test part; leave split out"
                )
            data.adopt(spec, path)
            return False
        data.adopt(spec)
        if data.prepared.fingerprint != restored.fingerprint:
            raise DataError(
                f"{data.prepared.panel.label}: they have changed since the training, or are read otherwise, so that "
                "the parts are others now; give path=FILE to score a file as it is"
            )
        if not self.counts(data)[config["split"]]:
            raise ConfigurationError(f"split={config['split']}: the model was trained without such a part")
        return True

    def test(self, trainer: pl.Trainer, task: ClassificationTask, data: SequenceDataModule, part: str) -> None:
        """Scores every sequence of a part whose classes are known."""
        if data.prepared.part(part).labelled:
            super().test(trainer, task, data, part)

    def results(
        self,
        task: ClassificationTask,
        data: SequenceDataModule,
        part: str,
        *,
        baselines: dict[str, dict[str, float]],
        seconds: dict[str, float],
        facts: dict[str, Any],
    ) -> ClassificationResults:
        """Predicts the class of every sequence of the part."""
        found = predict(task, data, part)
        model = class_scores(task.metrics_of("test"), found.probabilities, found.labels) if found.labelled else {}
        return ClassificationResults(
            part=part,
            sequences=self.counts(data),
            predictions=found,
            metrics=descriptions(task.metrics_of("test")),
            model=model,
            baselines=baselines,
            seconds=seconds,
            facts=facts,
        )

    def draw(
        self,
        trainer: pl.Trainer,
        task: ClassificationTask,
        data: SequenceDataModule,
        results: ClassificationResults,
    ) -> None:
        """The confusion matrix."""
        first = ranking(results.metrics)
        title = f"{results.part}: {len(results.predictions.labels)} sequences"
        title += f", {first} {results.model[first]:.3f}" if first in results.model else ""
        figure = confusion_matrix(results.predictions.confusion(), results.predictions.classes, title=title)
        log_figure(trainer, "confusion", figure, results.facts["steps"])
