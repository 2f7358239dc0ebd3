"""Compiled kernels: their functions, where they are kept, and that they work in every process and on other CPUs."""

import logging
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recurrences import ClosedCase, OpenCase, run

from recast.errors import ConfigurationError
from recast.nn.recurrence.engine import Engine

numba = pytest.importorskip("numba", reason="numba is not installed")

from recast.nn.recurrence.compiled import activations, kernels  # noqa: E402
from recast.nn.recurrence.compiled.implementation import Numba  # noqa: E402
from recast.nn.recurrence.compiled.jit import jit  # noqa: E402
from recast.nn.recurrence.compiled.rows import blocks, gradient_groups  # noqa: E402

TESTS = Path(__file__).parents[1] / "helpers"
NOWHERE = "/proc/none"
"""No folder can be made there, not even by root."""

# Functions


@jit
def tanh_of(x, y):
    for k in range(len(x)):
        y[k] = activations.tanh(x[k])


@jit
def sigmoid_of(x, y):
    for k in range(len(x)):
        y[k] = activations.sigmoid(x[k])


def values(loop: Callable[..., None], x: Any, dtype: Any) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype)
    loop(x, y := np.zeros_like(x))
    return y


every_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def grid(dtype: Any) -> np.ndarray:
    small = np.geomspace(1e-30, 20, 200_001)
    ends = np.nextafter(np.array([7.95, 7.95, 15.9, 15.9, 700, 700], dtype), np.array([0, 9] * 3, dtype) * 1000)
    whole = np.concatenate([np.linspace(-20, 20, 1_000_001), small, np.geomspace(20, 1e38, 10_001), ends])
    return np.concatenate([whole, -whole]).astype(dtype)


@every_type
def test_the_hyperbolic_tangent_is_as_exact_as_stated(dtype):
    x = grid(dtype)
    found, exact = values(tanh_of, x, dtype).astype(np.longdouble), np.tanh(x.astype(np.longdouble))
    error = np.abs(found - exact)
    if dtype == np.float32:
        assert (error <= 4.8e-7 * np.abs(exact)).all()
    assert error.max() < {np.float32: 4.8e-7, np.float64: 4e-16}[dtype]
    assert np.abs(found).max() == 1


@every_type
def test_the_sigmoid_is_as_exact_as_stated(dtype):
    x = grid(dtype)
    with np.errstate(over="ignore"):
        exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    found = values(sigmoid_of, x, dtype).astype(np.longdouble)
    assert np.abs(found - exact).max() < {np.float32: 2.5e-7, np.float64: 4e-16}[dtype]
    assert found.min() >= 0
    assert found.max() <= 1


@every_type
def test_special_values(dtype):
    # Enough of them for vectors, and one that is left over.
    for count in (1, 67):
        x = np.repeat(np.array([0, math.inf, -math.inf, 3e38, -3e38], dtype), count)
        assert values(tanh_of, x, dtype).tolist() == np.repeat([0, 1, -1, 1, -1], count).tolist()
        assert values(sigmoid_of, x, dtype).tolist() == np.repeat([0.5, 1, 0, 1, 0], count).tolist()
        for loop in (tanh_of, sigmoid_of):
            assert np.isnan(values(loop, np.full(count, math.nan), dtype)).all()


# Blocks of rows


@pytest.mark.parametrize(("keep", "most"), [(True, 16), (False, 64)])
def test_blocks_have_every_row_once_and_little_room(keep, most):
    for batch in range(1, 400):
        found = blocks(batch, keep=keep, threads=1)
        assert [row for block in found for row in range(block.first, block.stop)] == list(range(batch))
        for first, stop, room in found:
            assert stop - first <= room <= most
            assert room % 4 == 0


def test_groups_have_every_block_once():
    for count in range(1, 100):
        found = gradient_groups(count)
        assert len(found) <= 16
        assert [block for group in found for block in group] == list(range(count))


