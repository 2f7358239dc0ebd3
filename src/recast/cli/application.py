"""What all commands share: Hydra around a job, messages instead of tracebacks, exit codes."""

import copyreg
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from recast.errors import RecastError, StoppedBySignalError
from recast.system.distribution import missing_package
from recast.system.processes import is_told_by_the_first
from recast.system.signals import stop_on_signals

if TYPE_CHECKING:
    from omegaconf import DictConfig

WRONG_INPUT = 2
INTERRUPTED = 130
OF_CHECKPOINT = ("data.source.", "data.grid.", "data.split.", "data.windows.")
"""Options of a checkpoint's data, which no configuration of a command lists; checked when the checkpoint is read."""


def application(config_name: str, job: "Callable[[DictConfig], None]") -> None:
    """Runs `job` as a Hydra application.

    Args:
        config_name: The command's configuration in the configuration folder.
        job: Called with each job's configuration.
    """
    remedy = "; the same command with resume=true goes on" if config_name == "train" else ""
    stoppable(lambda: guarded(lambda: _application(config_name, job), config_name), remedy)


def stoppable(command: Callable[[], None], remedy: str = "") -> None:
    """Runs a command that exits cleanly on a signal.

    Args:
        command: What is run.
        remedy: Added to the message.
    """
    try:
        with stop_on_signals(remedy):
            command()
    except StoppedBySignalError as error:
        _leave_with(error)


def application_without_hydra(config_name: str, words: str, command: Callable[[list[str]], None]) -> None:
    """Runs a command whose configuration is composed without Hydra: importing that takes longer than a forecast.

    Args:
        config_name: The command's configuration in the configuration folder.
        words: What --help says before the options.
        command: Called with the overrides on the command line.
    """
    overrides = sys.argv[1:]
    if {"-h", "--help"} & set(overrides):
        guarded(lambda: _show_help(config_name, words), config_name)
        return
    stoppable(lambda: guarded(lambda: command(overrides), config_name))


def _show_help(config_name: str, words: str) -> None:
    import yaml

    from recast.runs.configure.flat import compose_flat

    print(words)
    print(yaml.safe_dump(compose_flat(config_name, []), sort_keys=False))


def _application(config_name: str, job: "Callable[[DictConfig], None]") -> None:
    import hydra
    from hydra._internal.utils import get_args_parser
    from hydra.core.config_store import ConfigStore
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from recast.cli.run_mode import compose_once
    from recast.runs.configure import folders
    from recast.runs.configure.words import arranged

    def one(config: "DictConfig") -> None:
        # Hydra precedes what a job raises with a line of its own: of use in a multirun, to find the job.
        if HydraConfig.get().mode == RunMode.RUN:
            guarded(lambda: job(config), config_name)
            return
        try:
            job(config)
        except StoppedBySignalError as error:
            # Hydra would go on with the next job.
            _leave_with(error)

    folders.register()
    # Hydra copies its one store of configurations whole at each look-up, 160 times for --help, though the store gives
    # away copies alone: from now on its copy is itself.
    copyreg.pickle(ConfigStore, lambda _: (ConfigStore.instance, ()))
    compose_once()
    # Hydra then raises what it would print in its own words, with an exit code of its own.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = hydra.main(version_base="1.3", config_path=str(folders.conf_folder()), config_name=config_name)(one)

    sys.argv[1:] = arranged(sys.argv[1:], get_args_parser())
    if config_name != "train":
        sys.argv[1:] = [f"++{word}" if word.startswith(OF_CHECKPOINT) else word for word in sys.argv[1:]]
    command()


def guarded(command: Callable[[], None], config_name: str) -> None:
    """Runs a command; what it raises on purpose becomes a message and an exit code.

    Wrong input ends with 2, a stop by signal with 143, a failing disk with 1, an
    interrupt outside of `stop_on_signals` with 130; all without traceback. Anything that
    recast did not expect shows its traceback and ends with 1.

    Args:
        command: What is run.
        config_name: The configuration that the overrides on the command line are for.
    """
    try:
        command()
    except RecastError as error:
        _leave_with(error)
    except _composing_errors() as error:
        from recast.runs.configure.refusal import refusal

        _leave(refusal(error, config_name, sys.argv[1:]), WRONG_INPUT)
    except ModuleNotFoundError as error:
        if (missing := missing_package(error)) is None:
            raise
        _leave_with(missing)
    except OSError as error:
        if error.errno is None:
            raise
        _leave(str(error), 1)
    except KeyboardInterrupt:
        _leave("interrupted", INTERRUPTED)
    except ValueError as error:
        # Hydra's word for data=1.
        if not str(error).startswith("Config group override"):
            raise
        _leave(str(error), WRONG_INPUT)


def _composing_errors() -> tuple[type[Exception], ...]:
    """What Hydra and OmegaConf raise, as far as they have been imported; looked at when something was raised."""
    places = (("hydra.errors", "HydraException"), ("omegaconf.errors", "OmegaConfBaseException"))
    return tuple(getattr(sys.modules[module], name) for module, name in places if module in sys.modules)


def _leave_with(error: RecastError) -> None:
    if is_told_by_the_first(error):
        sys.exit(0)
    _leave(str(error), error.exit_code)


def _leave(message: str, code: int) -> None:
    if code == WRONG_INPUT and (folders := sys.modules.get("recast.runs.configure.folders")):
        folders.discard_refused()
    sys.stdout.flush()
    print(f"recast: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
