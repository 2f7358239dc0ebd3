"""The predictions of a classifier, and tables derived from them."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device

from recast.data.sequence_datamodule import SequenceDataModule
from recast.training.classification_task import ClassificationTask


@dataclass(frozen=True, eq=False)
class Predictions:
    """The probability of each class for each sequence of a part.

    Args:
        probabilities: Float64, shape (sequences, classes).
        labels: True classes, -1 where they are unknown, shape (sequences,).
        classes: Names of the classes.
        numbers: Number of each sequence in its file, from 1.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    numbers: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each sequence, shape (sequences,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return bool((self.labels >= 0).all())

    def confusion(self) -> np.ndarray:
        """Number of sequences of each true class (rows) predicted as each class (columns)."""
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def per_class(self) -> pd.DataFrame:
        """Recall, precision, F1 and number of sequences of each class; NaN where the denominator is zero."""
        confusion = self.confusion()
        hits, true, taken = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
        return pd.DataFrame(
            {
                "recall": _share(hits, true),
                "precision": _share(hits, taken),
                "f1": _share(2 * hits, true + taken),
                "sequences": true,
            },
            index=pd.Index(self.classes, name="class"),
        )

    def table(self) -> pd.DataFrame:
        """One row for each sequence: true class where known, predicted class, probability of each class."""
        names = np.array([*self.classes, ""])
        columns = {"label": names[self.labels], "predicted": names[self.predicted]}
        columns |= {
            f"probability_{name}": column for name, column in zip(self.classes, self.probabilities.T, strict=True)
        }
        return pd.DataFrame(columns, index=pd.Index(self.numbers, name="sequence"))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


@torch.no_grad()
def predict(task: ClassificationTask, data: SequenceDataModule, part: str) -> Predictions:
    """The predictions for all sequences of a part, in the order of the file.

    Args:
        task: The trained task; its mode is restored.
        data: Its data.
        part: "train", "validation" or "test".
    """
    prepared = data.prepared
    training = task.training
    task.eval()
    found = []
    for batch in data.loader(part, shared=False):
        # Outside of the trainer it comes in the precision of the storage.
        scores = task.model(move_data_to_device(batch.to_precision(cast("torch.dtype", task.dtype)), task.device))
        found.append(scores.double().softmax(dim=1).cpu())
    task.train(training)
    which = getattr(prepared.parts, part).numpy()
    # The test file's sequences stand behind those of the training file.
    first = len(prepared.panel.ids) - len(prepared.parts.test) if part == "test" else 0
    classes = prepared.spec.classes
    return Predictions(
        probabilities=torch.cat(found).numpy() if found else np.empty((0, len(classes))),
        labels=prepared.panel.labels[which],
        classes=classes,
        numbers=which - first + 1,
    )
