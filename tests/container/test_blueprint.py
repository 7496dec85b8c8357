"""What an image is built from: `nsg_cluster.container.blueprint`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nsg_cluster.container.blueprint import Blueprint, builder_of, changed, make_blueprint
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import ConfigError, ContainerError, MachineError

APPTAINER = Program(path="/usr/bin/apptainer", flavor="apptainer", version=(1, 4, 5))
CE = Program(path="/usr/bin/singularity", flavor="singularity-ce", version=(4, 1, 5))
DOCKERFILE = """\
ARG KIND=a
FROM debian:bookworm-slim AS build
ARG KIND
ARG VERSION=unknown
COPY src /src
RUN make KIND=$KIND VERSION=$VERSION
FROM debian:bookworm-slim
COPY --from=build /src/out /out
ARG VERSION=unknown
LABEL version=$VERSION
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with a Dockerfile and what it copies."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "docker/Dockerfile.cpu").write_text(DOCKERFILE)
    (tmp_path / "src/a.c").write_text("int a;")
    (tmp_path / "unrelated").write_text("x")
    (tmp_path / ".dockerignore").write_text("**/*.o\n")
    (tmp_path / "base.sif").write_text("#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0")
    return tmp_path


def blueprint(checkout: Path, **settings: object) -> Blueprint:
    """Return what is built from the Dockerfile."""
    path = checkout / "docker/Dockerfile.cpu"
    return make_blueprint(path, builder="definition", **settings)  # type: ignore[arg-type]


def test_only_what_the_image_follows_from_makes_it_another(checkout: Path) -> None:
    before = blueprint(checkout).inputs()
    (checkout / "unrelated").write_text("y")
    (checkout / "src/a.o").write_text("left out by .dockerignore")
    assert blueprint(checkout).inputs() == before
    (checkout / "src/a.c").write_text("int b;")
    assert changed(before, blueprint(checkout).inputs()) == ["file src/a.c"]
    (checkout / "src/a.c").write_text("int a;")
    (checkout / "src/a.c").chmod(0o755)
    assert changed(before, blueprint(checkout).inputs()) == ["file src/a.c"]
    (checkout / "src/a.c").chmod(0o644)
    (checkout / "src/new.c").write_text("")
    assert changed(before, blueprint(checkout).inputs()) == ["file src/new.c"]
    (checkout / "src/new.c").unlink()
    assert changed(before, blueprint(checkout, arguments={"KIND": "b"}).inputs()) == ["recipe"]
    base = {"debian:bookworm-slim": str(checkout / "base.sif")}
    assert changed(before, blueprint(checkout, bases=base).inputs()) == ["base debian:bookworm-slim", "recipe"]


def test_which_sources_it_is_built_from_is_written_into_the_image_and_is_no_reason_to_build_it_again(
    checkout: Path, tmp_path: Path
) -> None:
    this = blueprint(checkout)
    written = this.write(tmp_path, APPTAINER, {"VERSION": "1.2", "GIT_COMMIT": "undeclared, so it is left out"})
    text = Path(written.source).read_text()
    assert "nsg_label version 1.2" in text and "GIT_COMMIT" not in text
    assert this.inputs() == blueprint(checkout).inputs()


def test_what_is_bound_while_building_gets_a_place_in_every_stage_and_pip_sees_the_wheels_alone(
    checkout: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "a-1-py3-none-any.whl").touch()
    this = blueprint(checkout, wheels=wheels, binds=("/etc/hostname:/etc/pip.conf",))
    written = this.write(tmp_path, APPTAINER, {})
    text = Path(written.source).read_text()
    binds = [bind for option, bind in zip(written.options, written.options[1:], strict=False) if option == "--bind"]
    assert binds == ["/etc/hostname:/etc/pip.conf", f"{wheels}:/mnt/wheels:ro"]
    places = re.findall(r"(?m)^%setup\n((?: +(?:mkdir -p|\[ -e) .*\n)+)", text)
    assert len(places) == 2 and all("/mnt/wheels" in place and ': > "$' in place for place in places)
    exports = re.findall(r"(?m)^%post\n    export PIP_NO_INDEX=1 PIP_FIND_LINKS=/mnt/wheels$", text)
    assert len(exports) == 2


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("Dockerfile", "definition"),
        ("Dockerfile.cpu", "definition"),
        ("a.Dockerfile", "definition"),
        ("image.def", "file"),
        ("image.tar", "docker-archive"),
        ("image.tar.gz", "docker-archive"),
    ],
)
def test_the_name_of_a_file_tells_how_it_is_built(name: str, builder: str) -> None:
    assert builder_of(Path(name)) == builder


def test_mistakes_are_said_with_the_nearest_right_word(checkout: Path) -> None:
    with pytest.raises(ContainerError, match=r"Dockerfile\.cpv: no such file; .*Did you mean 'Dockerfile\.cpu'\?"):
        make_blueprint(checkout / "docker/Dockerfile.cpv", builder="definition")
    with pytest.raises(ContainerError, match=r"--base debian:bookworm-slim=/nowhere: there is no /nowhere"):
        blueprint(checkout, bases={"debian:bookworm-slim": "/nowhere"})
    with pytest.raises(ContainerError, match=r"begins from debian:bookworm-slim\. Did you mean 'debian:bookworm-slim'"):
        blueprint(checkout, bases={"debian:bookworm": str(checkout / "base.sif")}).inputs()
    with pytest.raises(ContainerError, match=r"holds no wheel; fill it with 'pip download"):
        blueprint(checkout, wheels=checkout)


def test_only_singularity_ce_builds_a_dockerfile_by_itself(checkout: Path, tmp_path: Path) -> None:
    (checkout / "Dockerfile").write_text(DOCKERFILE)
    this = make_blueprint(checkout / "Dockerfile", builder="oci", arguments={"KIND": "b"})
    with pytest.raises(MachineError, match=r"this machine has apptainer 1\.4\.5, and only SingularityCE or PRO 4\.1"):
        this.write(tmp_path, APPTAINER, {})
    argv = this.write(tmp_path, CE, {"VERSION": "1"}).argv(CE, Path("/t/a.sif"))
    assert argv == [
        *("/usr/bin/singularity", "build", "--oci", "--build-arg", "VERSION=1", "--build-arg", "KIND=b"),
        *("/t/a.sif", str(checkout / "Dockerfile")),
    ]
    with pytest.raises(ConfigError, match="builder oci: wheels cannot be given to it"):
        (checkout / "a.whl").touch()
        make_blueprint(checkout / "Dockerfile", builder="oci", wheels=checkout).write(tmp_path, CE, {})
