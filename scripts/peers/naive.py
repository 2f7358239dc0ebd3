"""The loop that one writes first, in plain torch."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .peer import Peer


class Network(nn.Module):
    """nn.GRU over the context, then nn.GRU on one step and nn.Linear for each step of the horizon, fed back."""

    def __init__(self, hidden: int, horizon: int) -> None:
        super().__init__()
        self.encoder = nn.GRU(1, hidden, batch_first=True)
        self.decoder = nn.GRU(1, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 1)
        self.horizon = horizon

    def forward(self, context: Tensor) -> Tensor:
        """Forecasts, shape (batch, horizon), from contexts of shape (batch, context)."""
        context = context.unsqueeze(2)
        _, state = self.encoder(context)
        value = context[:, -1:]
        forecast = []
        for _ in range(self.horizon):
            output, state = self.decoder(value, state)
            value = self.readout(output)
            forecast.append(value)
        return torch.cat(forecast, dim=1).squeeze(2)


class Naive(Peer):
    """Free running in training and test; MSE, Adam with torch's rate of 1e-3, all training windows in random order."""

    def train(self) -> None:
        """See the base class."""
        work, clock = self.work, self.clock
        torch.manual_seed(work.seed)
        self.network = Network(work.hidden, work.horizon)
        optimizer = torch.optim.Adam(self.network.parameters())
        windows = torch.from_numpy(work.train).unfold(0, work.length, 1)
        over = False
        while not over:
            for index in torch.randperm(len(windows)).split(work.batch):
                clock.begin(self.network)
                batch = windows[index]
                loss = functional.mse_loss(self.network(batch[:, : work.context]), batch[:, work.context :])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                over = clock.end_batch(len(batch))
                if over:
                    break
        clock.end()

    @torch.no_grad()
    def forecast(self) -> np.ndarray:
        """See the base class."""
        batches = torch.from_numpy(self.work.contexts).split(512)
        return self.work.metres(torch.cat([self.network(batch) for batch in batches]).numpy())
