"""A run that a signal finds anywhere ends with 143 and a message, and goes on bit for bit."""

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import BIN, QUICK, Done, Running, load, shared_run, start, trained
from interrupting import assert_same_run, in_training, last_checkpoints

GO_ON = "the same command with resume=true goes on"
# Three epochs of 35 steps; validation and test in many small batches.
RUN = (
    *QUICK,
    "data.source.rows=1600",
    "data.evaluation_batch_size=4",
    "model/cell=gru",
    "model/schedule=linear",
    "learning_rate=one_cycle",
    "trainer.max_epochs=3",
    "callbacks.last_checkpoint.every_n_steps=10",
    "hydra.run.dir=run",
)
SLURM = {"SLURM_JOB_ID": "7"}
names = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)

# ---- without a run ----


class Program:
    """A small program in a process of its own, which says "ready" when it is to be disturbed."""

    def __init__(self, text: str, **environment: str) -> None:
        prelude = "import os, sys, time, signal\n"
        prelude += "from recast.system.signals import DeferredSignals, hold, stop_on_signals\n"
        prelude += "from recast.errors import StoppedBySignalError\nready = lambda: print('ready', flush=True)\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", prelude + text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def signal(self, number: int) -> None:
        """Once it sleeps: of a signal in the moment before, Python hears when the sleep is over."""
        limit = time.monotonic() + 30
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < limit
            time.sleep(0.001)
        self.process.send_signal(number)

    def wait(self) -> Done:
        out, err = self.process.communicate(timeout=60)
        return Done(self.process.returncode, out, err)


STOPPED = """
try:
    with stop_on_signals("; a remedy"):
        {}
except StoppedBySignalError as error:
    print(error)
    sys.exit(error.exit_code)
print("done")
"""


def stopped(line: str) -> str:
    return STOPPED.format(line.replace("\n", "\n        "))


@names
def test_a_signal_becomes_an_error_with_its_name(number):
    program = Program(stopped("ready(); time.sleep(60)"))
    program.signal(number)
    assert program.wait() == (143, f"{number.name}: stopped; a remedy\n", "")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=lambda number: number.name)
def test_what_only_slurm_sends_counts_only_there(number):
    program = Program(stopped("ready(); time.sleep(60)"))
    program.signal(number)
    assert program.wait().code == -number
    program = Program(stopped("ready(); time.sleep(60)"), **SLURM)
    program.signal(number)
    assert program.wait() == (143, f"{number.name}: stopped; a remedy\n", "")


def test_code_that_bears_any_error_does_not_bear_a_signal():
    program = Program(stopped("try:\n    ready(); time.sleep(60)\nexcept Exception:\n    print('borne')"))
    program.signal(signal.SIGTERM)
    assert program.wait().out == "SIGTERM: stopped; a remedy\n"


def test_a_signal_that_is_swallowed_comes_again():
    program = Program(stopped("try:\n    ready(); time.sleep(60)\nexcept:\n    pass\ntime.sleep(60)\nprint('on')"))
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


def test_a_signal_that_is_swallowed_at_the_very_end_is_told():
    program = Program(stopped("try:\n    ready(); time.sleep(60)\nexcept:\n    pass"))
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


def test_a_finally_that_fails_since_its_try_was_left_is_not_the_error():
    lines = "try:\n    ready(); time.sleep(60); file = open('x')\nfinally:\n    file.close()"
    program = Program(stopped(lines))
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


def test_an_error_that_a_signal_was_made_is_not_the_error():
    """As compiled code makes them, without a context."""
    lines = "try:\n    ready(); time.sleep(60)\nexcept BaseException:\n    pass\nraise ValueError('SIGTERM')"
    program = Program(stopped(lines))
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


def test_an_error_that_was_handled_before_is_not_in_the_way():
    lines = "ready()\ntry:\n    1 / 0\nexcept ArithmeticError:\n    raise OSError('disk full')"
    assert Program(stopped(lines)).wait().err.endswith("OSError: disk full\n")


