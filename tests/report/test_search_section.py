"""The report on a search: its history and the importance of what was searched, read without changing anything."""

import base64

import pytest
from report_runs import write_run

from recast.report.bands import styles
from recast.report.document import Picture, Table, Text
from recast.report.groups import label, rounded
from recast.report.search import FEWEST, JOURNAL, section
from recast.report.study import study

optuna = pytest.importorskip("optuna", reason="needs the extra search (pip install 'recast-rnn[search]')")


def write_search(sweep, trials):
    """A search whose score depends on the learning rate most; every fifth trial is pruned."""
    for seed in (0, 1):
        overrides = [f"optimizer.lr=0.0{seed + 1}23456789", "seed=0", f"++callbacks.pruning={{trial: {seed}}}"]
        write_run(sweep / f"{seed}", overrides, 0.4 + seed)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(sweep / JOURNAL)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(study_name="recast", storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(trials):
        trial = made.ask()
        rate, size = trial.suggest_float("optimizer.lr", 0, 1), trial.suggest_float("size", 0, 1)
        trial.report(1 + 10 * rate + size, 1)
        if number % 5 == 4:
            made.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            made.tell(trial, 1 + 10 * rate + size)


def blocks_of(sweep):
    return section(study([sweep], alpha=0.05, metric=None)).blocks


def test_history_and_importances_are_those_of_the_study(tmp_path):
    write_search(tmp_path / "s", 40)
    before = (tmp_path / "s" / JOURNAL).read_bytes()
    picture, table = blocks_of(tmp_path / "s")
    assert isinstance(picture, Picture)
    assert "32 finished trials, 8 pruned, 0 failed" in picture.alt
    assert b"<svg" in base64.b64decode(picture.uri.partition(",")[2])
    assert isinstance(table, Table)
    shares = {row.cells[0]: float(row.cells[2]) for row in table.rows}
    assert list(shares) == ["optimizer.lr", "size"]
    assert shares["optimizer.lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1, abs=0.002)
    assert (tmp_path / "s" / JOURNAL).read_bytes() == before


@pytest.mark.parametrize(("monitor", "says"), [("ranking/validation", "validation score"), ("mae/validation", None)])
def test_the_axis_says_what_was_judged_and_optuna_nothing(tmp_path, capsys, monitor, says):
    write_search(tmp_path / "s", 3)
    (tmp_path / "s" / "multirun.yaml").write_text(f"hydra: {{sweeper: {{monitor: {monitor}}}}}")
    optuna.logging.set_verbosity(optuna.logging.INFO)
    picture, _ = blocks_of(tmp_path / "s")
    assert f"the best {says or monitor} is" in picture.alt
    assert capsys.readouterr().err == ""


def test_few_trials_and_a_torn_or_a_missing_journal_are_told(tmp_path):
    write_search(tmp_path / "s", 4)
    journal = tmp_path / "s" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 5')
    _, few = blocks_of(tmp_path / "s")
    assert isinstance(few, Text)
    assert f"({FEWEST})" in few.words
    journal.unlink()
    (missing,) = blocks_of(tmp_path / "s")
    assert f"no {JOURNAL}" in missing.words


def test_pruning_does_not_tell_runs_apart_and_numbers_are_rounded(tmp_path):
    write_search(tmp_path / "s", 1)
    found = study([tmp_path / "s"], alpha=0.05, metric=None)
    assert found.options == ("optimizer.lr",)
    assert label(["0.00012345678"], ["optimizer.lr"]) == "lr=0.0001235"
    same = ["128", "0.001", "gru", "2020.01.05", "1234567"]
    assert [rounded(text) for text in same] == same


def test_no_two_of_many_curves_look_alike():
    assert len(set(styles([False] * 20))) == 20
    assert len(set(styles([True] * 6))) == 6
