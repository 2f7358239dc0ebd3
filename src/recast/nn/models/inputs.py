"""The inputs of recurrent layers at each step, assembled from the named parts of a batch."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recast.data.panel import Column
from recast.data.spec import PanelSpec, SeriesSpec
from recast.nn.models.context_imputer import ContextImputer
from recast.nn.models.history import last_observed
from recast.types import Batch


class Inputs(nn.Module):
    """Concatenates what is read at a step: numbers, masks of what was observed, and embedded categories.

    At each step of the context these are the targets, then what is known only up to the origin (past columns; where
    values may be missing, masks of the targets and of these; an embedding of each past category), then what is known
    ahead (known columns, sines and cosines of time; their masks; the static columns, the same at each step; an
    embedding of each known and static category), which is also available at the steps of the horizon. A value that was
    not observed is read as 0, the mean of standardised data, along with a mask of 0; targets and past columns as the
    last observation of the context before it where the spec says that they are held; targets as what an imputation
    model makes of the context where the spec names one. A model that shifts or divides targets before it reads them
    does so with those of `filled`.

    A category of n levels is embedded by a learnt vector of `embedding_size(n)` numbers for each level, and one more
    for "not observed".

    Args:
        spec: The data's description.

    Attributes:
        past_size: Inputs at each step of the context that are neither targets nor known ahead.
        ahead_size: Inputs at each step that are known ahead.
        context_size: All inputs at each step of the context.
        imputer: The imputation model; None: none, or not yet given.
    """

    imputer: ContextImputer | None

    def __init__(self, spec: PanelSpec) -> None:
        super().__init__()
        targets, past, known = len(spec.reals("target")), len(spec.reals("past")), spec.known_reals
        self.embeddings = nn.ModuleDict(
            {role: _embeddings(spec.categories(role)) for role in ("past", "known", "static")}
        )
        masks = int(spec.masked)
        self._held = isinstance(spec, SeriesSpec) and spec.held
        self._imputes = isinstance(spec, SeriesSpec) and spec.imputer is not None
        self.imputer = None
        self.past_size = past + masks * (targets + past) + self._width("past")
        self.ahead_size = known * (1 + masks) + spec.static_reals + self._width("known") + self._width("static")
        self.context_size = targets + self.past_size + self.ahead_size

    def context(self, batch: Batch) -> Float[Tensor, "batch context inputs"]:
        """What is read at each step of the context."""
        return side_by_side([self.history(batch), self.past(batch), self.known(batch, slice(0, batch.context))])

    def history(self, batch: Batch) -> Float[Tensor, "batch context targets"]:
        """The targets at each step of the context."""
        batch = self.filled(batch)
        if batch.observed is None or batch.imputed:
            return batch.history
        return self._seen(batch.history, batch.observed.history)

    def filled(self, batch: Batch) -> Batch:
        """The batch with targets from the imputation model where none was observed; unchanged where there is no model.

        Raises:
            RuntimeError: if the spec names a model that was not given.
        """
        if not self._imputes or batch.observed is None or batch.imputed:
            return batch
        if self.imputer is None:
            raise RuntimeError("the spec names an imputation model, which was not given to the inputs")
        return batch._replace(history=self.imputer(batch), imputed=True)

    def past(self, batch: Batch) -> Float[Tensor, "batch context inputs"]:
        """What is neither a target nor known ahead, at each step of the context."""
        parts = [batch.past]
        if batch.observed is not None:
            masks = batch.observed.history, batch.observed.past
            seen = self._seen(batch.past, batch.observed.past)
            parts = [seen, *(mask.to(batch.past.dtype) for mask in masks)]
        if batch.categories is not None:
            parts += self._embedded("past", batch.categories.past)
        return side_by_side(parts)

    def ahead(self, batch: Batch) -> Float[Tensor, "batch horizon inputs"]:
        """What is known ahead, at each step of the horizon."""
        return self.known(batch, slice(batch.context, None))

    def known(self, batch: Batch, steps: slice = slice(None)) -> Float[Tensor, "batch steps inputs"]:
        """What is known ahead at some of the steps of context and horizon; by default at all."""
        known = batch.known[:, steps]
        parts = [known]
        if batch.observed is not None:
            mask = batch.observed.known[:, steps]
            parts = [known.where(mask, 0.0), mask.to(known.dtype)]
        if batch.static.shape[1]:
            parts.append(batch.static.unsqueeze(1).expand(-1, known.shape[1], -1))
        if batch.categories is not None:
            parts += self._embedded("known", batch.categories.known[:, steps])
            static = self._embedded("static", batch.categories.static)
            parts += [part.unsqueeze(1).expand(-1, known.shape[1], -1) for part in static]
        return side_by_side(parts)

    def _seen(
        self, values: Float[Tensor, "batch time columns"], observed: Bool[Tensor, "batch time columns"]
    ) -> Float[Tensor, "batch time columns"]:
        return last_observed(values, observed) if self._held else values.where(observed, 0.0)

    def _width(self, role: str) -> int:
        return sum(table.embedding_dim for table in self._tables(role))

    def _tables(self, role: str) -> list[nn.Embedding]:
        return list(self.embeddings[role])  # pyright: ignore[reportArgumentType] ModuleDict is untyped

    def _embedded(self, role: str, levels: Int[Tensor, "*steps categories"]) -> list[Tensor]:
        return [table(levels[..., place]) for place, table in enumerate(self._tables(role))]


def side_by_side(parts: list[Tensor]) -> Tensor:
    """Tensors concatenated along their last axis; a single non-empty one is returned unchanged."""
    filled = [part for part in parts if part.shape[-1]]
    if not filled:
        return parts[0]
    return filled[0] if len(filled) == 1 else torch.cat(filled, dim=-1)


def embedding_size(levels: int) -> int:
    """Embedding size of a category of n levels: 1.6 n^0.56, at most 64, fastai's rule of thumb for tabular models."""
    return min(64, round(1.6 * levels**0.56))


def _embeddings(columns: tuple[Column, ...]) -> nn.ModuleList:
    counts = [len(column.levels or ()) for column in columns]
    return nn.ModuleList(nn.Embedding(count + 1, embedding_size(count)) for count in counts)
