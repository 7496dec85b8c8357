"""The image of a run: which, whether it is there, whole, current and made for the GPUs: `nsg_cluster.runs.image`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.container import ContainerConfig, combined
from nsg_cluster.container.manifest import Manifest, write_manifest
from nsg_cluster.core.errors import ConfigError, ContainerError
from nsg_cluster.runs.image import blueprint_of
from nsg_cluster.runs.submit import make_plan
from tests.contract.runs import Bench, bench

__all__ = ["bench"]

SIF = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + b"\0" * 1000
SITE = """\
name: abc
scheduler: slurm
storage: {storage}
binds: [/etc/hosts]
environment: {{SITE_WORD: "1", PATH: /opt/bin:/usr/bin}}
container: {{environment: [TOKEN], build_args: {{A: "1"}}}}
resource_types:
  v100: {{gpus: 1, cpus: 4, memory: 8GiB, architecture: "7.0"}}
  h200: {{gpus: 1, cpus: 4, memory: 8GiB, architecture: "9.0"}}
  cpu: {{cpus: 4, memory: 8GiB}}
"""


@pytest.fixture
def site(bench: Bench) -> Path:
    """Return a site with GPUs of several architectures, whose storage holds a checkout with a Dockerfile."""
    (bench.root / "site.yaml").write_text(SITE.format(storage=bench.root))
    for name, text in {
        "docker/Dockerfile": "FROM a\nARG A\nCOPY tool nsg_cluster /\n",
        "tool": "1",
        "nsg_cluster/core.py": "1",
    }.items():
        (bench.root / name).parent.mkdir(exist_ok=True)
        (bench.root / name).write_text(text)
    return bench.root / "site.yaml"


def built(
    bench: Bench,
    *,
    architectures: str | None = "70;80+PTX",
    name: str = "a-1.sif",
    created: float = 1,
    more: Mapping[str, str] | None = None,
) -> Path:
    """Pretend that an image was built from the Dockerfile."""
    images = bench.storage.images
    images.mkdir(exist_ok=True)
    (images / name).write_bytes(SIF)
    dockerfile = bench.root / "docker/Dockerfile"
    blueprint = blueprint_of(ContainerConfig(build_args={"A": "1"}), dockerfile)
    labels = {} if architectures is None else {"nsg_cluster.architectures": architectures}
    about: dict[str, Any] = {"recipe": str(dockerfile), "builder": "definition", "program": "apptainer 1.4.5"}
    about |= {"inputs": blueprint.inputs(), "settings": blueprint.settings()}
    manifest = Manifest(
        name="a",
        image=name,
        digest="d" * 64,
        size=len(SIF),
        created=created,
        labels={**labels, **(more or {})},
        **about,
    )
    write_manifest(images, manifest)
    return images / name


def plan(bench: Bench, site: Path, *overrides: str):  # type: ignore[no-untyped-def]
    """Return what would be submitted with the Dockerfile's image."""
    image = f"container.image={bench.root / 'docker/Dockerfile'}"
    return make_plan(bench.write(), [image, *overrides], site=str(site))


def test_a_dockerfile_stands_for_the_image_that_was_built_from_it_as_it_is_now(bench: Bench, site: Path) -> None:
    with pytest.raises(ContainerError, match=r"no image was built from .*/docker/Dockerfile yet: run 'python launch"):
        plan(bench, site)
    built(bench, name="old.sif", created=1)
    manifest = bench.storage.images / "old.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "created": 9, "inputs": {"recipe": "another"}}))
    image = built(bench, created=5)
    chosen = plan(bench, site).image
    assert (chosen.container.image, chosen.container.digest, chosen.notes) == (str(image), "d" * 64, ())
    assert set(chosen.container.binds) >= {str(bench.root), "/etc/hosts"}
    assert set(chosen.container.variables) == {"TOKEN", "SITE_WORD"}
    assert make_plan(bench.write(), site=str(site)).image is None


def test_an_image_that_is_older_than_its_dockerfile_is_said_but_the_package_itself_is_brought_by_the_run(
    bench: Bench, site: Path
) -> None:
    built(bench)
    (bench.root / "nsg_cluster/core.py").write_text("2")
    assert plan(bench, site).image.notes == ()
    (bench.root / "tool").write_text("2")
    (note,) = plan(bench, site).image.notes
    assert "a-1.sif is older than" in note and "changed since: file tool" in note
    assert f"note: {note}" in plan(bench, site).image.lines()
    (bench.root / "tool").write_text("1")
    (note,) = plan(bench, site, "container.build_args={A: '2'}").image.notes
    assert "changed since: recipe" in note
    (bench.root / "docker/Dockerfile").write_text("FROM a\nCOPY gone /\n")
    (note,) = plan(bench, site).image.notes
    assert "gone is missing in the context" in note


