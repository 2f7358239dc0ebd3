"""What recurrent layers read at each step, made from the named parts of a batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recast.panel import Column
from recast.spec import PanelSpec
from recast.types import Batch


class Inputs(nn.Module):
    """Puts side by side what is read at a step: numbers, masks of what was observed, and embedded categories.

    What is known ahead, at any step: the known columns, sines and cosines of time; where values may be missing, masks
    of these; the static columns, the same at each step; an embedding of each known and static category. At the steps of
    the context besides: the targets and the past columns before all that, their masks and the embeddings of past
    categories behind it. A value that was not observed is read as 0, the mean of standardised data, beside a mask of 0.

    A category of n levels is embedded by a learnt vector of `embedding_size(n)` numbers for each level, and one more for
    "not observed".

    Args:
        spec: The data's description.

    Attributes:
        ahead_size: Numbers at each step that are known ahead.
        context_size: Numbers at each step of the context.
    """

    def __init__(self, spec: PanelSpec) -> None:
        super().__init__()
        targets, past, known = len(spec.reals("target")), len(spec.reals("past")), spec.known_reals
        self.embeddings = nn.ModuleDict(
            {role: _embeddings(spec.categories(role)) for role in ("past", "known", "static")}
        )
        masks = int(spec.masked)
        statics = len([column for column in spec.static_inputs if not column.is_category])
        self.ahead_size = known * (1 + masks) + statics + self._width("known") + self._width("static")
        self.context_size = (targets + past) * (1 + masks) + self.ahead_size + self._width("past")

    def context(self, batch: Batch) -> Float[Tensor, "batch context inputs"]:
        """What is read at each step of the context."""
        parts = [batch.history, batch.past, self.known(batch, slice(0, batch.context))]
        if batch.observed is not None:
            history, past = batch.observed.history, batch.observed.past
            parts[:2] = [batch.history.where(history, 0.0), batch.past.where(past, 0.0)]
            parts += [mask.to(batch.history.dtype) for mask in (history, past)]
        if batch.categories is not None:
            parts += self._embedded("past", batch.categories.past)
        return side_by_side(parts)

    def ahead(self, batch: Batch) -> Float[Tensor, "batch horizon inputs"]:
        """What is known ahead at each step of the horizon."""
        return self.known(batch, slice(batch.context, None))

    def known(self, batch: Batch, steps: slice = slice(None)) -> Float[Tensor, "batch steps inputs"]:
        """What is known ahead at some of the steps of context and horizon; none named: at all."""
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

    def _width(self, role: str) -> int:
        return sum(table.embedding_dim for table in self._tables(role))

    def _tables(self, role: str) -> list[nn.Embedding]:
        return list(self.embeddings[role])  # pyright: ignore[reportArgumentType, reportReturnType] ModuleDict is untyped

    def _embedded(self, role: str, levels: Int[Tensor, "*steps categories"]) -> list[Tensor]:
        return [table(levels[..., place]) for place, table in enumerate(self._tables(role))]


def side_by_side(parts: list[Tensor]) -> Tensor:
    """Tensors joined along their last axis; a single one that is not empty as it is."""
    filled = [part for part in parts if part.shape[-1]]
    if not filled:
        return parts[0]
    return filled[0] if len(filled) == 1 else torch.cat(filled, dim=-1)


def embedding_size(levels: int) -> int:
    """Numbers that a level is embedded in: 1.6 n^0.56, at most 64, the rule of thumb of fastai's tabular models."""
    return min(64, round(1.6 * levels**0.56))


def _embeddings(columns: tuple[Column, ...]) -> nn.ModuleList:
    counts = [len(column.levels or ()) for column in columns]
    return nn.ModuleList(nn.Embedding(count + 1, embedding_size(count)) for count in counts)
