"""``data import-config``: an experiment from a configuration file of the original Neural Scene Graphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsg_cluster.cli import options
from nsg_cluster.cli.submit import check_file

if TYPE_CHECKING:
    from nsg_cluster.config.nsg_options import Converted

__all__ = ["import_config"]


@click.command("import-config")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", metavar="FILE.yaml", type=click.Path(path_type=Path), help="Where to write; printed by default.")
@click.option("--root", metavar="FOLDER", help="Folder of the data set. Default: below the site's storage.")
@options.as_json
def import_config(*, file: Path, out: Path | None, root: str | None, as_json: bool) -> int:
    r"""Convert a configuration file of the original Neural Scene Graphs into an experiment.

    \b
      python launch.py data import-config config_kitti_0006_example_train.txt
      python launch.py data import-config config_kitti_0006_example_render.txt --out my_0006.yaml
      python launch.py data import-config old.txt --root '${storage}/kitti' --json

    Options that had no effect are named, and those that something else takes the place of; both stand as comments in
    the file. The args.txt of an old run can be converted as well.

    Exit status: 0 done, 2 a mistake in the file, or the file to write exists already.
    """
    from nsg_cluster.config.nsg_options import convert, read_options
    from nsg_cluster.core.errors import ConfigError
    from nsg_cluster.core.files import write_atomic

    check_file(file)
    if out is not None and out.exists():
        raise ConfigError(f"{out}: exists already; choose another name")
    converted = convert(read_options(file), root=root)
    text = _experiment(file, converted)
    if out is not None:
        write_atomic(out, text)
    if as_json:
        options.print_json({"experiment": converted.nested(), "notes": converted.notes})
    elif out is None:
        click.echo(text, nl=False)
    else:
        click.echo("\n".join([*converted.notes, str(out)]))
    return 0


def _experiment(file: Path, converted: Converted) -> str:
    """Return the text of an experiment, checked.

    Raises:
        ConfigError: A value is out of what the schema allows.
    """
    from nsg_cluster.config.parse import parse_experiment
    from nsg_cluster.core.documents import Place, YamlDocument, dump_yaml

    document = converted.nested()
    parse_experiment(YamlDocument(document, {(): Place(str(file))}))
    head = [f"Converted from {file.name} of Neural Scene Graphs.", "", *converted.notes]
    return "".join(f"# {line}".rstrip() + "\n" for line in head) + dump_yaml(document)
