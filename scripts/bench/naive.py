"""The loop that one writes first, in plain torch, for any of the three cells and any teacher forcing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

RECURRENT: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Naive(nn.Module):
    """One call over the context, then one call of one step and a readout for each lead, fed back.

    Encoder and decoder have weights of their own; the target is the first of the inputs.

    Args:
        kind: "rnn", "gru" or "lstm".
        inputs: Inputs at each step of the context.
        hidden: Units of a layer.
        layers: Layers of encoder and decoder.
        horizon: Leads. [steps]
    """

    def __init__(self, *, kind: str, inputs: int, hidden: int, layers: int, horizon: int) -> None:
        super().__init__()
        recurrent = RECURRENT[kind]
        self.encoder = recurrent(inputs, hidden, layers, batch_first=True)
        self.decoder = recurrent(1, hidden, layers, batch_first=True)
        self.readout = nn.Linear(hidden, 1)
        self.horizon = horizon

    def forward(self, context: Tensor, truth: Tensor | None = None, fed: Tensor | None = None) -> Tensor:
        """Forecasts, shape (batch, horizon, 1).

        Args:
            context: Shape (batch, context, inputs).
            truth: The true values, shape (batch, horizon, 1); needed where some are fed.
            fed: Where the truth of a lead is fed to the next one, shape (batch, horizon - 1). None: nowhere.
        """
        _, state = self.encoder(context)
        value = context[:, -1:, :1]
        forecast = []
        for lead in range(self.horizon):
            output, state = self.decoder(value, state)
            value = self.readout(output)
            forecast.append(value)
            if truth is not None and fed is not None and lead + 1 < self.horizon:
                value = torch.where(fed[:, lead, None, None], truth[:, lead : lead + 1], value)
        return torch.cat(forecast, dim=1)

    def teacher_forced(self, context: Tensor, truth: Tensor) -> Tensor:
        """The same with the truth fed at each lead: one call over all of the decoder's inputs."""
        _, state = self.encoder(context)
        outputs, _ = self.decoder(torch.cat([context[:, -1:, :1], truth[:, :-1]], dim=1), state)
        return self.readout(outputs)
