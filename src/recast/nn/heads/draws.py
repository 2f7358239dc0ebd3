"""Random numbers of training: the same whatever the device, and however many processes share a batch."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.types import Share


def drawn(
    draw: Callable[..., Tensor],
    like: Float[Tensor, "*shape"],
    generator: torch.Generator | None,
    share: Share | None = None,
) -> Float[Tensor, "*shape"]:
    """A number for each element of a tensor, in its precision and on its device.

    A generator on the CPU gives the same numbers on any device.

    Args:
        draw: `torch.randn` or `torch.rand`.
        like: Numbers for rows of a batch.
        generator: Source of random numbers; None: torch's global one.
        share: Which rows of the global batch of all processes these are: numbers are drawn for all of its rows.
    """
    source = like.device if generator is None else generator.device
    first, total = (0, len(like)) if share is None else (share.first, share.total)
    noise = draw((total, *like.shape[1:]), generator=generator, dtype=like.dtype, device=source)
    return noise[first : first + len(like)].to(like.device)


class ResumableGenerator(nn.Module):
    """A random generator whose state is part of the state dict, so that training resumes bit for bit.

    It is seeded from torch's global generator at construction. Processes that train one model have identical ones: each
    draws for the global batch of all processes and uses the rows of its share. Dropout is drawn from torch's global
    generator, which differs between processes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    def get_extra_state(self) -> Tensor:
        """State of the generator; called by torch."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restores the generator; called by torch."""
        self.generator.set_state(state.cpu())
