"""pytorch-forecasting: its recurrent models."""

from functools import cached_property
from typing import Any

import numpy as np

from .peer import FOR_EVER, Peer


class PyTorchForecasting(Peer):
    """What both models share: TimeSeriesDataSet with its defaults (each window scaled by its context), Adam at 1e-3.

    One layer of the common size without dropout. The truth is fed in training, the forecast in prediction.
    """

    def _model(self, dataset: Any, options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def train(self) -> None:
        """See the base class."""
        import lightning.pytorch as pl

        work = self.work
        pl.seed_everything(work.seed, verbose=False)
        dataset = self._dataset(0, work.train_rows)
        options = {"hidden_size": work.hidden, "rnn_layers": 1, "dropout": 0.0, "learning_rate": 1e-3}
        self.model = self._model(dataset, options)
        watch = self.clock.callback(pl.Callback, lambda batch: len(batch[0]["encoder_cont"]))
        trainer = pl.Trainer(accelerator="cpu", max_epochs=FOR_EVER, callbacks=[watch])
        trainer.fit(self.model, dataset.to_dataloader(train=True, batch_size=work.batch, num_workers=0))

    def _dataset(self, first: int, stop: int) -> Any:
        import pandas as pd
        from pytorch_forecasting import TimeSeriesDataSet  # pyright: ignore[reportMissingImports] not in recast's environment

        work = self.work
        rows = pd.DataFrame({"series": "0", "row": np.arange(first, stop), "level": work.scaled[first:stop]})
        return TimeSeriesDataSet(
            rows,
            time_idx="row",
            target="level",
            group_ids=["series"],
            max_encoder_length=work.context,
            max_prediction_length=work.horizon,
            time_varying_unknown_reals=["level"],
        )

    @cached_property
    def _contexts(self) -> Any:
        work = self.work
        first = int(work.starts[0])
        dataset = self._dataset(first, len(work.values))
        wanted = dataset.filter(lambda index: index["time_idx_first"].isin(work.starts))
        return wanted.to_dataloader(train=False, batch_size=512, num_workers=0)

    def forecast(self) -> np.ndarray:
        """See the base class."""
        found = self.model.predict(self._contexts, trainer_kwargs={"accelerator": "cpu"})
        return self.work.metres(found.numpy())


class PyTorchForecastingRNN(PyTorchForecasting):
    """RecurrentNetwork with a GRU, and RMSE instead of MAE, since a squared error is what is compared."""

    def _model(self, dataset: Any, options: dict[str, Any]) -> Any:
        from pytorch_forecasting import RecurrentNetwork  # pyright: ignore[reportMissingImports] not in recast's environment
        from pytorch_forecasting.metrics import RMSE  # pyright: ignore[reportMissingImports] not in recast's environment

        return RecurrentNetwork.from_dataset(dataset, cell_type="GRU", loss=RMSE(), **options)


class PyTorchForecastingDeepAR(PyTorchForecasting):
    """DeepAR with a GRU and its normal likelihood; the mean of 100 trajectories in prediction."""

    def _model(self, dataset: Any, options: dict[str, Any]) -> Any:
        from pytorch_forecasting import DeepAR  # pyright: ignore[reportMissingImports] not in recast's environment

        return DeepAR.from_dataset(dataset, cell_type="GRU", **options)
