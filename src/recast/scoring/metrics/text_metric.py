"""The base of all metrics of texts."""

from abc import ABC, abstractmethod
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

from recast.data.spec import TextSpec
from recast.options import checked
from recast.scoring.metrics.description import Described, Description


class TextMetric(Described, Metric, ABC):  # pyright: ignore[reportIncompatibleVariableOverride] both allow False
    """A function of the mean surprise of the symbols of a text, independent of batching.

    `update(log_probabilities, symbols)` takes log P of each true symbol in nats and the symbol's level. A new metric
    inherits from this class and implements `value`.

    Args:
        spec: The text.
    """

    higher_is_better = False

    @checked
    def __init__(self, *, spec: TextSpec) -> None:
        super().__init__()
        self.register_buffer("lengths", torch.tensor(spec.lengths), persistent=False)
        for name in ("nats", "symbols", "characters"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, log_probabilities: Float[Tensor, "*any"], symbols: Int[Tensor, "*any"]) -> None:
        """Adds symbols.

        Args:
            log_probabilities: log P of each. [nats]
            symbols: Their levels.
        """
        lengths = cast("Tensor", self.lengths)
        self.nats -= log_probabilities.double().sum()
        self.symbols += symbols.numel()
        self.characters += lengths[symbols].sum()

    def compute(self) -> Float[Tensor, ""]:
        """The value over all symbols; NaN without any."""
        nats, symbols, characters = (cast("Tensor", getattr(self, name)) for name in ("nats", "symbols", "characters"))
        return self.value(nats, symbols, characters)

    @abstractmethod
    def value(
        self, nats: Float[Tensor, ""], symbols: Float[Tensor, ""], characters: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The value of sums over a text.

        Args:
            nats: The sum of -log P. [nats]
            symbols: Their number.
            characters: The characters that they have.
        """

    @property
    def description(self) -> Description:
        """The meaning of its values."""
        return self.describe("")
