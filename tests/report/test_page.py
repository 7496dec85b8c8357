"""The HTML page: whole, self-contained, safe, and seen by a real browser.

Its parts are made by `nsg_cluster.report.sections` and `nsg_cluster.report.details`.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.process import run as run_program
from nsg_cluster.report import page
from nsg_cluster.report.page import write_report

pytest.importorskip("matplotlib", reason="matplotlib comes with nsg-cluster[report]")

HOSTILE = "\"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>'&lt;"
VOID = {"br", "col", "img", "input", "link", "meta", "source"}


class Page(HTMLParser):
    """Elements, their attributes, and whether every one is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def assert_needs_nothing_else(self) -> None:
        """Every address is inside the page, there is no script, and identifiers are unique and lead somewhere."""
        identifiers = [attributes["id"] for _, attributes in self.elements if attributes.get("id")]
        assert len(identifiers) == len(set(identifiers))
        for tag, attributes in self.elements:
            assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form"}
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in {"href", "xlink:href", "src", "srcset", "poster", "action", "data"}:
                    assert value
                    assert re.match(r"data:(image|video)/\w+;base64,", value) or (
                        value.startswith("#") and value[1:] in identifiers
                    ), (tag, name, value[:80])
        assert "@import" not in self.source
        assert not re.search(r"url\((?!#)", self.source)


def test_the_page_of_a_run_holds_its_numbers_pictures_video_curves_and_commands(build_run: Any) -> None:
    run = build_run({"train": {"steps": 2500}}, video=True)
    argv = ["launch.py", "my runs/toy.yaml", "seed=1"]
    run.record.write_text(json.dumps({"argv": argv, "git_commit": "c0ffee", "git_dirty": True}))
    run.difference.write_text("diff")
    out = write_report([run.root])
    assert out == run.report
    assert not list(run.root.glob(".tmp*"))
    assert stat.S_IMODE(out.stat().st_mode) & 0o444
    found = Page(out)
    found.assert_needs_nothing_else()
    expected = (
        "toy", "Three boxes.", "30.00", "0.9437", "31.25 dB", "1m30s", "2m56s of CPU time", "80% of 2,500", "worst",
        "Example CPU", "git checkout c0ffee", "training starts again from seed 1", "its weights are not installed",
        "train.steps", "51,234", "2023-11-14 22:13:20 UTC", "best",
        "python launch.py 'my runs/toy.yaml' seed=1\n", f"git apply {run.difference}\n", f"resubmit {run.root}\n",
    )  # fmt: skip
    assert [text for text in expected if text not in found.text] == []
    assert len(found.all("img")) == 12
    assert len(found.all("video")) == 1
    assert len(found.all("svg")) == 2 * 6
    marked = re.findall(r"<mark>([^<]*)</mark>", found.source)
    assert "  steps: 2500" in marked
    assert not any("log_every" in line for line in marked)


def test_the_page_of_a_sweep_compares_its_tasks_and_marks_the_best(build_run: Any) -> None:
    run = build_run({"seed": 1}, {"seed": 2}, {"seed": 3})
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    assert "<b>32.00</b>" in found.source
    assert "toy: 3 tasks" in found.text
    assert "3 succeeded · best, task 2: PSNR 32.00 dB / SSIM 0.944 · 4m30s of training" in found.text
    assert len(found.all("article")) == 3
    assert "<th>seed</th>" in found.source
    assert "<th>machine</th>" not in found.source
    assert ["open" in details for details in found.all("details")].count(True) == 1
    assert re.search(r'id="task2"><details open', found.source)


def hostile_run(build_run: Any) -> Any:
    """Put hostile text wherever a run can hold text."""
    run = build_run({"description": HOSTILE, "data": {"kind": "blender", "root": HOSTILE}}, name="<b>&'\"")
    task = run.task(0)
    run.record.write_text(json.dumps({"git_commit": HOSTILE, HOSTILE: HOSTILE}))
    task.status.write_text(json.dumps({"state": HOSTILE, "reason": HOSTILE, "host": HOSTILE, "started": 1e300}))
    task.environment.write_text(json.dumps({"cpu_model": HOSTILE, HOSTILE: [HOSTILE], "git_commit": HOSTILE}))
    metrics = json.loads(task.metrics.read_text())
    view = HOSTILE.replace("/", "_")
    metrics |= {"split": HOSTILE, "background": HOSTILE, "notes": [HOSTILE], "absent": {HOSTILE: HOSTILE}}
    metrics["per_view"][0]["name"] = view
    task.metrics.write_text(json.dumps(metrics))
    for ending in ("", "_truth"):
        shutil.copy(task.evaluation / f"r_0{ending}.png", task.evaluation / f"{view}{ending}.png")
    events = [{"step": 1, HOSTILE: 3.0}, {"step": 2, "notice": HOSTILE, "level": HOSTILE}]
    events.append({"step": 3, "notice": "\ud800 " + "long " * 100_000, "level": "error"})
    with task.events.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    task.renders.mkdir()
    (task.renders / f"{view}.gif").write_bytes(b"GIF89a;")
    return run