def test_a_destructor_that_swallows_a_signal_does_not_lose_it():
    lines = "class Slow:\n    def __del__(self):\n        ready(); time.sleep(60)\nSlow()\ntime.sleep(60)\nprint('on')"
    program = Program(stopped(lines))
    program.signal(signal.SIGTERM)
    done = program.wait()
    assert (done.code, done.out) == (143, "SIGTERM: stopped; a remedy\n")


@pytest.mark.parametrize("moment", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_imports_of_compiled_modules_are_left_in_good_order(moment):
    program = Program(stopped("ready()\nimport torch\nimport lightning.pytorch\nimport scipy.stats\ntime.sleep(60)"))
    time.sleep(random.Random(moment).uniform(moment / 2, (moment + 1) / 2))
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


WITHIN_OMEGACONF = """
from omegaconf import OmegaConf
OmegaConf.register_new_resolver('slow', lambda: (ready(), time.sleep(2), 1)[2])
OmegaConf.register_new_resolver('last', lambda: os.write(1, b'last\\n'))
OmegaConf.to_container(OmegaConf.create({'a': '${slow:}', 'b': '${last:}'}), resolve=True)
"""
WITHIN_PYDANTIC = """
from pydantic import TypeAdapter
class Slow:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        ready(), time.sleep(2), os.write(1, b'last\\n')
        return handler(int)
TypeAdapter(Slow)
"""


@pytest.mark.parametrize("lines", [WITHIN_OMEGACONF, WITHIN_PYDANTIC], ids=["OmegaConf", "pydantic"])
def test_a_configuration_is_composed_and_checked_to_its_end_before_a_signal_stops(lines):
    """Either would make an error of its own of what is raised within it."""
    program = Program(STOPPED.replace("{}", f"{lines}time.sleep(60)".replace("\n", "\n        ")))
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "last\nSIGTERM: stopped; a remedy\n", "")


SLOW_TO_LEAVE = stopped("try:\n    ready(); time.sleep(60)\nfinally:\n    ready(); time.sleep(3); print('saved')")


def test_a_second_signal_ends_the_process_at_once():
    program = Program(SLOW_TO_LEAVE)
    program.signal(signal.SIGTERM)
    assert program.process.stdout
    program.process.stdout.readline()
    program.signal(signal.SIGTERM)
    assert program.wait() == (-signal.SIGTERM, "", "")


@pytest.mark.slow
def test_slurm_may_send_as_many_as_it_likes():
    program = Program(SLOW_TO_LEAVE, **SLURM)
    program.signal(signal.SIGUSR2)
    assert program.process.stdout
    program.process.stdout.readline()
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGCONT, signal.SIGTERM, signal.SIGUSR1):
        program.signal(number)
        time.sleep(0.05)
    assert program.wait() == (143, "saved\nSIGUSR2: stopped; a remedy\n", "")


def test_a_user_may_still_interrupt_under_slurm():
    program = Program(SLOW_TO_LEAVE, **SLURM)
    program.signal(signal.SIGINT)
    assert program.process.stdout
    program.process.stdout.readline()
    program.signal(signal.SIGINT)
    assert program.wait().code == -signal.SIGINT


@names
@pytest.mark.parametrize("place", ["time.sleep(1)", "import atexit; atexit.register(time.sleep, 1)", "late = Late()"])
def test_a_signal_after_the_work_is_done_changes_nothing(place, number):
    late = "class Late:\n    def __del__(self): self.sleep(1)\n    sleep = staticmethod(time.sleep)\n"
    program = Program(f"{late}with stop_on_signals():\n    pass\nready()\n{place}")
    time.sleep(0.3)
    program.signal(number)
    assert program.wait() == (0, "", "")


