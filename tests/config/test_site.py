"""Which site is meant, and where its storage is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsg_cluster.config import site as module
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.core.errors import ConfigError

KNOWN = "abci2, abci3, local, slurm, tsubame4"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which holds the site ``./far.yaml``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far.yaml").write_text("name: far\nstorage: /groups/${env:WHO}\nenvironment: {OMP_NUM_THREADS: '2'}\n")
    monkeypatch.setenv("WHO", "me")
    return tmp_path


def settings(text: str) -> Path:
    """Write the user's own settings."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "nsg_cluster" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_setting_it_is_this_machine_and_this_folder(folder: Path) -> None:
    assert load_site() == Site(name="local", storage=str(folder))


def test_the_shipped_profile_and_the_one_without_a_checkout_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = load_site("local")
    monkeypatch.setattr(module, "CHECKOUT_SITES", Path("/nonexistent"))
    assert load_site("local") == shipped


def test_the_argument_comes_before_the_environment_and_that_before_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = Path(os.environ["XDG_CONFIG_HOME"]) / "nsg_cluster" / "sites"
    settings("site: mine\n")
    sites.mkdir()
    (sites / "mine.yaml").write_text("name: mine\n")
    assert load_site().name == "mine"
    monkeypatch.setenv("NSG_SITE", "./far.yaml")
    assert load_site() == Site(name="far", storage="/groups/me", environment={"OMP_NUM_THREADS": "2"})
    assert load_site("local").name == "local"


def test_storage_comes_from_the_environment_then_the_settings_then_the_site(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_site("far.yaml").storage == "/groups/me"
    settings("storage: ~/runs\n")
    monkeypatch.setenv("HOME", "/home/me")
    assert load_site("far.yaml").storage == "/home/me/runs"
    monkeypatch.setenv("NSG_STORAGE", "here")
    assert load_site("far.yaml").storage == str(folder / "here")


def test_settings_are_found_at_home_when_no_other_place_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/places/are/ignored")
    (folder / ".config/nsg_cluster").mkdir(parents=True)
    (folder / ".config/nsg_cluster/config.yaml").write_text("site: ./far.yaml\n")
    assert load_site().name == "far"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("locl", f"no site 'locl'; known: {KNOWN}, or the path of a YAML file. Did you mean 'local'?"),
        ("a\nb; rm", f"no site 'a\\nb; rm'; known: {KNOWN}, or the path of a YAML file."),
        ("./fra.yaml", "fra.yaml: no such file. Did you mean 'far.yaml'?"),
        ("~nobody/x.yaml", "x.yaml: no such file."),
    ],
)
def test_a_site_that_is_not_there_is_answered_with_those_that_are(wanted: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_site(wanted)
    assert str(caught.value).endswith(said)
    assert len(str(caught.value).splitlines()) == 1


def test_a_site_that_is_found_by_its_file_is_called_as_the_file() -> None:
    sites = settings("site: local\n").parent / "sites"
    sites.mkdir()
    (sites / "ours.yaml").write_text("name: mine\n")
    with pytest.raises(ConfigError, match=r"ours\.yaml: name: 'mine' must be 'ours', as the file is called"):
        load_site("ours")


def test_all_mistakes_of_a_site_are_reported_at_once() -> None:
    Path("x.yaml").write_text(
        "name: a b\nscheduler: slrum\nstorage: ''\nstorrage: /x\nenvironment:\n  A-B: '1'\n  C: 2\n  D: ${storage}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_site("./x.yaml")
    assert str(caught.value).splitlines() == [
        "x.yaml:1: name: 'a b' is not allowed; name of the site: letters, digits, -, _ and single dots inside.",
        "x.yaml:2: scheduler: 'slrum' is not one of local, slurm, gridengine, pbs. Did you mean 'slurm'?",
        "x.yaml:3: storage: '' is not allowed; folder for runs and data; a relative one starts at the folder in which "
        "the command runs.",
        f"x.yaml:4: storrage: unknown key; allowed: {', '.join(Site.model_fields)}. Did you mean 'storage'?",
        "x.yaml:6: environment.A-B: 'A-B' is not allowed",
        "x.yaml:7: environment.C: must be text, not 2; put quotes around it",
        "x.yaml:8: environment.D: unknown variable 'storage'; allowed: group, user, env:NAME, $$ for a dollar sign.",
    ]


def test_a_mistake_in_the_settings_of_the_user_is_reported_there() -> None:
    path = settings("site: 3\nsites: x\n")
    with pytest.raises(ConfigError) as caught:
        load_site()
    assert str(caught.value).splitlines() == [
        f"{path}:1: site: must be text, not 3; put quotes around it",
        f"{path}:2: sites: unknown key; allowed: site, storage, group, secrets. Did you mean 'site'?",
    ]


def test_the_group_comes_from_the_environment_then_the_settings_then_the_site(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "paid.yaml").write_text("name: paid\ngroup: ours\nstorage: /groups/${group}\n")
    assert (load_site("./paid.yaml").group, load_site("./paid.yaml").storage) == ("ours", "/groups/ours")
    settings("group: mine\n")
    assert (load_site("./paid.yaml").group, load_site("./paid.yaml").storage) == ("mine", "/groups/mine")
    monkeypatch.setenv("NSG_GROUP", "other")
    assert (load_site("./paid.yaml").group, load_site("./paid.yaml").storage) == ("other", "/groups/other")
    monkeypatch.setenv("NSG_GROUP", "-x; rm")
    with pytest.raises(ConfigError, match="is not the name of a group"):
        load_site("./paid.yaml")


@pytest.mark.parametrize("name", ["abci2", "abci3"])
def test_a_site_that_takes_no_job_without_a_group_says_how_to_name_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="set NSG_GROUP, or write 'group: NAME' into "):
        load_site(name)
    monkeypatch.setenv("NSG_GROUP", "gaa50000")
    monkeypatch.setenv("LOGNAME", "me")
    assert load_site(name).storage == "/groups/gaa50000/me"


def test_storage_that_is_named_after_a_group_needs_one_or_another_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="named after a group: set NSG_GROUP, or NSG_STORAGE"):
        load_site("tsubame4")
    monkeypatch.setenv("NSG_STORAGE", "/scratch/me")
    assert load_site("tsubame4").storage == "/scratch/me"


def test_facts_of_a_cluster_are_checked() -> None:
    Path("x.yaml").write_text(
        "name: x\nscheduler: pbs\nqueue: 'a b'\nlimits: {walltime: 5, jobs: 1}\n"
        'resource_types:\n  a: {gpus: 1, cpus: 1, memory: 3x, rate: -1}\noptions: ["-p 1\\n#PBS -l x"]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_site("./x.yaml")
    places = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert places == [
        "queue",
        "limits.walltime",
        "limits.jobs",
        "resource_types.a.memory",
        "resource_types.a.rate",
        "options.0",
    ]


def test_rates_need_a_date() -> None:
    Path("x.yaml").write_text("name: x\nresource_types: {a: {cpus: 1, memory: 3G, rate: 1}}\n")
    with pytest.raises(ConfigError, match="for which day the rates"):
        load_site("./x.yaml")
