"""A quiet trainer and a small task."""

from functools import partial
from typing import Any

import lightning.pytorch as pl

from recast.data.datamodule import ForecastDataModule
from recast.nn.cells.gate_init import ConstantBias
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Linear
from recast.training.task import ForecastTask


def trainer_of(**options: Any) -> pl.Trainer:
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "max_epochs": 2,
    }
    return pl.Trainer(**(quiet | options))


def task_of(data: ForecastDataModule, *, head: Any = None, **options: Any) -> ForecastTask:
    model = EncoderDecoder(
        spec=data.spec,
        cell=partial(GRU, hidden_size=5, gate_init=ConstantBias(bias=0.0)),
        head=head or Point(),
        schedule=Linear(start=0.8),
    )
    return ForecastTask(model=model, **options)