def test_nothing_that_comes_from_a_run_becomes_markup(build_run: Any) -> None:
    run = hostile_run(build_run)
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    assert "<script>alert" in found.text
    assert found.text.count("alert(1)") >= 10
    assert len(found.source) < 2_000_000


def test_a_run_without_metrics_pictures_and_curves_still_gives_a_page_that_says_what_is_missing(build_run: Any) -> None:
    run = build_run()
    for path in (run.task(0).metrics, run.task(0).events, run.task(0).environment):
        path.unlink()
    shutil.rmtree(run.task(0).evaluation)
    run.task(0).status.write_text('{"state": "running"}')
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    for text in ("events.jsonl is missing", "environment.json is missing", "not evaluated yet", "Nothing yet."):
        assert text in found.text


def test_a_task_that_failed_shows_its_reason_and_the_end_of_its_log(build_run: Any) -> None:
    run = build_run()
    run.task(0).status.write_text(json.dumps({"state": "failed", "reason": "killed by SIGSEGV"}))
    run.task(0).log_err.write_text("".join(f"line {number}\n" for number in range(5000)) + "<last> \x1b[0m words\n")
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    assert "killed by SIGSEGV" in found.text
    assert "line 4999\n<last> \\x1b[0m words" in found.text
    assert "line 4970" not in found.text


def test_a_run_whose_files_are_all_damaged_still_gives_a_page(build_run: Any) -> None:
    run = build_run()
    for path in (path for path in run.root.rglob("*") if path.is_file()):
        path.write_bytes(b"\xff{")
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    assert "spec.yaml:1" in found.text


def test_the_size_is_bounded_and_what_is_left_out_is_said(build_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = build_run({}, {"seed": 1}, {"seed": 2})
    monkeypatch.setattr(page, "MEDIA_BYTES", 2000)
    monkeypatch.setattr(page, "MAX_TASKS", 2)
    found = Page(write_report([run.root]))
    found.assert_needs_nothing_else()
    assert sum(len(image["src"] or "") for image in found.all("img")) <= 2000
    assert "is left out to keep this page small" in found.text
    assert "1 further task is in the table only" in found.text
    assert len(found.all("article")) == 2


def test_the_page_goes_where_it_is_asked_to_and_a_place_that_does_not_exist_is_refused(
    build_run: Any, tmp_path: Path
) -> None:
    run = build_run()
    assert write_report([run.root], tmp_path / "x.html") == tmp_path / "x.html"
    assert not run.report.exists()
    with pytest.raises(RunError, match=r"cannot be written"):
        write_report([run.root], tmp_path / "nothing" / "x.html")


def chromium_dom(path: Path, profile: Path) -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    options += "--disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=5000 --dump-dom"
    argv = [program, *options.split(), f"--user-data-dir={profile}", path.as_uri()]
    return run_program(argv, timeout_s=120).check().out


PROBE = """<script>addEventListener('load', () => {
  const images = [...document.images], video = document.querySelector('video');
  const seen = {images: images.length, decoded: images.filter(image => image.naturalWidth > 0).length,
    video: [video.videoWidth, video.videoHeight, video.duration > 0, video.error === null],
    wide: document.documentElement.scrollWidth <= innerWidth,
    hidden: getComputedStyle(document.querySelector('.by-cpu')).display,
    requests: performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('data:')).length};
  document.title = JSON.stringify(seen);
});</script>"""


def test_a_real_browser_decodes_every_picture_and_the_video_and_asks_the_network_for_nothing(
    build_run: Any, tmp_path: Path
) -> None:
    run = build_run(video=True)
    out = write_report([run.root])
    # The page forbids scripts, so the copy that looks at itself has to allow its own.
    source = out.read_text().replace("style-src", "script-src &#x27;unsafe-inline&#x27;; style-src")
    probed = tmp_path / "probed.html"
    probed.write_text(source.replace("</body>", f"{PROBE}</body>"))
    dom = chromium_dom(probed, tmp_path / "profile")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title
    seen = json.loads(title[1].replace("&quot;", '"'))
    assert seen == {
        "images": 12,
        "decoded": 12,
        "video": [32, 32, True, True],
        "wide": True,
        "hidden": "none",
        "requests": 0,
    }


def test_a_real_browser_runs_no_script_from_a_hostile_run(build_run: Any, tmp_path: Path) -> None:
    run = hostile_run(build_run)
    out = write_report([run.root])
    # Even a script that got into the page would not run: its policy forbids it.
    probed = tmp_path / "probed.html"
    probed.write_text(out.read_text().replace("</body>", "<script>document.title = 'ran'</script></body>"))
    assert "<title>ran</title>" not in chromium_dom(probed, tmp_path / "profile")
