"""Search with Optuna: it finds what is better, loses and repeats no trial, prunes, refuses what cannot be searched."""

import os
import signal
import sys
from pathlib import Path

import optuna
import pytest
from commands import QUICK, metrics_of, python, run, shared_run, shell
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from sweeping import LONG, PATIENCE, begin, caught, nothing_left, states, sweep  # noqa: F401

from recast.errors import ConfigurationError
from recast.sweeps.job_folder import JobFolder, State, read_json
from recast.sweeps.search_space import value_as_override
from recast.sweeps.study import ask, check_parts, open_study, trials_of
from recast.training.callbacks.study_storage import study_storage

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("nothing_left")]

SEARCH = ("hydra/sweeper=optuna",)
PARTS = {"sampler": {"_target_": "optuna.samplers.TPESampler", "_partial_": True}, "pruner": None}


def study_in(folder: Path, storage: str | None = None) -> optuna.Study:
    return optuna.load_study(study_name="recast", storage=study_storage(storage or str(folder / "study.journal")))


def job_of(trial: optuna.trial.FrozenTrial, folder: Path) -> Path:
    """The folder of a trial's job."""
    (found,) = (
        path.parent
        for path in folder.glob("*/config.yaml")
        if JobFolder(path.parent).read_config()["callbacks"]["pruning"]["trial"] == trial.number
    )
    return found


@pytest.mark.slow
def test_a_search_finds_the_better_rate_and_stands_on_the_disk(tmp_path):
    done = sweep(*SEARCH, "optimizer.lr=1e-6,1e-2", "hydra.sweeper.trials=4", cwd=tmp_path)
    assert done.code == 0, done
    assert "best of 4 finished trials (0 pruned, 0 failed)" in done.out
    assert done.out.splitlines()[-1].endswith("optimizer.lr=0.01")
    folder = tmp_path / "sweep"
    trials = study_in(folder).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    for trial in trials:
        job = job_of(trial, folder)
        assert metrics_of(job)["selection"]["value"] == trial.value
        assert JobFolder(job).read_config()["optimizer"]["lr"] == float(trial.params["optimizer.lr"])
    by_rate = {trial.params["optimizer.lr"]: trial.value for trial in trials}
    assert by_rate[0.01] < by_rate[1e-6]
    alone = shared_run(*QUICK, "optimizer.lr=1e-2")
    assert metrics_of(alone)["selection"]["value"] == by_rate[0.01], "the callback of the search changes no result"
    again = sweep(*SEARCH, "optimizer.lr=1e-6,1e-2", "hydra.sweeper.trials=4", cwd=tmp_path)
    assert again.code == 0, again
    assert "started" not in again.out
    assert len(study_in(folder).trials) == 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_search_that_is_killed_goes_on_with_the_same_trials(number, tmp_path):
    options = (*SEARCH, "optimizer.lr=tag(log,interval(1e-3,1e-1))", "hydra.sweeper.trials=4")
    folder = tmp_path / "sweep"
    running = begin(*options, cwd=tmp_path, quick=LONG)
    running.wait_for(lambda: len(states(folder)) == 2, seconds=PATIENCE)
    if number == signal.SIGKILL:
        jobs = [caught(running, state.parents[1]) for state in states(folder)]
        running.signal(number)
        for job in jobs:
            os.kill(job, number)
    else:
        running.signal(number)
    assert running.wait(PATIENCE).code in (-number, 143)
    begun = [trial.params for trial in study_in(folder).trials]
    assert [trial.state for trial in study_in(folder).trials] == [TrialState.RUNNING] * 2
    done = sweep(*options, cwd=tmp_path, quick=LONG)
    assert done.code == 0, done
    trials = study_in(folder).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    assert [trial.params for trial in trials[:2]] == begun
    assert len(list(folder.glob("*/metrics.json"))) == 4
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 4
    for trial in trials[:2]:
        job = job_of(trial, folder)
        assert "resuming from" in (job / "output.log").read_text()
        alone = shared_run(*LONG, f"optimizer.lr={trial.params['optimizer.lr']!r}")
        assert metrics_of(job) == metrics_of(alone)
        assert metrics_of(alone)["selection"]["value"] == trial.value


