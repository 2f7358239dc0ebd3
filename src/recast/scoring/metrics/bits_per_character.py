"""Bits per character."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor

from recast.scoring.metrics.text_metric import TextMetric


@final
class BitsPerCharacter(TextMetric):
    """-log2 P of a text over its number of characters, which texts in characters and in words have in common.

    Args:
        spec: The text.
    """

    def unit(self, of: str) -> str:
        """Bits."""
        return "bit"

    def value(
        self, nats: Float[Tensor, ""], symbols: Float[Tensor, ""], characters: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The nats over the characters and log 2."""
        return nats / (characters * math.log(2.0))
