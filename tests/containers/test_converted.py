"""What Buildah does otherwise than Docker, or cannot do, and so cannot be compared: built and looked at."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsg_cluster.container.definition import convert
from tests.containers.bases import Base
from tests.containers.engines import Engines

HIDDEN = ("--cleanenv", "--no-mount", "home,tmp,cwd", "--pwd", "/")


class Builder:
    def __init__(self, engines: Engines, tiny: Base) -> None:
        self.engines, self.bases = engines, {"tiny": tiny.sif}
        self.folder = engines.work()

    def build(self, text: str, name: str = "image.sif") -> Path:
        """Convert and build a Dockerfile and return the image, which later Dockerfiles can name as a base."""
        account = self.engines.account
        dockerfile = account.write(self.folder / "Dockerfile", text)
        converted = convert(dockerfile, context=self.folder, bases=self.bases)
        image = self.folder / name
        definition = account.write(self.folder / "image.def", converted.text)
        self.engines.build(image, definition, cwd=self.folder)
        self.bases[image.stem] = image
        return image

    def run(self, image: Path, *words: str) -> str:
        return self.engines.check("apptainer", "-s", "run", *HIDDEN, image, *words)

    def read(self, image: Path, *paths: str) -> str:
        return self.engines.check("apptainer", "-s", "exec", *HIDDEN, image, "cat", *paths)


@pytest.fixture
def builder(engines: Engines, tiny: Base) -> Iterator[Builder]:
    made = Builder(engines, tiny)
    yield made
    engines.check("rm", "-rf", made.folder)


def test_heredocs_have_interpreters_and_escapes_as_in_docker(builder: Builder) -> None:
    image = builder.build(
        'FROM tiny\nENV A=1\nRUN <<EOF\n#!/bin/ash -e\necho "$0 $A" > /ran\nEOF\n'
        'COPY <<EOF /escaped\n\\$A $A \\\\ "$A"\nEOF\n'
    )
    assert builder.read(image, "/ran", "/escaped") == '/.nsg/script 1\n$A 1 \\ "1"\n'


def test_variables_have_the_modifiers_of_docker(builder: Builder) -> None:
    image = builder.build(
        "FROM tiny\nENV E= P=/a/b:/c\nENV A=${E-x}${N-y} B=${P##*/} C=${P%%:*} D=${P//\\//-}\n"
        'RUN echo "$A $B $C $D" > /out\n'
    )
    assert builder.read(image, "/out") == "y c /a/b -a-b:-c\n"


def test_the_shell_of_the_dockerfile_starts_a_command_that_is_a_line(builder: Builder) -> None:
    image = builder.build('FROM tiny\nSHELL ["/bin/ash", "-e", "-c"]\nCMD echo "$-"; false; echo not reached\n')
    done = builder.engines.run("apptainer", "-s", "run", *HIDDEN, image)
    assert (done.returncode, "e" in done.stdout, "not reached" in done.stdout) == (1, True, False)


def test_an_image_built_on_an_image_keeps_its_entry_point_its_variables_and_takes_new_labels(builder: Builder) -> None:
    builder.build(
        'FROM tiny\nENV A=base B=base\nLABEL one=base two=base\nENTRYPOINT ["echo", "entry  point"]\nCMD ["base"]\n',
        "first.sif",
    )
    builder.build('FROM first\nENV B=$A-child\nLABEL two=child\nCMD ["child  words"]\n', "second.sif")
    image = builder.build("FROM second\nRUN echo $A $B > /seen\n", "third.sif")
    assert builder.read(image, "/seen") == "base base-child\n"
    assert builder.run(image) == "entry  point child  words\n"
    assert builder.run(image, "$A", "it's") == "entry  point $A it's\n"
    inspected = builder.engines.check("apptainer", "-s", "inspect", "--json", "--labels", image)
    labels = json.loads(inspected)["data"]["attributes"]["labels"]
    assert (labels["one"], labels["two"]) == ("base", "child")


def test_what_is_written_to_tmp_while_building_stays_in_the_image(builder: Builder) -> None:
    name = f"nsg-{builder.folder.name}"
    image = builder.build(f"FROM tiny\nRUN echo kept > /tmp/{name} && echo kept > /var/tmp/{name}\n")
    assert builder.read(image, f"/tmp/{name}", f"/var/tmp/{name}") == "kept\nkept\n"
    assert not (Path("/tmp") / name).exists()


def test_a_run_that_fails_is_named_by_its_line(builder: Builder) -> None:
    with pytest.raises(RuntimeError, match="Dockerfile:4: failed with exit status 3"):
        builder.build("FROM tiny\nRUN true\n\nRUN exit 3\nRUN echo not reached\n")


def test_a_user_that_the_build_cannot_become_is_refused_with_the_reason(builder: Builder) -> None:
    with pytest.raises(RuntimeError, match="cannot become user app with group 65534 in this build: the image needs"):
        builder.build("FROM tiny\nUSER app:nogroup\nRUN id\n")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve one file on this machine."""
    (tmp_path / "data.txt").write_text("served\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/data.txt"
    server.shutdown()
    thread.join()
    server.server_close()


def test_add_fetches_an_address_and_checks_what_came(builder: Builder, address: str) -> None:
    good = hashlib.sha256(b"served\n").hexdigest()
    image = builder.build(f"FROM tiny\nADD --checksum=sha256:{good} --chmod=644 {address} /got/\n")
    assert builder.read(image, "/got/data.txt") == "served\n"
    with pytest.raises(RuntimeError, match="setup"):
        builder.build(f"FROM tiny\nADD --checksum=sha256:{'0' * 64} {address} /got/\n")
