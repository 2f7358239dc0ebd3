"""Files are written whole; links, pipes and devices stay what they are; paths as people write them."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from recast.errors import ConfigurationError
from recast.figures.png import format_of, save
from recast.system.files import require_file, require_folder, user_path, write_text, write_whole


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["target.csv"]
    dangling = tmp_path / "dangling"
    dangling.symlink_to("later.csv")
    write_text(dangling, "made")
    assert dangling.is_symlink()
    assert (tmp_path / "later.csv").read_text() == "made"


def test_what_fails_half_way_leaves_the_target_of_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(link, fail)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]


def test_a_pipe_is_written_to(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join()
    assert found == ["through"]
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


WRITES = """
from pathlib import Path
from recast.system.files import write_text
print("before")
write_text(Path("{path}"), "whole\\n")
print("after")
"""


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "link"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_the_standard_output_is_written_in_turn(path, kind, tmp_path):
    (tmp_path / "link").symlink_to("/dev/stdout")
    program = [sys.executable, "-c", WRITES.format(path=path)]
    if kind == "pipe":
        out = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    else:
        with (tmp_path / "out").open("w") as file:
            file.write("first\n")
            file.flush()
            subprocess.run(program, cwd=tmp_path, stdout=file, check=True)
        out = (tmp_path / "out").read_text().removeprefix("first\n")
    assert out == "before\nwhole\nafter\n"
    assert Path("/dev/stdout").is_symlink()
    assert (tmp_path / "link").is_symlink()


def test_nothing_is_left_of_a_device():
    write_text(Path(os.devnull), "gone")
    assert Path(os.devnull).is_char_device()


def test_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a.csv") == tmp_path / "a.csv"
    assert user_path("a~/b.csv") == Path("a~/b.csv")
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


def test_places_where_nothing_can_be_written(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match=r"^output=.*: a folder; expected the name of a file"):
        require_file(tmp_path, "output")
    for require in (require_file, require_folder):
        with pytest.raises(ConfigurationError, match=r"file is a file; expected a folder there"):
            require(file / "deep" / "out.csv", "output")
    require_file(tmp_path / "new" / "out.csv", "output")
    require_folder(tmp_path / "new" / "results", "output")


@pytest.mark.parametrize(
    ("ending", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("", b"\x89PNG")]
)
def test_a_figure_has_the_format_of_its_ending(ending, begins, tmp_path):
    files = [tmp_path / f"{name}{'.' if ending else ''}{ending}" for name in ("a", "b")]
    for file in files:
        figure = Figure()
        figure.subplots().plot([1, 3, 2], label="level")
        save(figure, file)
    contents = [file.read_bytes() for file in files]
    assert contents[0].startswith(begins)
    assert contents[0] == contents[1]
    assert mpl.rcParams["svg.hashsalt"] is None


def test_other_endings_are_refused():
    assert format_of(Path("a.PDF")) == "pdf"
    with pytest.raises(ConfigurationError, match=r"^figure=a\.bmp: figures are written as \.png, \.pdf, \.svg"):
        format_of(Path("a.bmp"))
