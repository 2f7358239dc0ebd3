"""Weight initialisation of recurrent cells."""

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn

from recast.errors import ConfigurationError

RecurrentInit = Literal["uniform", "orthogonal", "identity"]
ChronoSteps = Annotated[int, Ge(3)]
"""T_max of the chrono initialisation: the uniform distribution on [1, T_max - 1] needs T_max > 2."""


@torch.no_grad()
def initialise_recurrent(weight: Float[Tensor, "rows hidden"], how: RecurrentInit) -> None:
    """Initialises the recurrent weights, the square block of each gate separately.

    Args:
        weight: The stacked blocks; changed in place.
        how: "uniform": left as drawn by torch. "orthogonal": a random orthogonal matrix, which preserves the norm of
            the state (Saxe et al. 2014, arXiv 1312.6120, section 3). "identity": each unit copies its own state and no
            other (Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 3).
    """
    for block in weight.split(weight.shape[1]):
        if how == "orthogonal":
            nn.init.orthogonal_(block)
        elif how == "identity":
            nn.init.eye_(block)


def chrono_bias(units: int, longest: int) -> Float[Tensor, " units"]:
    """Biases of gates that keep the state, with memories spread over 2 to `longest` steps.

    b = log(u), u uniform on [1, longest - 1]: Tallec & Ollivier 2018, arXiv 1804.11188, section 2. A gate sigmoid(b)
    keeps a state for 1 / (1 - sigmoid(b)) = 1 + u steps.

    Args:
        units: Number of gates.
        longest: The longest dependency expected in the data, T_max. [steps]
    """
    return torch.empty(units).uniform_(1, longest - 1).log_()


def refuse_two_biases(cell: str, chrono: int | None, option: str, value: float) -> None:
    """Rejects the chrono initialisation combined with an explicit bias of the same gate.

    Args:
        cell: Name of the cell, for the message.
        chrono: T_max; None: no chrono initialisation. [steps]
        option: Name of the option that sets the bias.
        value: Its value.

    Raises:
        ConfigurationError: if both are given.
    """
    if chrono is not None and value != 0:
        raise ConfigurationError(
            f"{cell}: chrono={chrono} draws the very bias that {option}={value} would set; give {option}=0 with it "
            f"(model.cell.{option}=0 on the command line), or chrono=null"
        )
