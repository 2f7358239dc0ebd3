"""Bit-for-bit resumption of interrupted training: what a state holds, and when it may be saved.

What must be restored, and who stores it:

- weights, random generators of models (`recast.nn.models.teacher_forcing`) and states carried from batch to batch
  (`recast.nn.models.carried_states`): the state dict;
- optimiser, learning rate, progress of each loop: Lightning; - torch's generators and the carried states of every
process, the position of the training loader
  (`recast.data.prepare.order`), the latest values of validation curves: `Resuming`, below.

`recast.training.callbacks.last_checkpoint` saves states at the points that the functions below allow;
`recast.runs.resume` finds the state of a run and checks that the same run is resumed.
"""

from typing import Any

import lightning.pytorch as pl
import torch

from recast.errors import ConfigurationError
from recast.nn.models.carried_states import CarriedStates


class Resuming(pl.LightningModule):
    """A LightningModule whose checkpoints hold the training state that Lightning omits."""

    _resumed: dict[str, Any] | None = None

    @property
    def validation_curves(self) -> list[str]:
        """The curves whose latest values are stored; none by default."""
        return []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the state; called by Lightning in every process."""
        cuda = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        checkpoint["generators"] = {"cpu": torch.get_rng_state(), "cuda": cuda}
        if self.trainer.world_size > 1:
            carried = {
                name: part.get_extra_state() for name, part in self.named_modules() if isinstance(part, CarriedStates)
            }
            own = {"generators": checkpoint["generators"], "carried": carried}
            checkpoint["processes"] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(checkpoint["processes"], own)
        loader: Any = self.trainer.train_dataloader
        if hasattr(loader, "state_dict"):
            checkpoint["train_loader"] = loader.state_dict()
        curves = self.trainer.callback_metrics
        checkpoint["curves"] = {name: curves[name].cpu() for name in self.validation_curves if name in curves}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Holds the state until training starts; building and validating in between may draw random numbers.

        Raises:
            ConfigurationError: if it was saved by a different number of processes.
        """
        states = checkpoint.get("processes", [{"generators": checkpoint.get("generators"), "carried": {}}])
        if len(states) != self.trainer.world_size:
            raise ConfigurationError(
                f"the state was saved by {len(states)} process(es) that trained together, but now there are "
                f"{self.trainer.world_size}; resume with as many (trainer.devices={len(states)})"
            )
        own = states[self.trainer.global_rank]
        checkpoint["state_dict"] |= {f"{name}._extra_state": state for name, state in own["carried"].items()}
        self._resumed = {
            "generators": own["generators"],
            "train_loader": checkpoint.get("train_loader"),
            "curves": checkpoint.get("curves", {}),
        }

    def on_train_start(self) -> None:
        """Restores the loaded state, or gives each process its own random numbers in a new run."""
        resumed, self._resumed = self._resumed or {}, None
        generators = resumed.get("generators")
        if generators is not None:
            torch.set_rng_state(generators["cpu"].cpu())
            if self.device.type == "cuda" and generators["cuda"]:
                torch.cuda.set_rng_state(generators["cuda"][0].cpu(), self.device)
        elif self.trainer.global_rank:
            # All processes have the same seed; their dropout masks must differ.
            torch.manual_seed(torch.initial_seed() + (self.trainer.global_rank << 32))
        # A rate that follows a curve needs it after the epoch, even if its validation preceded the save.
        self.trainer.callback_metrics.update(resumed.get("curves", {}))
        # Lightning restores a loader only if it builds it after reading the checkpoint; a learning rate that needs
        # the number of steps makes it build it before.
        position = resumed.get("train_loader")
        if position is not None:
            loader: Any = self.trainer.train_dataloader
            loader.load_state_dict(position)

    def on_train_epoch_end(self) -> None:
        """Lets rates that follow a curve take their step after a resumed epoch as well.

        Lightning skips it, since its states do not hold the curve; these do.
        """
        self.trainer.fit_loop._restarting = False  # noqa: SLF001 its setter means all loops


def may_save_after(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether a state may be saved after this batch: not at the end of an epoch, nor before a validation within it.

    Lightning would skip that validation on resume.
    """
    interval = trainer.val_check_batch
    validates = isinstance(interval, int) and (batch_idx + 1) % interval == 0
    return batch_idx + 1 < trainer.num_training_batches and not validates


def saves_between_epochs(trainer: pl.Trainer) -> bool:
    """Whether no batch of an epoch allows saving, but the end of an epoch does.

    A loader stopped before its end would continue there on resume.
    """
    batches = int(trainer.num_training_batches)
    if batches != len(trainer.train_dataloader or ()):
        return False
    return not any(
        may_save_after(trainer, last - 1)
        for last in range(trainer.accumulate_grad_batches, batches, trainer.accumulate_grad_batches)
    )


def begin_next_epoch(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Changes the state of Lightning's loops in a checkpoint from the end of an epoch to the start of the next one.

    They would otherwise treat the epoch as done, since its batches are counted.
    """
    loop = checkpoint["loops"]["fit_loop"]
    progress = loop["epoch_loop.batch_progress"]
    progress["current"] = dict.fromkeys(progress["current"], 0)
    progress["is_last_batch"] = False
    every = trainer.check_val_every_n_epoch
    if trainer.enable_validation and (every is None or (trainer.current_epoch + 1) % every == 0):
        # On resume they first skip a validation that they consider done, and count a step there.
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
