"""The Optuna study of a search: opened or created, with the sampler and pruner of its configuration."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from recast.errors import ConfigurationError
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.training.callbacks.study_storage import study_storage

ALLOWED = ("optuna.samplers.", "optuna.pruners.")


class Parts:
    """The Optuna components of a search.

    Args:
        sampler: Proposes values; completed by its seed.
        pruner: Prunes unpromising trials; none: no pruning.
    """

    def __init__(self, *, sampler: Callable[..., BaseSampler], pruner: BasePruner | None = None) -> None: ...


def open_study(
    address: str,
    name: str,
    direction: Literal["minimize", "maximize"],
    parts: Mapping[str, Any],
    seed: int,
) -> optuna.Study:
    """The study at an address, created if there is none.

    Args:
        address: As `study_storage` takes it.
        name: The study's name there.
        direction: Whether the score is minimised or maximised.
        parts: Options of `Parts`, as nodes that `check_parts` has passed.
        seed: Seed of the sampler.

    Raises:
        ConfigurationError: if Optuna rejects the options, or the study was created with the other direction.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        pruner = build(parts["pruner"], ALLOWED) if parts["pruner"] else NopPruner()
        study = optuna.create_study(
            storage=study_storage(address), study_name=name, direction=direction, load_if_exists=True, pruner=pruner
        )
        # Restarted with the same seed, a sampler would repeat its first proposals.
        study.sampler = build(parts["sampler"], ALLOWED)(seed=(seed + len(trials_of(study))) % 2**32)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"hydra.sweeper: {error}") from error
    if study.direction.name.lower() != direction:
        raise ConfigurationError(
            f"hydra.sweeper.direction={direction}: the study in {address} was begun with {study.direction.name.lower()}"
        )
    return study


def check_parts(parts: Mapping[str, Any]) -> None:
    """Raises ConfigurationError if the nodes do not match the options of `Parts`."""
    try:
        check(parts, Parts, allowed=ALLOWED)
    except ConfigurationError as error:
        raise ConfigurationError("\n".join(f"hydra.sweeper.{line}" for line in str(error).splitlines())) from error


def trials_of(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """The trials of a study in these states; all of them where none is given."""
    return study.get_trials(deepcopy=False, states=states or None)


def ask(study: optuna.Study, space: Mapping[str, BaseDistribution], begun: FrozenTrial | None = None) -> Trial:
    """A trial with a value for each option of the space.

    Args:
        study: The study.
        space: What is searched.
        begun: A trial that may lack some values, as its search was killed while requesting it.

    Raises:
        ConfigurationError: if the study has searched the same options differently.
    """
    # Optuna has no public API for a trial requested by another process.
    trial = study.ask() if begun is None else Trial(study, begun._trial_id)  # noqa: SLF001
    for name, distribution in space.items():
        try:
            trial._suggest(name, distribution)  # noqa: SLF001 - what Study.ask does with distributions
        except ValueError as error:
            raise ConfigurationError(
                f"{name}: it is searched otherwise than in the study so far ({error}); search as before, or in another "
                "folder (hydra.sweep.dir) or study (hydra.sweeper.study_name)"
            ) from error
    return trial
