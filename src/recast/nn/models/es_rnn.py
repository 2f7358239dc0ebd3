"""A recurrent network over what exponential smoothing leaves, with smoothing rates learnt by gradient descent."""

from typing import Annotated, ClassVar, final

import torch
from annotated_types import MinLen
from jaxtyping import Float
from torch import Tensor, nn

from recast.data.panel import ITEM
from recast.data.spec import Feature, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import NoAnchor
from recast.nn.heads.head import Head
from recast.nn.models.reads import EVERYTHING
from recast.nn.models.segment import Relative, Segment
from recast.nn.models.smoothing import smoothed
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch

SEASONS = [24, 168]
RATE = 0.1
"""Each rate at the start of training."""


@final
class EsRnn(Segment):
    """ES-RNN: exponential smoothing whose rates are learnt together with a network over what it leaves (Smyl 2020).

    In each window `smoothed` runs over the context; with its level l and its seasons s

        x_t = y_t - l_T - s(t)                           what the network reads, by segments
        forecast of lead h = l_T + s(T + h) + network

    The rates of level and seasons are weights, of each series by itself where the item is a category of the data
    (`by_item`), and so is the network's view of all series: the hierarchy that won the M4 competition ("A hybrid method
    of exponential smoothing and recurrent neural networks for time series forecasting", International Journal of
    Forecasting 36, section 3). The paper's smoothing is multiplicative, runs from the start of each series, whose first
    seasons are weights too, and its network is a stack of dilated LSTMs, an ensemble of which is averaged. Here
    it is additive, so that any head and series with negative values fit, starts anew in each window from its first
    season, and the network is that of `Segment` (`model/cell=dilated` for its cells).

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        seasons: Lengths of the seasons, ascending; twice the last fits into the context. [steps]
        by_item: Whether each series has its own rates; one that was not in the training has the mean of theirs in
            logits.
        segment: Length of a segment; it must divide the context. [steps]
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output before the readout, and between layers, in training.
        embedding: Size of the embedding of a segment; none: the cell's hidden size.

    Raises:
        ConfigurationError: if an option is out of range, the context is too short for the seasons or no multiple of
            `segment`, or `by_item` is given for data without the item as a category.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        seasons: Annotated[list[PositiveInt], MinLen(1)] = SEASONS,
        by_item: bool = False,
        segment: PositiveInt = 10,
        layers: PositiveInt = 1,
        dropout: Fraction = 0.0,
        embedding: PositiveInt | None = None,
    ) -> None:
        if sorted(set(seasons)) != list(seasons) or 2 * seasons[-1] > spec.context:
            raise ConfigurationError(
                f"EsRnn: seasons={seasons} in a context of {spec.context} steps; expected lengths in ascending order, "
                f"the last at most half of the context (data.windows.context={2 * max(seasons)}, or shorter seasons)"
            )
        super().__init__(
            spec=spec,
            cell=cell,
            head=head,
            segment=segment,
            layers=layers,
            dropout=dropout,
            anchor=NoAnchor,
            subtract_last=False,
            embedding=embedding,
        )
        self.seasons = tuple(seasons)
        self.item = _place_of_item(spec) if by_item else None
        items = 1 if self.item is None else len(spec.categories("static")[self.item].levels or ())
        self.rates = nn.Parameter(torch.full((items, 1 + len(seasons)), RATE).logit())

    def _relative(self, batch: Batch) -> Relative:
        """The targets less level and seasons."""
        batch = self.inputs.filled(batch)
        history = batch.history
        observed = torch.ones_like(history, dtype=torch.bool) if batch.observed is None else batch.observed.history
        found = smoothed(history, observed, self._rates(batch), self.seasons, self.spec.horizon)
        left = history - found.level - found.seasonal
        if not batch.imputed:
            left = left.where(observed, 0.0)
        return Relative(batch._replace(history=left), found.level, found.ahead)

    def _rates(self, batch: Batch) -> Float[Tensor, "#batch rates 1"]:
        rates = self.rates
        if self.item is not None and batch.categories is not None:
            # The last level stands for a series that was not in the training.
            rates = torch.cat([rates, rates.mean(dim=0, keepdim=True)])[batch.categories.static[:, self.item]]
        return rates.sigmoid().unsqueeze(-1)


def _place_of_item(spec: SeriesSpec) -> int:
    names = [column.name for column in spec.categories("static")]
    if ITEM not in names:
        raise ConfigurationError(
            "EsRnn: by_item=true needs the item as a category, which these data do not have; give "
            "data.item_category=true (data of several series), or by_item=false"
        )
    return names.index(ITEM)
