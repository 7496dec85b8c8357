#!/bin/bash
#PBS -N train
#PBS -j oe
#PBS -r y
#PBS -q rt_HG
#PBS -l select=1
#PBS -l walltime=12:00:00

# Train, evaluate and render an experiment, or go on with a run, on site abci3. In the folder that holds launch.py:
#
#   qsub -P GROUP jobs/abci3/train.sh
#   qsub -P GROUP -v EXPERIMENT=VALUE jobs/abci3/train.sh
#
# EXPERIMENT  a file, or a run such as @last; by default configs/quickstart.yaml
# SETTINGS    KEY=VALUE ..., between blanks
# PYTHON      the Python that has nsg_cluster; by default .venv/bin/python
# IMAGE       a container image (.sif) whose python3 is taken instead
# BINDS       folders that the container sees besides, between commas
#
# Your own config.yaml, or -v NSG_GROUP=GROUP, says whose storage is used.
# What it says goes to logs/train.JOB.log.
# Made by `make jobs` from configs/sites/abci3.yaml; to change something, change a copy.

set -u
cd "${CHECKOUT:-$PBS_O_WORKDIR}" && mkdir -p logs || exit
NSG_JOB_ID=${PBS_JOBID%%[.[]*} NSG_TASK=${PBS_ARRAY_INDEX:-0}
[ -z "${PBS_ARRAY_INDEX:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK
if [ -n "${NSG_CONTINUES:-}" ]; then
  NSG_JOB_ID=$NSG_CONTINUES NSG_TASK=0
  [ "${NSG_JOB_ID%_*}" = "$NSG_JOB_ID" ] || NSG_TASK=${NSG_JOB_ID#*_}
fi
export NSG_JOB_ID NSG_TASK
exec >> logs/train."$NSG_JOB_ID".log 2>&1 || exit

SITE=abci3
EXPERIMENT=${EXPERIMENT:-configs/quickstart.yaml}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}
IMAGE=${IMAGE:-}
BINDS=${BINDS:-}

export NSG_SCRATCH="${PBS_LOCALDIR:?is not set in this job.}"
export SINGULARITY_TMPDIR="${PBS_LOCALDIR:?is not set in this job.}"

launch() {
  if [ -n "$IMAGE" ]; then
    program=$(command -v singularity || command -v apptainer) || { echo "no singularity on PATH"; return 127; }
    binds=$PWD${NSG_SCRATCH:+,$NSG_SCRATCH}${BINDS:+,$BINDS}
    set -- "$program" exec --nv --bind "$binds" "$IMAGE" python3 launch.py "$@"
  else
    command -v "$PYTHON" > /dev/null || { echo "no Python at $PYTHON: make install, or set PYTHON"; return 127; }
    set -- "$PYTHON" launch.py "$@"
  fi
  "$@"
}

trap : HUP INT TERM USR1 USR2
read -r -a settings <<< "$SETTINGS"
# It stops after a checkpoint before the scheduler ends it. A run that goes on has its settings already.
[ ! -f "$EXPERIMENT" ] || settings=(resources.walltime=11h55m ${settings[@]+"${settings[@]}"})
launch train "$EXPERIMENT" ${settings[@]+"${settings[@]}"} --site "$SITE"
