"""Cross-entropy."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from recast.scoring.metrics.text_metric import TextMetric


@final
class Nats(TextMetric):
    """Cross-entropy: the mean of -log P(symbol) over all symbols, in nats a symbol.

    Args:
        spec: The text.
    """

    @property
    def title(self) -> str:
        """Its name in figures."""
        return "cross-entropy"

    def unit(self, of: str) -> str:
        """Nats."""
        return "nats"

    def value(
        self, nats: Float[Tensor, ""], symbols: Float[Tensor, ""], characters: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The nats over the symbols."""
        return nats / symbols
