"""What all commands share: Hydra around a job, messages instead of tracebacks, exit codes."""

import logging
import os
import sys
import warnings
from collections.abc import Callable

from omegaconf import DictConfig

from recast.configure import run_folder
from recast.configure.compose import conf_folder
from recast.errors import RecastError

WRONG_INPUT = 2


def application(config_name: str, job: Callable[[DictConfig], None]) -> None:
    """Runs `job` as a Hydra application.

    Args:
        config_name: The command's configuration in the configuration folder.
        job: Called with each job's configuration.
    """
    import hydra

    run_folder.register()
    # Hydra then raises what it would print in its own words, with an exit code of its own.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    guarded(hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)(job))


def guarded(command: Callable[[], None]) -> None:
    """Runs a command; what it raises on purpose becomes a message and an exit code.

    Wrong input ends with 2, a stop by signal with 143, a refusing disk with 1; all without traceback. Anything that
    recast did not expect shows its traceback and ends with 1.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        command()
    except RecastError as error:
        _leave(str(error), error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        _leave(_whole(error), WRONG_INPUT)
    except OSError as error:
        if error.errno is None:
            raise
        _leave(str(error), 1)


def quiet_lightning() -> None:
    """Leaves Lightning's warnings, not its remarks on accelerators and products; and each line once."""
    logger = logging.getLogger("lightning.pytorch")
    logger.handlers.clear()
    logger.setLevel(logging.WARNING)
    # Lightning 2.6 on torch 2.13; nothing that a user of recast could change.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


def _whole(error: BaseException) -> str:
    """The message with that of its cause, where the cause says more."""
    cause = error.__cause__
    return str(error) if cause is None or str(cause) in str(error) else f"{error}\n{cause}"


def _leave(message: str, code: int) -> None:
    sys.stdout.flush()
    print(f"recast: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
