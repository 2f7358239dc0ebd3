"""What a checkpoint must say of itself to be used without its run."""

from typing import Any

import lightning.pytorch as pl

KEY = "recast"


class Provenance(pl.Callback):
    """Writes a description (plain containers: configuration, data's spec, versions) into every checkpoint.

    Attributes:
        description: What is written under the key "recast"; empty until the data are known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.description: dict[str, Any] = {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Called by Lightning at each save."""
        checkpoint[KEY] = self.description
