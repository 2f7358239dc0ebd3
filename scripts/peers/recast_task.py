"""recast, by the functions that recast-train calls."""

from pathlib import Path

import numpy as np
import torch

from .peer import Peer
from .series import STEP
from .work import TEST


class Recast(Peer):
    """The configuration of `recast-train data=csv ... model/cell=gru trainer.max_epochs=1 baselines=none`.

    That is the recipe of experiment=ssh_gru without its guard: standardised data, free running, the update gate's bias,
    one cycle of the rate up to 0.01, gradients clipped, one epoch; with recast's callbacks, checkpoints and
    TensorBoard. Left out are the baselines, which are no training, and the validation: no other library has one.
    """

    def train(self) -> None:
        """See the base class."""
        import lightning.pytorch as pl
        from measuring.recast_run import set_up_run

        work = self.work
        self.run = set_up_run(
            [
                "data=csv",
                f"data.source.path={work.series}",
                "data.source.time=datetime",
                "data.source.targets=[level]",
                f"data.source.step={STEP}min",
                "data.split.validation=0.0",
                f"data.split.test={TEST}",
                f"data.windows.context={work.context}",
                f"data.windows.horizon={work.horizon}",
                f"data.windows.evaluation_stride={work.every}",
                f"data.batch_size={work.batch}",
                "model/cell=gru",
                f"model.cell.hidden_size={work.hidden}",
                "trainer.max_epochs=1",
                "baselines=none",
                f"seed={work.seed}",
            ],
            Path.cwd(),
            self.clock.callback(pl.Callback, lambda batch: len(batch.start)),
        )
        prepared = self.run.data.prepared
        if not np.array_equal(prepared.panel.values[:, 0], work.values):
            raise RuntimeError("recast reads another series than the others")
        if not np.array_equal(prepared.starts.test.numpy(), work.starts):
            raise RuntimeError("recast forecasts other windows than the others")
        self.run.fit()

    def forecast(self) -> np.ndarray:
        """See the base class."""
        batches = self.run.trainer.predict(self.run.task, self.run.data.loader("test"))
        if batches is None:
            raise RuntimeError("the trainer predicted nothing")
        return torch.cat([forecast.mean[:, :, 0] for forecast in batches]).numpy()  # pyright: ignore[reportAttributeAccessIssue] of predict_step
