#!/bin/bash
#SBATCH --job-name=build
#SBATCH --time=12:00:00
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --open-mode=append
#SBATCH --requeue

# Build a container image from a Dockerfile, on site slurm. In the folder that holds launch.py:
#
#   sbatch jobs/slurm/build.sh
#   sbatch --export=ALL,DOCKERFILE=VALUE jobs/slurm/build.sh
#
# DOCKERFILE  what to build; by default docker/Dockerfile
# SETTINGS    options of `launch.py image build`, such as --base NAME=FILE
# PYTHON      the Python that has nsg_cluster; by default .venv/bin/python
#
# What it says goes to logs/build.JOB.log.
# Made by `make jobs` from configs/sites/slurm.yaml; to change something, change a copy.

set -u
cd "${CHECKOUT:-$SLURM_SUBMIT_DIR}" && mkdir -p logs || exit
NSG_JOB_ID=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} NSG_TASK=${SLURM_ARRAY_TASK_ID:-0}
[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK
export NSG_JOB_ID NSG_TASK
exec >> logs/build."$NSG_JOB_ID".log 2>&1 || exit

SITE=slurm
DOCKERFILE=${DOCKERFILE:-docker/Dockerfile}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}

trap : HUP INT TERM USR1 USR2
read -r -a settings <<< "$SETTINGS"
# On the node's own disk; the image is copied to storage when it is whole.
settings+=(--scratch "${NSG_SCRATCH:-${TMPDIR:-/tmp}}")
"$PYTHON" launch.py image build "$DOCKERFILE" "${settings[@]}" --site "$SITE"
