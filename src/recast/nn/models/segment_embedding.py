"""Cuts series into segments and embeds each."""

from jaxtyping import Float
from torch import Tensor, nn


def cut(sequence: Float[Tensor, "batch time features"], length: int) -> Float[Tensor, "batch segments values"]:
    """All values of each segment of `length` steps, step by step; time must be a whole number of segments."""
    return sequence.unflatten(1, (-1, length)).flatten(2)


class SegmentEmbedding(nn.Module):
    """relu(W values + V covariates + b) for each segment of each target; the weights are the same for all targets.

    Args:
        segment: Length of a segment. [steps]
        size: Size of the embedding.
        covariates: Values that accompany each segment of all targets; V is left out where there are none.
    """

    def __init__(self, *, segment: int, size: int, covariates: int) -> None:
        super().__init__()
        self.segment = segment
        self.values = nn.Linear(segment, size)
        self.covariates = nn.Linear(covariates, size, bias=False) if covariates else None

    def forward(
        self, values: Float[Tensor, "batch time targets"], covariates: Float[Tensor, "batch segments covariates"]
    ) -> Float[Tensor, "batch targets segments size"]:
        """The embeddings.

        Args:
            values: The targets, a whole number of segments.
            covariates: What accompanies each segment.
        """
        embedded = self.values(values.transpose(1, 2).unflatten(-1, (-1, self.segment)))
        if self.covariates is not None:
            embedded = embedded + self.covariates(covariates).unsqueeze(1)
        return embedded.relu()
