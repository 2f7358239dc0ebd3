"""How Lightning writes and reads checkpoints: atomically, and without pickled code."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from recast.system.files import write_whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file on the same file system, flushes it to disk and renames it.

    Never reads pickled code.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Called by Lightning."""
        del storage_options
        # Into memory first: where torch writes to a full disk itself, the reason is lost.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), lambda aside: aside.write_bytes(content.getbuffer()))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Called by Lightning; `weights_only` is always true here."""
        del weights_only
        return torch.load(path, map_location=map_location, weights_only=True)
