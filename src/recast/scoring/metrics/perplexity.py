"""Perplexity."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from recast.scoring.metrics.text_metric import TextMetric


@final
class Perplexity(TextMetric):
    """exp of the cross-entropy: the number of equally likely symbols that one would be as unsure among.

    Args:
        spec: The text.
    """

    perfect = 1.0

    def unit(self, of: str) -> str:
        """None."""
        return ""

    def value(
        self, nats: Float[Tensor, ""], symbols: Float[Tensor, ""], characters: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The exponential of the nats over the symbols."""
        return (nats / symbols).exp()
