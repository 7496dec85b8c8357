#!/bin/bash
#$ -N build
#$ -S /bin/bash
#$ -j y
#$ -r y
#$ -l cpu_40=1
#$ -l h_rt=12:00:00

# Build a container image from a Dockerfile, on site tsubame4. In the folder that holds launch.py:
#
#   qsub -g GROUP jobs/tsubame4/build.sh
#   qsub -g GROUP -v DOCKERFILE=VALUE jobs/tsubame4/build.sh
#
# DOCKERFILE  what to build; by default docker/Dockerfile
# SETTINGS    options of `launch.py image build`, such as --base NAME=FILE
# PYTHON      the Python that has nsg_cluster; by default .venv/bin/python
#
# What it says goes to logs/build.JOB.log.
# Made by `make jobs` from configs/sites/tsubame4.yaml; to change something, change a copy.

set -u
cd "${CHECKOUT:-$SGE_O_WORKDIR}" && mkdir -p logs || exit
NSG_JOB_ID=$JOB_ID NSG_TASK=0
if [ "${SGE_TASK_ID:-undefined}" != undefined ]; then
  NSG_TASK=$((SGE_TASK_ID - 1)) NSG_JOB_ID=${JOB_ID}_$((SGE_TASK_ID - 1))
fi
export NSG_JOB_ID NSG_TASK
exec >> logs/build."$NSG_JOB_ID".log 2>&1 || exit

SITE=tsubame4
DOCKERFILE=${DOCKERFILE:-docker/Dockerfile}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}

export NSG_SCRATCH="${TMPDIR:?is not set in this job.}"
export APPTAINER_TMPDIR="${TMPDIR:?is not set in this job.}"

trap : HUP INT TERM USR1 USR2
read -r -a settings <<< "$SETTINGS"
# On the node's own disk; the image is copied to storage when it is whole.
settings+=(--scratch "${NSG_SCRATCH:-${TMPDIR:-/tmp}}")
"$PYTHON" launch.py image build "$DOCKERFILE" "${settings[@]}" --site "$SITE"
