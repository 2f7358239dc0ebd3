"""darts: its recurrent models."""

from functools import cached_property
from typing import Any

import numpy as np

from .peer import FOR_EVER, Peer


class Darts(Peer):
    """What both models share: their defaults (MSE, Adam with rate 1e-3, no clipping), standardised float32 series."""

    def _model(self, options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def train(self) -> None:
        """See the base class."""
        from darts import TimeSeries  # pyright: ignore[reportMissingImports] not in recast's own environment
        from pytorch_lightning import Callback

        watch = self.clock.callback(Callback, lambda batch: len(batch.past_target))
        self.model = self._model(
            {
                "model": "GRU",
                "hidden_dim": self.work.hidden,
                "batch_size": self.work.batch,
                "n_epochs": FOR_EVER,
                "random_state": self.work.seed,
                "pl_trainer_kwargs": {"accelerator": "cpu", "callbacks": [watch]},
            }
        )
        self.model.fit(TimeSeries.from_values(self.work.train))

    @cached_property
    def _contexts(self) -> list[Any]:
        from darts import TimeSeries  # pyright: ignore[reportMissingImports] not in recast's own environment

        return [TimeSeries.from_values(context) for context in self.work.contexts]

    def forecast(self) -> np.ndarray:
        """See the base class."""
        found = self.model.predict(self.work.horizon, series=self._contexts, batch_size=512)
        return self.work.metres(np.stack([series.values()[:, 0] for series in found]))


class DartsRNN(Darts):
    """RNNModel: the truth is fed over the whole window in training, the forecast in prediction.

    Its loss is over all steps of the window, those of the context among them.
    """

    def _model(self, options: dict[str, Any]) -> Any:
        from darts.models import RNNModel  # pyright: ignore[reportMissingImports] not in recast's own environment

        # Input and target are one step apart, so that a sample has a row more than this.
        return RNNModel(input_chunk_length=self.work.context, training_length=self.work.length - 1, **options)


class DartsBlockRNN(Darts):
    """BlockRNNModel: each lead is read from one of the last states of the encoder; there is no decoder."""

    def _model(self, options: dict[str, Any]) -> Any:
        from darts.models import BlockRNNModel  # pyright: ignore[reportMissingImports] not in recast's own environment

        return BlockRNNModel(input_chunk_length=self.work.context, output_chunk_length=self.work.horizon, **options)
