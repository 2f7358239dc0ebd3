"""Prepares labelled sequences for training: split, scaling, storage."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recast.data.panel import Panel, joined
from recast.data.prepare.describe import align, column_scaling, static_scaling
from recast.data.prepare.own_scale import own_scaled
from recast.data.prepare.scale import Scaler
from recast.data.prepare.storage import Storage, stored
from recast.data.sources.fingerprint import fingerprint
from recast.data.spec import LONG, SequenceSpec
from recast.errors import DataError


def stratified(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the samples kept and of those held out, both ascending.

    Of the n samples of a class, fraction * n are held out, rounded down or up so that the sum over the classes is the
    rounded fraction of all (largest remainders first). Every class keeps at least one sample.

    Args:
        labels: Class of each sample, shape (samples,).
        fraction: Share of the samples to hold out.
        seed: Random seed.
    """
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    wanted = counts * fraction
    taken = np.minimum(np.floor(wanted).astype(int), counts - 1)
    spare = round(len(labels) * fraction) - taken.sum()
    for place in np.argsort(taken - wanted, kind="stable"):
        if spare > 0 and taken[place] < counts[place] - 1:
            taken[place] += 1
            spare -= 1
    aside = np.zeros(len(labels), dtype=bool)
    for name, count in zip(classes, taken, strict=True):
        aside[random.permutation(np.flatnonzero(labels == name))[:count]] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)


class SequenceParts(NamedTuple):
    """Indices of the sequences of each part, int64 tensors."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class PreparedSequences:
    """Labelled sequences ready for training.

    Args:
        panel: All of them in the data's own unit, those of the training file first; each is an item of one piece.
        spec: What a model must know about them.
        storage: Their scaled rows.
        parts: Which of them are for training, validation and test.
        fingerprint: SHA-256 of what was read.
    """

    panel: Panel
    spec: SequenceSpec
    storage: Storage
    parts: SequenceParts
    fingerprint: str

    def part(self, name: str) -> Panel:
        """The sequences of "train", "validation" or "test", in the data's own unit."""
        return self.panel.take(getattr(self.parts, name).numpy())


def prepare_sequences(
    train: Panel,
    test: Panel,
    *,
    scaler: Scaler,
    validation: float,
    seed: int,
    own_scale: bool | None = None,
    trained: SequenceSpec | None = None,
) -> PreparedSequences:
    """Holds out a validation part of the training sequences and fits the scaling on the others.

    Args:
        train: The sequences to train on.
        test: Those to test on.
        scaler: Scaling, by default fitted on the rows of the training part.
        validation: Share of the training sequences to hold out, stratified by class.
        seed: Seed of that split.
        own_scale: Whether each sequence is first scaled by itself; None: if the longest to train on is long.
        trained: The spec of a trained model, whose scaling replaces a fitted one.

    Raises:
        DataError: if a requested validation part would be empty, or a channel is constant.
    """
    kept, aside = stratified(train.labels, validation, seed)
    if validation > 0 and not len(aside):
        raise DataError(
            f"{train.label}: {len(train.ids)} sequences are too few to set {validation:g} of them aside for "
            "validation; give more sequences, a larger data.validation, or data.validation=0"
        )
    panel = joined(train, test)
    parts = (kept, aside, np.arange(len(train.ids), len(panel.ids)))
    longest = int(train.lengths.max())
    if trained is None:
        fitted_on = train.take(kept) if scaler.fitted_on == "train" else panel
        own_scale = longest > LONG if own_scale is None else own_scale
        spec = _described(panel, fitted_on, scaler, longest=longest, own_scale=own_scale)
    else:
        spec = trained
    panel, storage = _stored(panel, spec)
    return PreparedSequences(
        panel=panel,
        spec=spec,
        storage=storage,
        parts=SequenceParts(*(torch.from_numpy(part) for part in parts)),
        fingerprint=fingerprint(train, test),
    )


def prepare_unseen(sequences: Panel, spec: SequenceSpec) -> PreparedSequences:
    """Sequences that a trained model has not seen, under its scaling; all of them are the test part.

    Args:
        sequences: New sequences.
        spec: The spec the model was trained with.

    Raises:
        DataError: if they have other columns or classes, or gaps that the training data had not.
    """
    if len(sequences.columns) != len(spec.columns):
        raise DataError(
            f"{sequences.label}: sequences of {len(sequences.columns)} dimension(s), but the model was trained on "
            f"{len(spec.columns)}"
        )
    none = torch.empty(0, dtype=torch.int64)
    panel, storage = _stored(sequences, spec)
    return PreparedSequences(
        panel=panel,
        spec=spec,
        storage=storage,
        parts=SequenceParts(none, none, torch.arange(len(sequences.ids))),
        fingerprint=fingerprint(sequences),
    )


def _stored(panel: Panel, spec: SequenceSpec) -> tuple[Panel, Storage]:
    """The panel in its own unit, with levels of the spec, and its scaled rows."""
    if not spec.own_scale:
        panel = align(panel, spec)
        return panel, stored(panel, spec)
    scaled = align(own_scaled(panel, spec), spec)
    categories = [column.is_category for column in panel.columns]
    return replace(scaled, values=np.where(categories, scaled.values, panel.values)), stored(scaled, spec)


def _described(panel: Panel, fitted_on: Panel, scaler: Scaler, *, longest: int, own_scale: bool) -> SequenceSpec:
    if own_scale:
        fitted_on = own_scaled(fitted_on)
    offset, scale = column_scaling(fitted_on.columns, fitted_on.values, scaler)
    static_offset, static_scale = static_scaling(fitted_on)
    return SequenceSpec(
        columns=fitted_on.columns,
        offset=offset,
        scale=scale,
        static=fitted_on.static,
        static_offset=static_offset,
        static_scale=static_scale,
        masked=bool(np.isnan(panel.values).any()),
        longest=longest,
        own_scale=own_scale,
    )
