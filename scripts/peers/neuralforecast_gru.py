"""neuralforecast: its GRU."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .peer import FOR_EVER, Peer

if TYPE_CHECKING:
    import pandas as pd


class NeuralForecastGRU(Peer):
    """GRU as it comes (`recurrent=False`): an MLP reads each lead from one of the encoder's last states.

    One layer of the common size, batches of windows, and MSE instead of MAE, since the MSE is what is compared; all
    else is the library's: Adam with rate 1e-3, each window scaled by its median and spread.
    """

    options: dict[str, Any] = {}  # noqa: RUF012 read only

    def train(self) -> None:
        """See the base class."""
        import pandas as pd
        from neuralforecast import NeuralForecast  # pyright: ignore[reportMissingImports] not in recast's environment
        from neuralforecast.losses.pytorch import MSE  # pyright: ignore[reportMissingImports] not in recast's environment
        from neuralforecast.nn.models import GRU  # pyright: ignore[reportMissingImports] not in recast's environment
        from pytorch_lightning import Callback

        work = self.work
        # Its batch is the series; the windows are drawn from it in the step.
        watch = self.clock.callback(Callback, lambda _: work.batch)
        model = GRU(
            h=work.horizon,
            input_size=work.context,
            encoder_n_layers=1,
            encoder_hidden_size=work.hidden,
            windows_batch_size=work.batch,
            valid_batch_size=512,
            loss=MSE(),
            max_steps=FOR_EVER,
            random_seed=work.seed,
            accelerator="cpu",
            callbacks=[watch],
            **self.options,
        )
        self.library = NeuralForecast(models=[model], freq=1)
        self.library.fit(pd.DataFrame({"unique_id": 0, "ds": np.arange(len(work.train)), "y": work.train}))

    @cached_property
    def _contexts(self) -> "pd.DataFrame":
        import pandas as pd

        windows, context = self.work.contexts.shape
        return pd.DataFrame(
            {
                "unique_id": np.repeat(np.arange(windows), context),
                "ds": np.tile(np.arange(context), windows),
                "y": self.work.contexts.ravel(),
            }
        )

    def forecast(self) -> np.ndarray:
        """See the base class."""
        found = self.library.predict(self._contexts).sort_values(["unique_id", "ds"])
        return self.work.metres(found["GRU"].to_numpy().reshape(-1, self.work.horizon))


class NeuralForecastRecurrentGRU(NeuralForecastGRU):
    """GRU with `recurrent=True`: fed with the truth in training, with its forecast in prediction.

    `h_train` is the horizon: its default of 1 takes the loss at a single step of each window.
    """

    def train(self) -> None:
        """See the base class."""
        self.options = {"recurrent": True, "h_train": self.work.horizon}
        super().train()
