#!/bin/bash
#PBS -N build
#PBS -j oe
#PBS -r y
#PBS -q rt_HC
#PBS -l select=1
#PBS -l walltime=12:00:00

# Build a container image from a Dockerfile, on site abci3. In the folder that holds launch.py:
#
#   qsub -P GROUP jobs/abci3/build.sh
#   qsub -P GROUP -v DOCKERFILE=VALUE jobs/abci3/build.sh
#
# DOCKERFILE  what to build; by default docker/Dockerfile
# SETTINGS    options of `launch.py image build`, such as --base NAME=FILE
# PYTHON      the Python that has nsg_cluster; by default .venv/bin/python
#
# Your own config.yaml, or -v NSG_GROUP=GROUP, says whose storage is used.
# What it says goes to logs/build.JOB.log.
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
exec >> logs/build."$NSG_JOB_ID".log 2>&1 || exit

SITE=abci3
DOCKERFILE=${DOCKERFILE:-docker/Dockerfile}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}

export NSG_SCRATCH="${PBS_LOCALDIR:?is not set in this job.}"
export SINGULARITY_TMPDIR="${PBS_LOCALDIR:?is not set in this job.}"

trap : HUP INT TERM USR1 USR2
read -r -a settings <<< "$SETTINGS"
# On the node's own disk; the image is copied to storage when it is whole.
settings+=(--scratch "${NSG_SCRATCH:-${TMPDIR:-/tmp}}")
"$PYTHON" launch.py image build "$DOCKERFILE" "${settings[@]}" --site "$SITE"
