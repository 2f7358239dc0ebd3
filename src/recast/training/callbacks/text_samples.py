"""Samples of a language model during training."""

import lightning.pytorch as pl
import torch
from rich import print as rich_print
from rich.text import Text

from recast.nn.heads.categorical import Sampler
from recast.options import NonNegativeFloat, PositiveInt, Probability, Seed, checked
from recast.training.loggers.find import adapter_of
from recast.training.text_task import TextTask
from recast.training.writing import START, written


class TextSamples(pl.Callback):
    """Lets the model write after an epoch: to the terminal, and to the loggers that take text.

    Args:
        every_n_epochs: Epochs between samples; the last epoch always has one. [epochs]
        length: Symbols of a sample. [symbols]
        temperature: See `recast.nn.heads.categorical.Sampler`.
        top_k: Likewise.
        top_p: Likewise.
        prompt: What the samples go on from; none: a line break.
        seed: Seed of the draws, the same for each sample, so that differences are those of the model.
        terminal: Whether they are printed too.
    """

    @checked
    def __init__(
        self,
        *,
        every_n_epochs: PositiveInt = 1,
        length: PositiveInt = 300,
        temperature: NonNegativeFloat = 0.8,
        top_k: PositiveInt | None = None,
        top_p: Probability = 1.0,
        prompt: str | None = None,
        seed: Seed = 0,
        terminal: bool = True,
    ) -> None:
        super().__init__()
        self.every_n_epochs = every_n_epochs
        self.length = length
        self.sampler = Sampler(temperature=temperature, top_k=top_k, top_p=top_p, never=0)
        self.prompt = prompt or START
        self.seed = seed
        self.terminal = terminal

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes if due."""
        last = trainer.current_epoch + 1 == trainer.max_epochs
        due = last or (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if not due or not trainer.is_global_zero or not isinstance(pl_module, TextTask):
            return
        training = pl_module.training
        pl_module.eval()
        generator = torch.Generator().manual_seed(self.seed)
        text = written(pl_module.model, self.prompt, self.length, self.sampler, generator)
        pl_module.train(training)
        for logger in trainer.loggers:
            adapter_of(type(logger)).text(logger, "sample", text, trainer.global_step)
        if self.terminal:
            rich_print(Text(f"\nepoch {trainer.current_epoch + 1}:\n{text}\n"))
