"""The interface of anchors that are fixed before the network is trained."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.nn.anchors import Anchor
from recast.types import Batch


class FixedAnchor(Anchor):
    """An anchor that is fixed before the network is trained: copied, or solved in closed form on the training windows.

    Its numbers are buffers, which a checkpoint holds. Training then starts near the anchor: the network's last layer
    begins near zero, unless that is a recurrent one; what a head adds by weights of its own stays. After training
    `share` is fitted; see `recast.training.guard`.

    Attributes:
        share: How much of the network's correction is added at each lead, between 0 and 1.
    """

    share: Tensor

    def __init__(self, *, spec: SeriesSpec, leads: int, reach: int) -> None:
        super().__init__(spec=spec, leads=leads, reach=reach)
        self.register_buffer("share", torch.ones(leads))

    @abstractmethod
    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """Solves for its numbers on the training windows.

        Args:
            blocks: Windows of which those of one block share no rows with those of another, so that an option that was
                given several values can be chosen by cross-validation.
            rest: All other training windows.
        """

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What was chosen, in plain containers."""
