"""How long the memory of a cell is at first: initial biases of the gates that keep and write its state."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, final

from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from recast.options import checked

Biases = Sequence[Float[Tensor, " units"]]


class GateInit(ABC):
    """Initialises the biases of the gates that keep and write a state.

    A new one subclasses this and implements `initialise`.
    """

    @abstractmethod
    def initialise(self, keep: Biases, write: Biases = ()) -> None:
        """Changes the biases in place; called without gradients.

        Args:
            keep: The biases that are summed in the gate by which a state is multiplied.
            write: Those of the gate by which the candidate is multiplied; none if it is one minus the other.
        """


@final
class ConstantBias(GateInit):
    """The same number added to the bias of every unit.

    A gate of about sigmoid(bias) keeps a state for about 1 + exp(bias) steps, so that a positive value starts the cell
    with a long memory: 3 gives about 21 steps. Jozefowicz et al. 2015, "An empirical exploration of recurrent network
    architectures", recommend 1 for an LSTM.

    Args:
        bias: The number.

    Raises:
        ConfigurationError: if it is not finite.
    """

    @checked
    def __init__(self, *, bias: float = 3.0) -> None:
        self.bias = bias

    def initialise(self, keep: Biases, write: Biases = ()) -> None:
        """Adds to the first bias of the gate that keeps."""
        keep[0].add_(self.bias)


@final
class ChronoBias(GateInit):
    """Memories spread over 2 to `longest` steps (Tallec & Ollivier 2018, arXiv 1804.11188, section 2).

        b_keep = log(u),  u uniform on [1, longest - 1]
        b_write = -b_keep

    Any further biases of these gates are zero. A gate sigmoid(b_keep) keeps a state for 1 + u steps. The paper's update
    gate z of a GRU is 1 - z here, hence the sign.

    Args:
        longest: The longest dependency expected in the data, T_max, at least 3. [steps]

    Raises:
        ConfigurationError: if it is below 3, where the range of u would be empty.
    """

    @checked
    def __init__(self, *, longest: Annotated[int, Ge(3)]) -> None:
        self.longest = longest

    def initialise(self, keep: Biases, write: Biases = ()) -> None:
        """Draws the first biases and sets the others to zero."""
        for bias in (*keep, *write):
            bias.zero_()
        keep[0].uniform_(1, self.longest - 1).log_()
        for bias in write[:1]:
            bias.copy_(-keep[0])
