"""A linear map from a network's output to the forecasts of several leads."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class HorizonReadout(nn.Module):
    """Raw head parameters of every lead k, linear in the network's output h and the known inputs x_k at that lead.

        raw_k = W_k h + b_k + V_k x_k

    Each lead reads only the known inputs of its own step; sines and cosines of time at other steps are linear in x_k,
    so that nothing is lost. The weights start uniform in ±1/sqrt(fan-in), as in `torch.nn.Linear`.

    Args:
        hidden_size: Size of h.
        known: Size of x_k.
        leads: Number of leads.
        targets: Number of targets.
        parameters: Head parameters of each target.
    """

    def __init__(self, *, hidden_size: int, known: int, leads: int, targets: int, parameters: int) -> None:
        super().__init__()
        self.shape = (leads, targets, parameters)
        self.output = nn.Linear(hidden_size, leads * targets * parameters)
        self.known = None
        if known:
            bound = (hidden_size + known) ** -0.5
            self.known = nn.Parameter(torch.empty(leads, known, targets, parameters).uniform_(-bound, bound))

    def forward(
        self, output: Float[Tensor, "*origins hidden"], known: Float[Tensor, "*origins leads known"]
    ) -> Float[Tensor, "*origins leads targets parameters"]:
        """The raw parameters.

        Args:
            output: The network's output at each origin.
            known: Inputs known ahead, at each lead after it.
        """
        raw = self.output(output).unflatten(-1, self.shape)
        return raw if self.known is None else raw + self.direct(known)

    def direct(
        self, known: Float[Tensor, "*origins leads known"]
    ) -> Float[Tensor, "*origins leads targets parameters"]:
        """The contribution of the known inputs, V_k x_k; zero if there are none."""
        if self.known is None:
            return known.new_zeros(*known.shape[:-2], *self.shape)
        return torch.einsum("...kc,kctp->...ktp", known, self.known)
