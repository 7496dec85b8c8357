"""A ShapeNet category as array jobs in the image with Blender, under Slurm and Grid Engine: rendered, cut, trained.

Everything is real: `docker/Dockerfile.render` built by ``image build``, Apptainer as an ordinary user without network,
schedulers, Blender, training.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.clusters.account import Unavailable
from tests.clusters.fixtures import Get
from tests.containers.cpu_image import CHECKOUT, cpu_image
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher
from tests.containers.render_image import render_image
from tests.containers.sites import PATIENCE_S, Site, logs
from tests.objects.shapes import box_mtl, box_obj

MODELS = ("10155655850468db78d106ce0a280f87", "1021a0914a7207aff927ed529ad90a11", "broken")
VIEWS = {"views": 12, "val_views": 1, "test_views": 3}
SHORT = ("train.steps=60", "train.samples=4096", "render.formats=[gif]", "resources.max_parallel=2")


@pytest.fixture(scope="module")
def image(engines: Engines) -> Path:
    """Return the image."""
    try:
        return render_image(engines)
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")


def test_a_check_renders_with_the_blender_of_the_image_and_fails_where_an_experiment_needs_one_that_is_not_there(
    engines: Engines, image: Path
) -> None:
    launcher = Launcher(engines, engines.work())
    experiment = CHECKOUT / "configs/shapenet_obj.yaml"
    for checked, status, words in ((image, 0, "renders without a display"), (cpu_image(engines), 1, "not in it")):
        # That of the host is none of an image's, and neither is one in the checkout that the check shows to it.
        done = launcher.run("image", "check", checked, "--for", experiment, "--json", NSG_BLENDER="/bin/false")
        found = {item["name"]: item for item in json.loads(done.stdout)["checks"]}
        assert done.returncode == status, done.stderr
        assert words in found["blender"]["found"]
        assert [name for name, item in found.items() if not item["ok"]] == ([] if status == 0 else ["blender"])


@pytest.fixture(params=["slurm", "gridengine"])
def site(request: pytest.FixtureRequest, engines: Engines, image: Path, clusters: Get) -> Site:
    """Return each cluster in turn, with a small category in its storage."""
    site = Site(request.param, engines, image, clusters(request.param))
    for name, text in zip(MODELS, (box_obj(), box_obj(flipped=True), "v 0 0 0\nf 1 2 3\n"), strict=True):
        folder = f"ShapeNetCore.v2/02691156/{name}/models"
        site.launcher.write(f"{folder}/model_normalized.obj", text)
        site.launcher.write(f"{folder}/box.mtl", box_mtl())
    return site


def views(site: Site) -> dict[Path, int]:
    """Return the views that are there, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (site.launcher.folder / "planes").glob("*/*/r_*.png")}


def states(site: Site, run: Path) -> list[str]:
    return [task["state"] for task in site.wait(run)["tasks"]]


def test_a_category_is_rendered_cut_continued_and_trained_around_a_broken_model(site: Site, image: Path) -> None:
    category, planes = site.launcher.folder / "ShapeNetCore.v2/02691156", site.launcher.folder / "planes"
    flags = [f"--{name.replace('_', '-')}={count}" for name, count in VIEWS.items()]
    flags += ["--size=64", "--samples=16", "--submit", "--max-parallel=2"]
    run = site.submit("data", "render-objects", category, "resources.walltime=20m", "--out", planes, *flags)
    deadline = time.monotonic() + PATIENCE_S
    while len(views(site)) < 3:
        assert time.monotonic() < deadline, logs(run)
        time.sleep(0.05)
    site.launcher.run("cancel", run, **site.env)
    site.wait(run)
    before = views(site)
    assert len(before) < 32, "cut before its end"

    assert site.launcher.run("resubmit", run, "--detach", **site.env).returncode == 0
    assert states(site, run) == ["succeeded", "succeeded", "failed"], logs(run)
    rendered = views(site)
    assert len(rendered) == 32
    assert before.items() <= rendered.items(), "no view is rendered twice"
    assert sorted(path.name for path in planes.iterdir()) == sorted(MODELS[:2]), "nothing is left of the broken model"
    listed = site.launcher.run("status", run, **site.env).stdout
    assert "…/model_normalized.obj:2: a face has the vertex 3" in listed

    sizes = [f"data.{name}={count}" for name, count in VIEWS.items()]
    settings = (f"data.out={planes}/{{model}}", *sizes, "data.image_size=64", "data.samples=16", *SHORT)
    sweep = site.submit(CHECKOUT / "configs/sweeps/shapenet_category.yaml", f"sweep.models={category}", *settings)
    assert states(site, sweep) == ["succeeded", "succeeded", "failed"], logs(sweep)
    assert views(site) == rendered
    environment = json.loads((sweep / "tasks/0/environment.json").read_text())
    assert environment["image"] == str(image)
    assert {"test.gif", "test_depth.gif"} <= {path.name for path in (sweep / "tasks/1/renders").iterdir()}
    table = site.launcher.run("report", sweep, "--format", "csv", **site.env).stdout.splitlines()
    columns = table[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=False)) for line in table[1:]]
    assert [row["data.name"] for row in rows] == list(MODELS)
    assert [float(row["psnr_db"] or "nan") > 8.0 for row in rows] == [True, True, False]
