"""The report in a real browser: read, at desktop and phone width, without script errors and without the network."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.image import imread
from report_runs import write_bands, write_per_item, write_study

from recast.report.write import report

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--virtual-time-budget=15000",
)

CLOCK = "/time/1/"  # Chromium asks its maker for the time, whatever the page

# What a reader of the page sees is measured from outside, in a frame: the page itself permits no script.
PROBE = """<!doctype html><title>probe</title><iframe src="/report.html" width="WIDTH" height="3000"></iframe>
<pre id="found"></pre><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const images = [...page.images], boxes = [...page.querySelectorAll(".box")];
  document.querySelector("#found").textContent = JSON.stringify({
    title: page.title,
    width: root.clientWidth,
    content: root.scrollWidth,
    headings: [...page.querySelectorAll("h2")].map(heading => heading.textContent),
    links: [...page.querySelectorAll("nav a")].filter(link => page.querySelector(link.getAttribute("href"))).length,
    tables: page.querySelectorAll("table").length,
    first: page.querySelector("#leaderboard tbody tr").innerText,
    images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).length,
    wide: images.filter(image => image.getBoundingClientRect().right > root.clientWidth).length,
    unnamed: images.filter(image => !image.alt).length,
    boxes: boxes.filter(box => box.getBoundingClientRect().right > root.clientWidth).length,
    scripts: page.scripts.length,
    verdicts: page.querySelectorAll('#leaderboard td[data-column="verdict"]').length,
    aside: [...page.querySelectorAll('#leaderboard td[data-column="verdict"]')]
      .filter(cell => cell.getBoundingClientRect().right > root.clientWidth).length,
  });
});
</script>"""


class Site(NamedTuple):
    """A folder that is served, and what was asked of it."""

    folder: Path
    address: str
    asked: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    study = write_study(tmp_path_factory.mktemp("folders") / "study", seeds=(0, 1, 2, 3, 4))
    for run in (path.parent for path in study.glob("*/metrics.json")):
        scores = np.random.default_rng(0).lognormal(size=(2, 50))
        items = {
            name: {f"station {n}": value for n, value in enumerate(row)}
            for name, row in zip(("model", "ridge"), scores, strict=True)
        }
        write_per_item(run, items)
        hits = np.random.default_rng(0).binomial(4, (0.5, 0.8, 0.9, 0.95), size=(100, 4))
        write_bands(run, {"model": hits, "calibrated": hits, "ridge": hits})
    report([study], folder)
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(CLOCK):
                asked.append(self.path)
            super().do_GET()

        def log_message(self, *args: object) -> None:
            """Nothing: Chromium's own encrypted calls end here too, and are no request that can be read."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(folder, f"http://127.0.0.1:{server.server_address[1]}", asked)
        server.shutdown()
        thread.join()


def browse(site: Site, page: str, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Opens a page; every host name is led to the site, so that it sees all that is asked for."""
    assert CHROMIUM is not None
    port = site.address.rpartition(":")[2]
    site.asked.clear()
    return subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--host-resolver-rules=MAP * 127.0.0.1:{port}",
            f"--user-data-dir={tmp_path / 'profile'}",
            *options,
            f"{site.address}/{page}",
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probe(site: Site, tmp_path: Path, width: int) -> dict:
    (site.folder / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
    done = browse(site, "probe.html", tmp_path, "--dump-dom", "--window-size=1600,4000")
    assert complaints(done) == []
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_whole_and_fits_the_screen(site, tmp_path, width):
    found = probe(site, tmp_path, width)
    assert found["title"] == "Report: study"
    assert found["width"] == width
    # Tables and pictures scroll or shrink; the page itself never scrolls sideways.
    assert found["content"] <= width
    assert (found["wide"], found["boxes"]) == (0, 0)
    assert len(found["headings"]) == found["links"] == 10
    assert found["headings"][1] == "2. Leaderboard"
    assert found["tables"] >= 8
    # At any width each verdict is on the screen.
    assert found["verdicts"] >= 3
    assert found["aside"] == 0
    assert "0.420 ± 0.016" in found["first"]
    # Critical difference, error per lead, two of bands, scores of the items, three kinds of curves, forecasts.
    assert found["images"] == 9
    assert (found["broken"], found["unnamed"], found["scripts"]) == (0, 0, 0)


@pytest.mark.parametrize(("width", "height"), [pytest.param(1280, 3000, marks=pytest.mark.slow), (390, 3000)])
def test_the_page_is_drawn_and_asks_for_nothing(site, tmp_path, width, height):
    picture = tmp_path / "page.png"
    done = browse(site, "report.html", tmp_path, f"--screenshot={picture}", f"--window-size={width},{height}")
    assert complaints(done) == []
    assert site.asked == ["/report.html"]
    pixels = imread(picture)
    assert pixels.shape[:2] == (height, width)
    # White paper with ink on it, from top to bottom.
    for band in np.array_split(pixels[..., :3].mean(axis=2), 6):
        assert 0.5 < (band > 0.95).mean() < 0.999


def test_a_script_that_fails_and_a_request_would_be_seen(site, tmp_path):
    (site.folder / "bad.html").write_text(
        '<!doctype html><title>bad</title><link rel="icon" href="data:,">'
        '<img src="http://elsewhere.example/pixel.png"><script>no_such_name()</script>'
    )
    done = browse(site, "bad.html", tmp_path, "--dump-dom")
    assert any("no_such_name" in line for line in complaints(done))
    assert "/pixel.png" in site.asked


def test_the_policy_stops_what_escaping_might_miss(site, tmp_path):
    page = (site.folder / "report.html").read_text()
    hostile = '<h1><img src="http://elsewhere.example/pixel.png"><script>document.title = "taken"</script>'
    (site.folder / "hostile.html").write_text(page.replace("<h1>", hostile, 1))
    done = browse(site, "hostile.html", tmp_path, "--dump-dom")
    assert site.asked == ["/hostile.html"]
    assert "<title>Report: study</title>" in done.stdout