def test_an_image_that_may_not_have_blender_is_said_where_models_are_rendered(bench: Bench, site: Path) -> None:
    objects = bench.root / "objects.yaml"
    objects.write_text(
        "name: a\nmodel: {kind: instant_ngp}\n"
        f"data: {{kind: objects, model: {bench.root}/a.obj, out: {bench.root}/views}}\n"
    )
    image = built(bench)
    choice = f"container.image={bench.root / 'docker/Dockerfile'}"
    (note,) = make_plan(objects, [choice], site=str(site)).image.notes  # type: ignore[union-attr]
    assert note.startswith("the image a-1.sif does not say that it has Blender, ")
    assert f"image check {image} --for" in note
    assert make_plan(objects, [choice, "stages=[train]"], site=str(site)).image.notes == ()  # type: ignore[union-attr]
    built(bench, more={"nsg_cluster.blender": "bpy"})
    assert make_plan(objects, [choice], site=str(site)).image.notes == ()  # type: ignore[union-attr]


def test_another_checkout_with_the_same_content_has_the_same_image(bench: Bench, site: Path) -> None:
    image = built(bench)
    other = bench.root / "other"
    for name in ("docker", "nsg_cluster"):
        shutil.copytree(bench.root / name, other / name)
    shutil.copy2(bench.root / "tool", other / "tool")
    (other / "nsg_cluster/core.py").write_text("another")
    theirs = f"container.image={other / 'docker/Dockerfile'}"
    assert plan(bench, site, theirs).image.container.image == str(image)
    (other / "tool").write_text("another")
    with pytest.raises(ContainerError, match=r"no image was built from .*/other/docker/Dockerfile yet"):
        plan(bench, site, theirs)


def test_an_image_without_code_for_the_gpus_is_refused_before_anything_is_queued(bench: Bench, site: Path) -> None:
    built(bench, architectures="80")
    with pytest.raises(ContainerError, match=r"a-1\.sif has code for 80, but the GPUs are 7\.0: build it with --build"):
        plan(bench, site, "resources.resource_type=v100")
    with pytest.raises(ContainerError, match=r"the GPUs are 9\.0"):
        plan(bench, site, "resources.resource_type=h200")
    assert plan(bench, site, "resources.gpus=0", "resources.resource_type=cpu").image.notes == ()
    built(bench, architectures="70;80+PTX")
    assert plan(bench, site, "resources.resource_type=h200").image.notes == ()
    built(bench, architectures=None)
    (note,) = plan(bench, site, "resources.resource_type=h200").image.notes
    assert "does not say which GPUs it has code for; these are 9.0" in note


def test_an_image_file_that_is_missing_or_damaged_is_refused(bench: Bench, site: Path) -> None:
    image = built(bench)
    other = f"container.image={image}"
    assert plan(bench, site, other).image.container.image == str(image)
    image.write_bytes(SIF[:-1])
    with pytest.raises(ContainerError, match=r"a-1\.sif is damaged: it has 1041 bytes and was built with 1042"):
        plan(bench, site, other)
    image.write_bytes(b"\0" * len(SIF))
    with pytest.raises(ContainerError, match="does not begin as a SIF file does"):
        plan(bench, site, other)
    built(bench)
    with pytest.raises(ContainerError, match=r"a-2\.sif is not there\. Did you mean 'a-1\.sif'\?"):
        plan(bench, site, f"container.image={image.with_name('a-2.sif')}")
    # A root file system is an image as well.
    assert plan(bench, site, f"container.image={bench.root}").image.container.image == str(bench.root)


def test_the_tasks_of_a_run_have_one_image(bench: Bench, site: Path) -> None:
    built(bench)
    with pytest.raises(ConfigError, match="take the keys of container out of the sweep"):
        plan(bench, site, "sweep={grid: {container.gpu: [never, always]}}")
    assert len(plan(bench, site, "sweep={grid: {seed: [1, 2]}}").elements) == 2


def test_what_an_experiment_says_comes_before_what_its_site_says() -> None:
    site = ContainerConfig(image="/a.sif", binds=("/a",), build_args={"A": "1", "B": "1"}, gpu="never")
    mine = ContainerConfig(binds=("/a", "/b"), build_args={"B": "2"}, python="python3.12")
    both = combined(site, mine)
    assert both == ContainerConfig(
        image="/a.sif", binds=("/a", "/b"), build_args={"A": "1", "B": "2"}, gpu="never", python="python3.12"
    )
    assert combined(site, ContainerConfig(image="none")).image == "none"
    assert combined(site, ContainerConfig()) == site