# Where they are kept


@pytest.fixture
def no_home(monkeypatch, tmp_path) -> Path:
    """A user without a folder of his own; where temporary files are."""
    monkeypatch.setenv("HOME", NOWHERE)
    monkeypatch.setenv("XDG_CACHE_HOME", NOWHERE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def fresh() -> Iterator[None]:
    # There may be none of this version as yet: they are compiled once, into the user's folder.
    kernels.compiled(np.dtype(np.float64))
    kernels.compiled.cache_clear()
    yield
    kernels.compiled.cache_clear()


def test_the_users_cache_folder_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kernels.default_folder() == tmp_path / "cache" / "recast"
    assert (tmp_path / "cache" / "recast").stat().st_mode & 0o777 == 0o700


def test_without_a_home_they_are_kept_among_temporary_files(no_home, monkeypatch):
    own = no_home / f"recast-{os.getuid()}"
    assert kernels.default_folder() == own
    assert own.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernels.default_folder() == own


def test_a_temporary_folder_of_another_user_is_not_used(no_home, monkeypatch):
    """What lies there is run."""
    user = os.getuid()
    (no_home / f"recast-{user + 1}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert kernels.default_folder() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_temporary_folder_that_was_given_away_is_not_used(no_home):
    own = no_home / f"recast-{os.getuid()}"
    assert kernels.default_folder() == own
    os.chown(own, 65534, 65534)
    assert kernels.default_folder() is None


def test_a_home_that_nobody_has_is_no_folder_here(monkeypatch, no_home):
    monkeypatch.chdir(no_home)
    monkeypatch.setattr(kernels.platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    assert kernels.default_folder() == no_home / f"recast-{os.getuid()}"
    assert not (no_home / "~").exists()


@pytest.mark.usefixtures("no_home")
def test_there_may_be_no_temporary_files_at_all(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert kernels.default_folder() is None


@pytest.mark.usefixtures("no_home")
def test_a_file_system_without_locks_is_passed_over(monkeypatch):
    def no_locks(file: Any, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(kernels.fcntl, "flock", no_locks)
    assert kernels.default_folder() is None


def test_with_nothing_writable_there_is_a_warning(fresh, no_home, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "tempdir", NOWHERE)
    with caplog.at_level(logging.INFO, "recast"):
        assert kernels.compiled(np.dtype(np.float64)).forward
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "recurrence kernels are compiled at each start: neither the cache nor the temporary folder is writable"
    )
    assert not list(no_home.iterdir())


@pytest.mark.usefixtures("fresh")
def test_a_folder_that_can_no_longer_be_written_gives_a_warning(caplog):
    with caplog.at_level(logging.INFO, "recast"):
        assert kernels.compiled(np.dtype(np.float64), Path(NOWHERE)).forward
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("recurrence kernels are compiled at each start: [Errno 2]")
    assert NOWHERE in record.getMessage()


def in_a_fork(work: Callable[[], str]) -> str:
    """What `work` gives in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - what is not said here is lost
            answer = repr(error)
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


forking = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@forking
def test_a_folder_that_cannot_be_written_is_refused_at_once():
    # pytest's own temporary folders are closed to others.
    place = Path(tempfile.mkdtemp())
    closed = place / "closed"
    closed.mkdir(mode=0o555)
    place.chmod(0o755)

    def work() -> str:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            Engine(cache_dir=str(closed / "kernels"))
        except ConfigurationError as error:
            return str(error)
        return "accepted"

    try:
        assert in_a_fork(work) == (
            f"Engine: cache_dir={closed}/kernels cannot be written (Permission denied); choose another "
            "folder, or null for the user's cache folder"
        )
    finally:
        shutil.rmtree(place)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "kernels"):
        with pytest.raises(ConfigurationError, match=f"Engine: cache_dir={place} cannot be written"):
            Engine(cache_dir=str(place))


def test_other_sources_have_another_folder(monkeypatch, tmp_path):
    before = kernels._version()
    assert before == kernels._version()
    copy = tmp_path / "compiled"
    shutil.copytree(Path(kernels.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kernels, "__file__", str(copy / "kernels.py"))
    assert kernels._version() == before
    # Numba itself looks at loops.py alone.
    for name in ("tile.py", "activations.py", "jit.py"):
        (copy / name).write_text((copy / name).read_text() + "\n")
        after = kernels._version()
        assert after != before
        before = after


@pytest.mark.parametrize(("library", "other"), [("numba", "0.0.1"), ("llvmlite", "0.0.2")])
def test_other_compilers_have_another_folder(monkeypatch, library, other):
    before = kernels._version()
    monkeypatch.setattr(getattr(kernels, library), "__version__", other)
    assert kernels._version() != before


# Processes

CASES = (
    OpenCase(kind="gru", hidden=(20, 7), inputs=2, batch=37, time=11, at=(11,), dtype=torch.float32),
    ClosedCase(kind="lstm", hidden=(9,), batch=37, horizon=11, dtype=torch.float32),
)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def answer_of(case: OpenCase | ClosedCase) -> str:
    ran = run(Numba(), case.request())
    return repr([part.double().sum().item() for part in (*ran.values, *ran.gradients.values())])


@forking
@pytest.mark.usefixtures("two_threads")
@pytest.mark.skipif(torch.cuda.is_available(), reason="autograd does not survive a fork where it has used a GPU")
@pytest.mark.parametrize("case", CASES, ids=["open", "closed"])
def test_they_work_in_a_fork_after_use(case):
    expected = answer_of(case)
    assert in_a_fork(lambda: answer_of(case)) == expected
    # A grandchild, and the parent again.
    assert in_a_fork(lambda: answer_of(case) + in_a_fork(lambda: answer_of(case))) == expected * 2
    assert answer_of(case) == expected


def put_answer(queue: Any, case: OpenCase) -> None:
    torch.set_num_threads(2)
    queue.put(answer_of(case))


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_they_work_in_a_spawned_process():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=put_answer, args=(queue, CASES[0]))
    process.start()
    assert queue.get() == answer_of(CASES[0])
    process.join()


# Compares with the definition, and says what was logged.
CHECK = """
import logging, math, sys, tempfile
from dataclasses import replace
from pathlib import Path

import torch

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
logging.getLogger("numba").setLevel(logging.WARNING)
torch.set_num_threads(1)
folder, *dtypes = sys.argv[1:]
if folder == "nowhere":
    tempfile.tempdir = "/proc/none"
from recurrences import CELLS, TOLERANCE, ClosedCase, OpenCase, compare, results
from recast.nn.recurrence.compiled.implementation import Numba
from recast.nn.recurrence.compiled.vectors import vector_bytes

fast = Numba(cache_dir=None if folder == "nowhere" else Path(folder))
for dtype in map(torch.__dict__.get, dtypes):
    for kind in CELLS:
        for hidden, batch in (((20, 7), 37), ((33,), 6), ((64,), 16), ((1,), 1)):
            case = OpenCase(kind=kind, hidden=hidden, batch=batch, inputs=3, time=19, at=(8, 19), dtype=dtype)
            compare(fast, replace(case, dropout=True, inputs_learn=True).request(), TOLERANCE[dtype])
            spoilt = case.request()
            spoilt.inputs[0, 0, 0] = math.nan
            assert results(fast, spoilt)[0][0].isnan().all()
            case = ClosedCase(kind=kind, hidden=hidden, batch=batch, targets=5, known=1, horizon=19, dtype=dtype)
            compare(fast, replace(case, dropout=True, teaching=0.5, inputs_learn=True).request(), TOLERANCE[dtype])
print("vectors of", vector_bytes())
"""


def checking(folder: Path | str, *dtypes: str, **environment: str) -> subprocess.Popen[str]:
    """A process that makes the comparison with kernels kept in a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", CHECK, str(folder), *dtypes],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out + err
    return out.splitlines()


def kept(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


@pytest.mark.slow
def test_two_processes_that_compile_at_once_and_one_that_finds_it_done(tmp_path):
    folder = tmp_path / "new" / "cache"
    found = [said(process) for process in [checking(folder, "float32", "float64") for _ in range(2)]]
    compiled = [line.partition(" compiled in ")[0] for lines in found for line in lines if " compiled in " in line]
    assert sorted(compiled) == [
        f"recast.nn.recurrence.compiled.kernels: recurrence kernels for {name}" for name in ("float32", "float64")
    ]
    files = kept(folder)
    assert len([name for name in files if name.endswith(".nbc")]) == 4
    assert len(files) == 6
    # Types in another order, too.
    (vectors,) = said(checking(folder, "float64", "float32"))
    assert vectors.startswith("vectors of")
    assert kept(folder) == files


@pytest.mark.slow
def test_with_nothing_writable_they_are_compiled_all_the_same():
    found = said(checking("nowhere", "float32", HOME=NOWHERE, XDG_CACHE_HOME=NOWHERE))
    warning, compiled, _ = found
    assert "compiled at each start: neither the cache nor the temporary folder is writable" in warning
    assert "recurrence kernels for float32 compiled in" in compiled


@pytest.mark.slow
def test_on_a_full_disk_they_are_compiled_all_the_same(small_disk):
    filling = small_disk / "filling"
    with pytest.raises(OSError, match="No space left"):
        filling.write_bytes(bytes(4 * 2**20))
    # Room for the index, and none for the code.
    os.truncate(filling, filling.stat().st_size - 3 * 4096)
    warnings = [line for line in said(checking(small_disk, "float32")) if "not kept" in line]
    assert warnings
    assert all("recurrence kernels are not kept for the next start: [Errno 28]" in line for line in warnings)


# Other CPUs


def has(*names: str) -> bool:
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:
        return False
    return all(features.get(name) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "vectors", "needed"),
    [
        ("generic", 16, ()),
        ("haswell", 32, ("avx2", "fma", "bmi", "bmi2", "lzcnt", "f16c", "movbe")),
        ("skylake-avx512", 64, ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "clwb")),
    ],
)
def test_other_cpus_give_the_same(tmp_path, name, vectors, needed):
    if not has(*needed):
        pytest.skip(f"this CPU cannot run code for {name}")
    # Without features of its own Numba would add those of this CPU.
    environment = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
    *_, last = said(checking(tmp_path, "float32", "float64", **environment))
    assert last == f"vectors of {vectors}"


@pytest.mark.slow
def test_kernels_of_two_cpus_lie_beside_each_other(tmp_path):
    """As in a home that the nodes of a cluster share."""
    for features in ("", "+avx"):
        if not has(*features.strip("+").split()):
            pytest.skip("this CPU has no AVX")
        said(checking(tmp_path, "float32", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=features))
    assert len([name for name in kept(tmp_path) if name.endswith(".nbc")]) == 4
    (vectors,) = said(checking(tmp_path, "float32", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=""))
    assert vectors == "vectors of 16"


# What the log says


@pytest.mark.usefixtures("two_threads")
def test_the_name_says_how_many_blocks_and_threads():
    request = replace(CASES[0], batch=150).request()
    assert Numba().describe(request) == "numba, 10 blocks of rows on 2 threads"
    with torch.no_grad():
        assert Numba().describe(request) == "numba, 3 blocks of rows on 2 threads"
        assert Numba(threads=1).describe(request) == "numba, 3 blocks of rows on 1 thread"
    assert Numba(threads=4).describe(request) == "numba, 10 blocks of rows on 4 threads"
    assert Numba().describe(OpenCase(batch=1).request()) == "numba, 1 block of rows on 1 thread"
