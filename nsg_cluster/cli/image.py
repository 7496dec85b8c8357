"""``image build``, ``image check``, ``image convert`` and ``image show``: the containers that tasks run in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsg_cluster.cli import options

if TYPE_CHECKING:
    from nsg_cluster.container.manifest import Manifest

__all__ = ["image"]

DEFAULT = Path("docker/Dockerfile")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def image() -> None:
    r"""Build, check and list the images that tasks run in.

    \b
      python launch.py image build docker/Dockerfile.cpu  # a Dockerfile becomes an image
      python launch.py image convert docker/Dockerfile    # the definition that it is built by
      python launch.py image check docker/Dockerfile.cpu  # does it train? which GPUs has it code for?
      python launch.py image show                         # what there is
      python launch.py configs/quickstart.yaml container.image=docker/Dockerfile.cpu

    Images lie in <storage>/images, each under the digest of its content, with a manifest beside it. Apptainer or
    SingularityCE builds and runs them; no Docker is needed.

    Exit status: see the help of each: python launch.py image build --help
    """


@image.command()
@click.argument("recipe", metavar="[FILE]", type=click.Path(path_type=Path), default=DEFAULT)
@options.site
@click.option(
    "--base",
    "bases",
    metavar="NAME=PATH",
    multiple=True,
    help="Image on disk in place of FROM's.",
)
@click.option("--build-arg", "arguments", metavar="NAME=VALUE", multiple=True, help="Value of an ARG.")
@click.option("--wheels", type=click.Path(path_type=Path), help="Folder of wheels from which alone pip installs.")
@click.option(
    "--builder",
    type=click.Choice(["definition", "docker-archive", "oci", "file"]),
    help="definition converts a Dockerfile, docker-archive takes what docker save wrote, oci lets SingularityCE build "
    "one, file takes a definition. Default: by the file's name.",
)
@click.option(
    "--build-option",
    "build_options",
    metavar="WORD",
    multiple=True,
    help="Further option of 'singularity build', such as --build-option='--mksquashfs-args=-comp zstd'.",
)
@click.option(
    "--context", type=click.Path(path_type=Path), help="Folder that COPY reads. Default: the one above docker/."
)
@click.option("--name", help="What the image's file name begins with. Default: made of folder and file.")
@click.option("--scratch", metavar="FOLDER", help="Folder on this machine's own disk. Default: $TMPDIR or /tmp.")
@click.option("--force", is_flag=True, help="Build even if nothing has changed.")
@click.option("--as-job", is_flag=True, help="Submit the build to the site.")
@options.as_json
def build(*, recipe: Path, site: str | None, as_job: bool, force: bool, as_json: bool, **settings: Any) -> int:
    r"""Build an image from a Dockerfile, an archive or a definition.

    \b
      python launch.py image build  # docker/Dockerfile
      python launch.py image build docker/Dockerfile --site abci3 --as-job
      python launch.py image build docker/Dockerfile.cpu --base debian:bookworm-slim=base.sif --wheels wheels

    What a Dockerfile says and an image cannot express is reported line by line. The build happens on this machine's own
    disk; the image is copied to <storage>/images when it is whole. If nothing has changed since, nothing is built.

    Exit status: 0 built or there already, 2 it cannot be built.
    """
    from nsg_cluster.runs.image_build import Wish, build_image, submit_build

    wish = Wish.make(recipe, site, **settings)
    if as_job:
        job = submit_build(wish)
        if as_json:
            options.print_json({"job": job.job_id, "log": job.log})
        else:
            click.echo(f"job {job.job_id} builds it\nlog  {job.log}")
        return 0
    result = build_image(wish, force=force, say=lambda line: click.echo(line, err=True))
    if as_json:
        options.print_json({"built": result.is_new, "image": str(result.image), **_document(result.manifest)})
        return 0
    for loss in result.manifest.losses:
        click.echo(loss)
    click.echo(f"{'built' if result.is_new else 'up to date:'} {result.image}")
    return 0


@image.command()
@click.argument("recipe", metavar="[FILE]", type=click.Path(path_type=Path), default=DEFAULT)
@options.site
@click.option("--base", "bases", metavar="NAME=PATH", multiple=True, help="Image on disk in place of FROM's.")
@click.option("--build-arg", "arguments", metavar="NAME=VALUE", multiple=True, help="Value of an ARG.")
@click.option(
    "--context", type=click.Path(path_type=Path), help="Folder that COPY reads. Default: the one above docker/."
)
@options.as_json
def convert(*, recipe: Path, site: str | None, as_json: bool, **settings: Any) -> int:
    r"""Print a Dockerfile as a Singularity definition, and what is lost; build nothing.

    \b
      python launch.py image convert docker/Dockerfile > nsg_cluster.def
      python launch.py image convert docker/Dockerfile --json

    The definition goes to standard output, the report of what an image says in another way, or cannot say, to standard
    error, a line each: file, line, kind (lost, changed, note), instruction, sentence. Build the definition in the
    folder that COPY reads: singularity build --fakeroot IMAGE.sif nsg_cluster.def

    Exit status: 0 converted, 2 the Dockerfile has mistakes or asks for what no image can give.
    """
    from nsg_cluster.container.loss import loss_json, loss_text
    from nsg_cluster.runs.image_build import Wish

    blueprint = Wish.make(recipe, site, builder="definition", **settings).blueprint
    found = blueprint.converted({})
    if as_json:
        options.print_json(
            {**loss_json(found.losses, blueprint.path), "images": found.images, "definition": found.text}
        )
        return 0
    click.echo(loss_text(found.losses, recipe), err=True, nl=False)
    click.echo(found.text, nl=False)
    return 0


@image.command()
@click.argument("name", metavar="IMAGE")
@options.site
@click.option("--resource-type", metavar="NAME", help="Piece of a node of the site, such as rt_HG, whose GPUs count.")
@click.option(
    "--for",
    "experiment",
    metavar="FILE.yaml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Experiment that it is to be good for: one that renders 3D models needs Blender.",
)
@options.as_json
def check(*, name: str, site: str | None, resource_type: str | None, experiment: Path | None, as_json: bool) -> int:
    r"""Run an image: are the packages there, the kernels, the GPU code, do a tiny training and Blender work?

    \b
      python launch.py image check docker/Dockerfile.cpu
      python launch.py image check images/nsg_cluster-cpu-0123456789ab.sif --json
      python launch.py image check docker/Dockerfile --site abci3 --resource-type rt_HG
      python launch.py image check docker/Dockerfile.render --for configs/shapenet_obj.yaml

    IMAGE is a Dockerfile from which 'image build' has made one, a .sif file, or the folder of a root file system. It
    needs no GPU. An image without Blender is well, unless it is to be good --for an experiment that renders 3D models.

    Exit status: 0 all is well, 1 something is wrong, 2 there is no such image or it does not start.
    """
    from nsg_cluster.runs.image_check import examine_image

    findings = examine_image(name, site, resource_type, experiment)
    if as_json:
        options.print_json({"ok": all(item.ok for item in findings), "checks": [item.to_json() for item in findings]})
    else:
        options.print_findings(findings)
    return 0 if all(item.ok for item in findings) else 1


@image.command()
@click.argument("name", metavar="[IMAGE]", required=False)
@options.home_site
@options.as_json
def show(*, name: str | None, site: str | None, as_json: bool) -> int:
    r"""List the images in storage, or tell what is known about one.

    \b
      python launch.py image show
      python launch.py image show docker/Dockerfile.cpu
      python launch.py image show --json

    Exit status: 0 shown, 2 there is no such image.
    """
    from nsg_cluster.container.manifest import manifests
    from nsg_cluster.runs.image import known_image

    storage = options.storage_of(site)
    found = [known_image(name, site)] if name else manifests(storage.images)
    if as_json:
        options.print_json({"images": [{"image": str(path), **_document(manifest)} for path, manifest in found]})
        return 0
    if not found:
        click.echo(f"no image in {storage.images} yet; build one with: python launch.py image build", err=True)
    for path, manifest in found:
        click.echo("\n".join(_lines(path, manifest) if name else [_row(path, manifest)]))
    return 0


def _document(manifest: Manifest) -> dict[str, Any]:
    from dataclasses import asdict

    return {key: value for key, value in asdict(manifest).items() if key not in {"schema", "image"}}


def _row(path: Path, manifest: Manifest) -> str:
    import time

    from nsg_cluster.core.units import format_bytes

    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(manifest.created))
    return f"{when}  {format_bytes(manifest.size):>10}  {path}"


def _lines(path: Path, manifest: Manifest) -> list[str]:
    """Return what is known about one image, a line each."""
    facts = {
        "image": str(path),
        "sha256": manifest.digest,
        "from": manifest.recipe,
        "by": f"{manifest.program} on {manifest.host}, builder {manifest.builder}",
        **{f"label {key}": value for key, value in sorted(manifest.labels.items())},
    }
    width = max(map(len, facts))
    return [*(f"{key:<{width}}  {value}" for key, value in facts.items()), *manifest.losses]