def test_held_signals_wait_for_the_program_that_follows():
    follows = "import sys\nfrom recast.errors import StoppedBySignalError\nimport time\ntime.sleep(0.5)\n"
    follows += f"from recast.system.signals import stop_on_signals\n{stopped('pass; time.sleep(60)')}"
    program = Program(
        f"hold(); ready(); time.sleep(0.5)\nos.execv(sys.executable, [sys.executable, '-c', {follows!r}])"
    )
    program.signal(signal.SIGTERM)
    assert program.wait() == (143, "SIGTERM: stopped; a remedy\n", "")


DEFERRED = """
deferral = DeferredSignals()
deferral.begin()
ready()
while deferral.signal is None:
    time.sleep(0.01)
print("noted", deferral.signal.name)
"""


@pytest.mark.parametrize("program", [DEFERRED, stopped(DEFERRED)], ids=["alone", "within"])
def test_deferred_signals_are_noted(program):
    end = "deferral.drop()\ntime.sleep(0.1)\nprint(deferral.signal)"
    program = program.replace("signal.name)\n", f"signal.name)\n{end}\n") if program == DEFERRED else program
    running = Program(program)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.out.startswith("noted SIGTERM\n")
    assert done.err == ""
    assert done.code == (143 if "stop_on_signals" in program else 0)


def test_a_signal_that_nobody_asked_for_is_acted_upon_when_deferral_ends():
    running = Program(f"{DEFERRED}deferral.end()")
    running.signal(signal.SIGTERM)
    assert running.wait().err.endswith("SIGTERM: stopped after training, whose state is saved\n")


def test_a_deferral_of_its_own_gives_the_signals_back():
    running = Program("deferral = DeferredSignals(); deferral.begin(); deferral.end()\nready(); time.sleep(60)")
    running.signal(signal.SIGTERM)
    assert running.wait().code == -signal.SIGTERM


# ---- in a run ----


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; one that has ended has none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    (caught,) = [line for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0, 2.0])
def test_a_command_is_left_while_it_starts(moment, tmp_path):
    # Not over at any of the moments, however fast the machine.
    command = [BIN / "recast-train", *QUICK, "trainer.max_epochs=1000"]
    process = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    limit = time.monotonic() + 30
    while not catches(process.pid, signal.SIGTERM):
        assert time.monotonic() < limit
        time.sleep(0.005)
    time.sleep(moment)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.startswith("recast: SIGTERM")
    assert err.endswith(f"; {GO_ON}\n")
    assert err.count("\n") == 1


def phase(cwd: Path) -> str | None:
    file = cwd / "run/progress.json"
    return json.loads(file.read_text())["phase"] if file.exists() else None


def in_phase(name: str, running: Running, cwd: Path) -> None:
    running.wait_for(lambda: phase(cwd) == name)


def resumed(cwd: Path) -> Path:
    trained(*RUN, "resume=true", cwd=cwd)
    return cwd / "run"


def undisturbed() -> Path:
    return shared_run(*RUN)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow) for seed in range(8)])
def test_left_at_random_moments_and_resumed_is_as_if_never_left(seed, tmp_path):
    rng = random.Random(seed)
    left = 0
    # A fast machine may be done before the first moment: then again within a shorter time.
    for seconds in (1.5, 0.75, 0.4, 0.2, 0.1):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        for _ in range(4):
            running = start("recast-train", *RUN, "resume=true", cwd=tmp_path)
            running.wait_for(functools.partial(catches, running.process.pid, signal.SIGTERM))
            time.sleep(rng.uniform(0, seconds))
            running.signal(signal.SIGTERM)
            done = running.wait()
            assert done.code in (143, 0, -signal.SIGTERM), done
            # When all is written nobody listens any more.
            assert done.code == 143 or (tmp_path / "run/metrics.json").exists(), done
            assert (done.code == 143) == done.err.endswith(f"; {GO_ON}\n"), done
            assert not list(tmp_path.rglob(".*ckpt"))
            left += done.code == 143
            if done.code != 143:
                break
        if left:
            break
    assert left
    assert_same_run(resumed(tmp_path), undisturbed())


