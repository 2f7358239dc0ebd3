"""From labelled sequences to what training needs: split, scale, one storage."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recast.errors import DataError
from recast.prepare.scale import Scaler
from recast.prepare.stratified import stratified
from recast.series.fingerprint import sequences_fingerprint
from recast.types import Sequences, SequenceSpec


class SequenceParts(NamedTuple):
    """Indices of the sequences of each part, int64 tensors."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class PaddedStorage:
    """All sequences one after the other, and behind them a row of zeros that padding is read from.

    Args:
        values: Scaled values, float32, shape (rows + 1, channels).
        starts: First row of each sequence, shape (sequences,).
        lengths: Steps of each sequence, shape (sequences,).
        labels: Class of each sequence, -1 where it is unknown, shape (sequences,).
    """

    values: Float[Tensor, "rows channels"]
    starts: Int[Tensor, " sequences"]
    lengths: Int[Tensor, " sequences"]
    labels: Int[Tensor, " sequences"]

    def to(self, device: torch.device) -> "PaddedStorage":
        """The same on a device."""
        return PaddedStorage(*(part.to(device) for part in (self.values, self.starts, self.lengths, self.labels)))


@dataclass(frozen=True, eq=False)
class PreparedSequences:
    """Labelled sequences ready for training.

    Args:
        sequences: All of them in the data's own unit, those of the training file first.
        spec: What a model must know of them.
        storage: Their scaled values.
        parts: Which of them are for training, validation and test.
        fingerprint: SHA-256 of what was read.
    """

    sequences: Sequences
    spec: SequenceSpec
    storage: PaddedStorage
    parts: SequenceParts
    fingerprint: str

    def part(self, name: str) -> Sequences:
        """The sequences of "train", "validation" or "test", in the data's own unit."""
        return self.sequences.take(getattr(self.parts, name).numpy())


def padded_storage(sequences: Sequences, spec: SequenceSpec) -> PaddedStorage:
    """The scaled sequences with a row of zeros behind them."""
    rows, channels = sequences.values.shape
    values = torch.zeros(rows + 1, channels, dtype=torch.float32)
    # Scaled in float64 first: a small signal on a large offset would lose its digits in float32.
    values[:-1] = torch.from_numpy((sequences.values - np.asarray(spec.offset)) / np.asarray(spec.scale))
    arrays = (sequences.starts[:-1], sequences.lengths, sequences.labels)
    return PaddedStorage(values, *(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def prepare_sequences(
    train: Sequences, test: Sequences, *, scaler: Scaler, validation: float, seed: int
) -> PreparedSequences:
    """Sets a validation part of the training sequences aside and fits the scaling on the others.

    Args:
        train: The sequences to train on.
        test: Those to test on.
        scaler: Scaling, fitted on the rows of the training part unless it says otherwise.
        validation: Share of the training sequences that are set aside, each class in its proportion.
        seed: Seed of that choice.

    Raises:
        DataError: if validation is asked for but leaves no sequence, or a channel is constant.
    """
    kept, aside = stratified(train.labels, validation, seed)
    if validation > 0 and not len(aside):
        raise DataError(
            f"{train.label}: {len(train)} sequences are too few to set {validation:g} of them aside for validation; "
            "give more sequences, a larger data.validation, or data.validation=0"
        )
    sequences = _joined(train, test)
    parts = (kept, aside, np.arange(len(train), len(sequences)))
    fitted_on = train.take(kept) if scaler.fitted_on == "train" else sequences
    offset, scale = scaler.fit(fitted_on.values, sequences.names)
    spec = SequenceSpec(sequences.names, sequences.units, sequences.classes, offset, scale)
    return PreparedSequences(
        sequences=sequences,
        spec=spec,
        storage=padded_storage(sequences, spec),
        parts=SequenceParts(*(torch.from_numpy(part) for part in parts)),
        fingerprint=sequences_fingerprint(sequences, len(train)),
    )


def prepare_unseen(sequences: Sequences, spec: SequenceSpec) -> PreparedSequences:
    """Sequences that a trained model has not seen, under its scaling; all of them are the test part.

    Args:
        sequences: New sequences.
        spec: The spec of the model's training.

    Raises:
        DataError: if they have another number of channels.
    """
    if len(sequences.names) != len(spec.names):
        raise DataError(
            f"{sequences.label}: sequences of {len(sequences.names)} dimension(s), but the model was trained on "
            f"{len(spec.names)}"
        )
    none = torch.empty(0, dtype=torch.int64)
    return PreparedSequences(
        sequences=sequences,
        spec=spec,
        storage=padded_storage(sequences, spec),
        parts=SequenceParts(none, none, torch.arange(len(sequences))),
        fingerprint=sequences_fingerprint(sequences, 0),
    )


def _joined(train: Sequences, test: Sequences) -> Sequences:
    return Sequences(
        values=np.concatenate([train.values, test.values]),
        starts=np.concatenate([train.starts, train.starts[-1] + test.starts[1:]]),
        labels=np.concatenate([train.labels, test.labels]),
        classes=train.classes,
        names=train.names,
        units=train.units,
        label=f"{train.label}, {test.label}",
    )
