"""gluonts: DeepAR on torch."""

from functools import cached_property
from typing import Any

import numpy as np

from .peer import FOR_EVER, Peer


class GluonTSDeepAR(Peer):
    """DeepAREstimator: an LSTM, fed with the truth in training; sampled trajectories in prediction, and their mean.

    One layer of the common size without dropout, and no lags beyond the last value, which reach over days at this step:
    all libraries see the same rows. All else is the library's: Student's t likelihood, Adam with rate 1e-3 that falls
    on a plateau, calendar inputs, scaling of each window, gradients clipped at 10, 100 trajectories. Transformed data
    are kept (`cache_data`); the library else computes calendar inputs of all rows anew for each window.
    """

    def train(self) -> None:
        """See the base class."""
        import lightning.pytorch as pl
        from gluonts.torch import DeepAREstimator  # pyright: ignore[reportMissingImports] not in recast's environment
        from gluonts.transform import (  # pyright: ignore[reportMissingImports] not in recast's environment
            ExpectedNumInstanceSampler,
        )

        work = self.work
        pl.seed_everything(work.seed, verbose=False)
        watch = self.clock.callback(pl.Callback, lambda batch: len(batch["past_target"]))
        estimator = DeepAREstimator(
            freq="10min",
            context_length=work.context,
            prediction_length=work.horizon,
            num_layers=1,
            hidden_size=work.hidden,
            dropout_rate=0.0,
            lags_seq=[1],
            batch_size=work.batch,
            # Its own sampler, kept from windows that begin before the series does.
            train_sampler=ExpectedNumInstanceSampler(
                num_instances=1.0, min_past=work.context + 1, min_future=work.horizon
            ),
            trainer_kwargs={"max_epochs": FOR_EVER, "accelerator": "cpu", "callbacks": [watch]},
        )
        self.predictor = estimator.train(self._data([(0, work.train)]), cache_data=True)
        self.predictor.batch_size = 64

    def _data(self, pieces: list[tuple[int, np.ndarray]]) -> Any:
        import pandas as pd
        from gluonts.dataset.common import ListDataset  # pyright: ignore[reportMissingImports] not in recast's environment

        times = pd.period_range("2020-01-01", periods=len(self.work.values), freq="10min")
        return ListDataset([{"start": times[row], "target": values} for row, values in pieces], freq="10min")

    @cached_property
    def _contexts(self) -> Any:
        work = self.work
        # The row before the context is the lag of its first step.
        pieces = [(int(row) - 1, work.scaled[row - 1 : row + work.context]) for row in work.starts]
        return self._data(pieces)

    def forecast(self) -> np.ndarray:
        """See the base class."""
        return self.work.metres(np.stack([forecast.mean for forecast in self.predictor.predict(self._contexts)]))