@pytest.mark.slow
def test_left_in_validation_without_waiting_for_its_end(tmp_path):
    slow = ("data.evaluation_batch_size=1", "trainer.max_epochs=2")
    running = start("recast-train", *RUN, *slow, cwd=tmp_path)
    in_phase("validating", running, tmp_path)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 143, done
    assert "SIGTERM in the validation after step " in done.err
    saved = int(done.err.partition("as of step ")[2].partition(";")[0])
    assert load(tmp_path / "run/checkpoints/last.ckpt")["global_step"] == saved > 0
    trained(*RUN, *slow, "resume=true", cwd=tmp_path)
    assert_same_run(tmp_path / "run", shared_run(*RUN, *slow))


@pytest.mark.slow
def test_left_while_it_tests(tmp_path):
    slow = ("data.evaluation_batch_size=1", "trainer.max_epochs=1")
    running = start("recast-train", *RUN, *slow, cwd=tmp_path)
    in_phase("testing", running, tmp_path)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 143, done
    assert done.err == f"recast: SIGTERM: stopped; {GO_ON}\n"
    assert not (tmp_path / "run/metrics.json").exists()
    trained(*RUN, *slow, "resume=true", cwd=tmp_path)
    assert_same_run(tmp_path / "run", shared_run(*RUN, *slow))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGUSR1, signal.SIGTERM], ids=lambda number: number.name)
def test_slurm_is_heard_and_what_it_sends_while_the_state_is_saved_does_no_harm(number, tmp_path):
    running = start("recast-train", *RUN, cwd=tmp_path, **SLURM)
    in_phase("training", running, tmp_path)
    running.wait_for((tmp_path / "run/checkpoints/last.ckpt").exists)
    for sent in (number, signal.SIGCONT, *(signal.SIGTERM, signal.SIGUSR2) * 5):
        running.signal(sent)
    done = running.wait()
    assert done.code == 143, done
    assert done.err.startswith("recast: SIG")
    assert not list(tmp_path.rglob(".*ckpt"))
    assert_same_run(resumed(tmp_path), undisturbed())


@pytest.mark.slow
def test_where_epochs_have_one_batch_states_are_saved_between_them(tmp_path):
    options = (*QUICK, "data.batch_size=1000", "callbacks.last_checkpoint.every_n_steps=5", "hydra.run.dir=run")
    options = (*options, "model/schedule=linear", "trainer.log_every_n_steps=1", "trainer.max_epochs=40")
    running = start("recast-train", *options, cwd=tmp_path)
    running.wait_for((tmp_path / "run/checkpoints/last.ckpt").exists)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 143, done
    assert load(tmp_path / "run/checkpoints/last.ckpt")["global_step"] >= 5
    trained(*options, "resume=true", cwd=tmp_path)
    assert_same_run(tmp_path / "run", shared_run(*options))


def test_states_are_saved_where_the_interval_divides_the_epoch(tmp_path):
    # Steps 35, 70, ... are the last of their epochs, where none can be saved.
    options = (*QUICK, "data.source.rows=1600", "trainer.max_epochs=10000")
    running = start("recast-train", *options, "callbacks.last_checkpoint.every_n_steps=35", cwd=tmp_path)
    in_training(running, tmp_path)
    running.signal(signal.SIGKILL)
    running.wait()
    (path,) = last_checkpoints(tmp_path)
    assert load(path)["global_step"] % 35 == 1


@pytest.mark.slow
def test_another_command_is_left_without_a_word_of_resuming(tmp_path):
    checkpoint = undisturbed() / "checkpoints/best.ckpt"
    running = start("recast-evaluate", f"checkpoint={checkpoint}", "batch_size=1", cwd=tmp_path)
    running.wait_for(lambda: catches(running.process.pid, signal.SIGTERM))
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 143
    assert done.err == "recast: SIGTERM: stopped\n"
