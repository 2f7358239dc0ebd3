"""Random numbers of a model that go on where they were when training resumes."""

import torch
from torch import Tensor, nn


class Draws(nn.Module):
    """A random generator whose state travels in the state dict, so that training resumes bit for bit.

    It is seeded from torch's global one when this is built. Several processes that train one model have equal ones:
    what is drawn from it is drawn for the batch of all of them, and each takes the rows of its share. Dropout is drawn
    from torch's global generator, of which each process has its own.
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