@pytest.mark.slow
@pytest.mark.parametrize("storage", [None, "sqlite:///study.db"], ids=["journal", "sqlite"])
def test_hopeless_trials_are_pruned(storage, tmp_path):
    where = () if storage is None else (f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db",)
    options = ("optimizer.lr=1e-2,1e-7", "trainer.max_epochs=6", "hydra.sweeper.trials=4", "hydra.sweeper.parallel=1")
    done = sweep(*SEARCH, *options, *where, "hydra.sweeper.pruner.n_startup_trials=1", cwd=tmp_path)
    assert done.code == 0, done
    trials = study_in(tmp_path / "sweep", storage and f"sqlite:///{tmp_path}/study.db").trials
    assert len(trials) == 4
    ended = {trial.params["optimizer.lr"]: trial.state for trial in trials[1:]}
    assert ended == {0.01: TrialState.COMPLETE, 1e-7: TrialState.PRUNED}
    pruned = [job_of(trial, tmp_path / "sweep") for trial in trials if trial.state is TrialState.PRUNED]
    assert {JobFolder(job).state for job in pruned} == {State.PRUNED}
    assert read_json(pruned[0] / "failure.json")["error"].startswith("pruned at step ")
    status = run("recast-status", "sweep", cwd=tmp_path).out
    assert f"{4 - len(pruned)} finished  {len(pruned)} pruned" in status
    assert "best of" in done.out.splitlines()[-1]
    assert f"({len(pruned)} pruned, 0 failed)" in done.out
    assert (tmp_path / "sweep" / "study.journal").exists() == (storage is None)


@pytest.mark.slow
def test_the_pruner_is_the_one_that_was_asked_for(tmp_path):
    """One that prunes whatever is worse than a threshold: no other would prune a first trial."""
    pruner = (
        "hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner",
        "~hydra.sweeper.pruner.n_startup_trials",
        "+hydra.sweeper.pruner.upper=1e-9",
    )
    done = sweep(*SEARCH, "optimizer.lr=1e-2,1e-3", "hydra.sweeper.trials=1", *pruner, cwd=tmp_path)
    assert done.code == 0, done
    assert [trial.state for trial in study_in(tmp_path / "sweep").trials] == [TrialState.PRUNED]


@pytest.mark.slow
def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path):
    options = ("optimizer.lr=0.01,1e30", "hydra.sweeper.trials=4", "hydra.sweeper.pruner=null")
    done = sweep(*SEARCH, *options, cwd=tmp_path)
    assert done.code == 1, done
    assert "Traceback" not in done.err
    ended = {trial.params["optimizer.lr"]: trial.state for trial in study_in(tmp_path / "sweep").trials}
    assert ended == {0.01: TrialState.COMPLETE, 1e30: TrialState.FAIL}
    assert "trials failed\n" in done.err
    assert "(lr-1e+30): the training loss is" in done.err
    assert "optimizer.lr=0.01" in done.out.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("model.cell.hidden_size=int(interval(0,8))",), "model.cell.hidden_size=0: input should be greater"),
        (("model.cell.hidden_size=interval(8,48)",), "searched by model.cell.hidden_size=int(interval(8,48))"),
        (("optimizer.lr=interval(-1.0,0.1)",), "optimizer: Invalid learning rate: -1"),
        (("optimizer.lr=shuffle(range(1,4))",), "cannot be searched; give choice"),
        ((), "nothing is searched; give a sweep"),
        (("seed=0,1", "hydra/launcher=basic"), "use it with hydra/launcher=local or hydra/launcher=slurm"),
        (("seed=0,1", "hydra.sweeper.direction=maximize"), "give hydra.sweeper.direction=minimize"),
        (("seed=0,1", "hydra.sweeper.monitor=mae/validation"), "give hydra.sweeper.monitor=ranking/validation"),
        (("seed=0,1", "callbacks.best_checkpoint=null"), "trials are judged by callbacks.best_checkpoint; it is null"),
        (("seed=0,1", "hydra.sweeper.trials=0"), "trials=0: input should be greater than or equal to 1"),
        (("seed=0,1", "+hydra.sweeper.trial=3"), "hydra.sweeper.trial: no such option; did you mean trials?"),
        (("seed=0,1", "hydra.sweeper.sampler._target_=optuna.samplers.TPE"), "optuna.samplers has no class TPE"),
        (("seed=0,1", "hydra.sweeper.sampler._target_=os.system"), "os.system may not be named in a configuration"),
        (("seed=0,1", "hydra.sweeper.pruner.n_warmup=0"), "hydra.sweeper.pruner.n_warmup"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_searched_is_refused_beforehand(options, told, tmp_path):
    done = sweep(*SEARCH, *options, cwd=tmp_path)
    assert done.code == 2, done
    assert told in done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("recast: ")
    assert not list(tmp_path.glob("sweep/*/"))
    assert not (tmp_path / "sweep" / "study.journal").exists()


WITHOUT = (
    "import sys; sys.modules['optuna'] = None; sys.argv[0] = 'recast-train'; from recast.cli.train import main; main()"
)


def test_without_optuna_a_search_says_what_to_install(tmp_path):
    done = python(WITHOUT, "-m", *QUICK, *SEARCH, "seed=0,1", cwd=tmp_path)
    assert done.code == 2, done
    assert done.err == ("recast: hydra/sweeper=optuna: Optuna is not installed: pip install 'recast-rnn[search]'\n")


@pytest.mark.slow
def test_without_optuna_a_sweep_needs_it_not(tmp_path):
    done = shell(sys.executable, "-c", WITHOUT, "-m", *QUICK, "seed=0,-1", cwd=tmp_path)
    assert done.code == 2, done
    assert "seed=-1: input should be greater" in done.err


def opened(folder: Path, **options: object) -> optuna.Study:
    address = str(folder / "study.journal")
    return open_study(address, "recast", options.get("direction", "minimize"), options.get("parts", PARTS), 0)


SPACE = {"optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True), "model/cell": CategoricalDistribution(["rnn", "gru"])}


@pytest.mark.parametrize("values", [0, 1, 2])
def test_a_trial_that_was_half_asked_for_gets_the_rest_of_its_values(values, tmp_path):
    trial = opened(tmp_path).ask(dict(list(SPACE.items())[:values]))
    before = trial.params
    study = opened(tmp_path)
    (begun,) = trials_of(study, TrialState.RUNNING)
    again = ask(study, SPACE, begun)
    assert again.number == trial.number == 0
    assert set(again.params) == set(SPACE)
    assert before.items() <= again.params.items()
    assert len(trials_of(study)) == 1


def test_what_was_searched_otherwise_is_refused(tmp_path):
    ask(opened(tmp_path), SPACE)
    with pytest.raises(ConfigurationError, match="model/cell: it is searched otherwise than in the study so far"):
        ask(opened(tmp_path), {"model/cell": CategoricalDistribution(["rnn", "lstm"])})


def test_a_study_keeps_its_direction(tmp_path):
    opened(tmp_path)
    with pytest.raises(ConfigurationError, match="was begun with minimize"):
        opened(tmp_path, direction="maximize")


def test_a_later_start_proposes_other_values(tmp_path):
    first = ask(opened(tmp_path), SPACE)
    second = ask(opened(tmp_path), SPACE)
    assert first.params["optimizer.lr"] != second.params["optimizer.lr"]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"sampler": {"_target_": "optuna.samplers.TPESampler", "_partial_": True, "n": 1}},
            "sampler.n: no such option",
        ),
        ({"sampler": {"_target_": "optuna.samplers.TPESampler"}}, "sampler._partial_: must be true"),
        ({"pruner": {"_target_": "optuna.samplers.TPESampler"}}, "hydra.sweeper.pruner._target_=optuna.samplers"),
        ({"pruner": {"_target_": "subprocess.Popen"}}, "may not be named in a configuration"),
    ],
)
def test_parts_are_optunas_own(parts, told):
    with pytest.raises(ConfigurationError, match=told.replace(".", r"\.")):
        check_parts(PARTS | parts)


def test_values_that_a_pruner_refuses_are_told(tmp_path):
    pruner = {"_target_": "optuna.pruners.PercentilePruner", "percentile": 200.0}
    with pytest.raises(ConfigurationError, match=r"hydra\.sweeper: Percentile must be"):
        opened(tmp_path, parts=PARTS | {"pruner": pruner})


def test_a_line_that_a_full_disk_has_cut_off_loses_nothing_else(tmp_path):
    study = opened(tmp_path)
    study.tell(study.ask(), 1.0)
    journal = tmp_path / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"trial_')
    study = opened(tmp_path)
    assert journal.read_bytes().startswith(whole + b'{"')
    study.tell(study.ask(), 2.0)
    assert [trial.value for trial in opened(tmp_path).trials] == [1.0, 2.0]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé '\"\\,:={}[]"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-z_]{1,8}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(plain)
def test_any_plain_value_can_be_an_override(value):
    parsed = OverridesParser.create().parse_override(f"key={value_as_override(value)}")
    assert not parsed.is_sweep_override()
    assert parsed.value() == value
