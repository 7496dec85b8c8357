"""The submitit plugins without a scheduler: registration, parameters, files."""

from __future__ import annotations

import operator
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import submitit
from submitit.core import core, plugins, utils
from submitit.core.job_environment import JobEnvironment

from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.executor.client import Client
from nsg_cluster.executor.gridengine import GridEngineExecutor
from nsg_cluster.executor.pbs import PbsExecutor
from nsg_cluster.executor.plugin import SchedulerExecutor, cancel
from nsg_cluster.executor.slurm import SlurmExecutor
from nsg_cluster.scheduler.types import JobId, Submission
from tests.clusters.interpreter import register
from tests.executor import functions

OURS = ("gridengine", "pbs")
EXECUTORS: list[type[SchedulerExecutor]] = [GridEngineExecutor, PbsExecutor, SlurmExecutor]


@pytest.fixture(autouse=True)
def _registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the plugins as an installation does."""
    caches = (plugins._get_plugins, plugins.get_executors, plugins.get_job_environments)
    monkeypatch.syspath_prepend(register(tmp_path / "installed"))
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Submission, Path]]:
    """Return what was handed to the submit command, which answers 7."""
    calls: list[tuple[Submission, Path]] = []

    def submit(_: Client, submission: Submission, script: Path) -> JobId:
        calls.append((submission, script))
        return JobId("7")

    monkeypatch.setattr(Client, "submit", submit)
    return calls


@pytest.fixture(params=EXECUTORS, ids=lambda kind: kind.name())
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> SchedulerExecutor:
    """Return each executor in turn."""
    made: SchedulerExecutor = request.param(tmp_path / "jobs")
    return made


def test_both_plugins_are_found_under_one_word_names() -> None:
    found = plugins.get_executors()
    assert set(OURS) <= set(found)
    for name in OURS:
        assert issubclass(found[name], core.Executor)
        assert found[name].affinity() >= -1
        assert "_" not in name


@pytest.mark.parametrize("name", OURS)
def test_the_environments_keep_submitits_conventions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = plugins.get_job_environments()[name]
    assert isinstance(environment, JobEnvironment)
    assert not environment.activated()
    assert type(environment)._requeue is not JobEnvironment._requeue
    monkeypatch.setenv("SUBMITIT_EXECUTOR", name)
    monkeypatch.setenv("NSG_JOB_ID", "15_2")
    found = JobEnvironment()
    assert (found.cluster, found.job_id, found.array_job_id, found.array_task_id) == (name, "15_2", "15", "2")
    monkeypatch.setenv("NSG_JOB_ID", "15")
    assert (found.job_id, found.array_task_id, found.num_tasks, found.global_rank) == ("15", None, 1, 0)


@pytest.mark.parametrize("name", OURS)
def test_shared_parameters_mean_the_same_through_the_automatic_executor(name: str, tmp_path: Path) -> None:
    executor = submitit.AutoExecutor(tmp_path, cluster=name, **{f"{name}_max_num_timeout": 9})
    shared = {"name": "my job", "timeout_min": 90, "nodes": 1, "tasks_per_node": 1}
    mine = {f"{name}_resource_type": "rt_HG", f"{name}_group": "gaa", f"{name}_array_parallelism": 3}
    executor.update_parameters(**shared, **mine)
    ours = executor._executor
    submission = ours.submission(5)
    assert (submission.name, submission.group, submission.max_parallel) == ("my-job", "gaa", 3)
    assert (submission.resources.walltime_s, submission.resources.resource_type) == (5400, "rt_HG")
    assert ours.max_num_timeout == 9
    with pytest.raises(NameError, match=f"{name}_resource_typ"):
        executor.update_parameters(**{f"{name}_resource_typ": "x"})


def test_amounts_are_handed_on(tmp_path: Path) -> None:
    executor = submitit.AutoExecutor(tmp_path, cluster="pbs")
    executor.update_parameters(mem_gb=3.5, cpus_per_task=4, gpus_per_node=2)
    assert "-l select=1:ncpus=4:ngpus=2:mem=3584mb" in executor._executor.dialect.directives(
        executor._executor.submission(None)
    )


def test_what_cannot_be_expressed_is_refused_and_changes_nothing(executor: SchedulerExecutor) -> None:
    executor.update_parameters(timeout_min=7)
    with pytest.raises(ConfigError, match="tasks_per_node"):
        executor.update_parameters(tasks_per_node=2)
    with pytest.raises(ValueError, match="signal_delay_s: seconds"):
        executor.update_parameters(blublu=1)
    if isinstance(executor, GridEngineExecutor):
        with pytest.raises(ConfigError, match="no gpu_resource"):
            executor.update_parameters(gpus_per_node=1)
    assert executor.parameters == {"timeout_min": 7}


def test_an_array_is_one_submission_and_every_element_finds_its_function(
    executor: SchedulerExecutor, submitted: list[tuple[Submission, Path]]
) -> None:
    jobs = executor.map_array(operator.add, range(3), range(3))
    assert [job.job_id for job in jobs] == ["7_0", "7_1", "7_2"]
    ((submission, _),) = submitted
    assert (submission.elements, submission.sink) == (3, f"{executor.folder}/scheduler")
    for index, job in enumerate(jobs):
        assert type(job) is executor.job_class
        assert job.submission().args == (index, index)
        assert job.paths.submission_file.read_text().startswith("#!/bin/bash\n")
    assert not list(executor.folder.glob(".pickles*"))
    assert [job.job_id for job in executor.map_array(operator.neg, [1])] == ["7"], "an array of one is a plain job"


def test_a_batch_is_one_submission(executor: SchedulerExecutor, submitted: list[tuple[Submission, Path]]) -> None:
    with executor.batch():
        jobs = [executor.submit(operator.neg, number) for number in range(4)]
    assert len(submitted) == 1
    assert [job.job_id for job in jobs] == ["7_0", "7_1", "7_2", "7_3"]


def test_a_thousand_functions_are_handed_over_in_a_moment(
    tmp_path: Path, submitted: list[tuple[Submission, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.chdir(tmp_path)
    executor = PbsExecutor(tmp_path / "jobs")
    began = time.process_time()
    jobs = executor.map_array(operator.neg, range(1000))
    assert len(jobs) == 1000
    assert len(submitted) == 1
    assert time.process_time() - began < 3


def test_pickles_that_are_too_large_are_refused(tmp_path: Path) -> None:
    executor = PbsExecutor(tmp_path, max_pickle_size_gb=1e-6)
    with pytest.raises(RuntimeError, match="max_pickle_size_gb"):
        executor.submit(functions.fail, "x" * 2000)


def test_the_folder_may_hold_the_number_of_the_job_but_no_other_part_of_it(tmp_path: Path) -> None:
    script = PbsExecutor(tmp_path / "a %j")._make_submission_file_text("true", "u")
    assert f"mkdir -p '{tmp_path}/a '\"$NSG_JOB_ID\" || exit" in script
    assert "\nexec >> " in script.split("mkdir -p")[1]
    with pytest.raises(ConfigError, match="only %j and %t"):
        PbsExecutor(tmp_path / "%A")._make_submission_file_text("true", "u")


def test_the_answer_of_the_submit_command_is_understood(executor: SchedulerExecutor) -> None:
    text = "12.pbs1" if isinstance(executor, PbsExecutor) else "12"
    assert executor._get_job_id_from_submission_command(f"{text}\n") == "12"
    assert executor._get_job_id_from_submission_command(text.encode()) == "12"
    with pytest.raises(utils.FailedSubmissionError, match="nothing was submitted"):
        executor._get_job_id_from_submission_command("blublu")


def test_cancelling_leaves_a_tombstone_even_where_the_scheduler_does_not_answer(
    executor: SchedulerExecutor, submitted: list[tuple[Submission, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[JobId]] = []

    def refuse(_: Client, jobs: list[JobId]) -> None:
        asked.append(jobs)
        raise MachineError("the server is down")

    monkeypatch.setattr(Client, "cancel", refuse)
    first, second = executor.map_array(operator.neg, [1, 2])
    first.cancel(check=False)
    with pytest.raises(MachineError, match="down"):
        cancel([first, second])
    assert asked == [[JobId("7", 0)], [JobId("7", 0), JobId("7", 1)]]
    assert (executor.folder / "7_1_cancelled").exists()


def test_a_pickled_job_is_watched_again(executor: SchedulerExecutor, submitted: list[tuple[Submission, Path]]) -> None:
    job = executor.submit(operator.neg, 1)
    again = pickle.loads(pickle.dumps(job))
    assert again.job_id == job.job_id
    assert job.job_id in again.watcher._registered


def test_two_schedulers_with_a_qsub_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SGE_ROOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def found() -> list[int]:
        return [kind.affinity() for kind in EXECUTORS]

    def install(*names: str) -> None:
        shutil.rmtree(tmp_path / "bin", ignore_errors=True)
        (tmp_path / "bin").mkdir()
        for name in names:
            (tmp_path / "bin" / name).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert found() == [-1, -1, -1]
    install("qsub", "qconf")
    assert found() == [2, -1, -1]
    install("qsub", "pbsnodes")
    assert found() == [-1, 2, -1]
    install("sbatch")
    assert found() == [-1, -1, 2]
    install("qsub")
    monkeypatch.setenv("SGE_ROOT", os.sep)
    assert found() == [2, -1, -1]
