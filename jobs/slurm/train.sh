#!/bin/bash
#SBATCH --job-name=train
#SBATCH --time=12:00:00
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-node=1
#SBATCH --open-mode=append
#SBATCH --requeue

# Train, evaluate and render an experiment, or go on with a run, on site slurm. In the folder that holds launch.py:
#
#   sbatch jobs/slurm/train.sh
#   sbatch --export=ALL,EXPERIMENT=VALUE jobs/slurm/train.sh
#
# EXPERIMENT  a file, or a run such as @last; by default configs/quickstart.yaml
# SETTINGS    KEY=VALUE ..., between blanks
# PYTHON      the Python that has nsg_cluster; by default .venv/bin/python
# IMAGE       a container image (.sif) whose python3 is taken instead
# BINDS       folders that the container sees besides, between commas
#
# What it says goes to logs/train.JOB.log.
# Made by `make jobs` from configs/sites/slurm.yaml; to change something, change a copy.

set -u
cd "${CHECKOUT:-$SLURM_SUBMIT_DIR}" && mkdir -p logs || exit
NSG_JOB_ID=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} NSG_TASK=${SLURM_ARRAY_TASK_ID:-0}
[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK
export NSG_JOB_ID NSG_TASK
exec >> logs/train."$NSG_JOB_ID".log 2>&1 || exit

SITE=slurm
EXPERIMENT=${EXPERIMENT:-configs/quickstart.yaml}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}
IMAGE=${IMAGE:-}
BINDS=${BINDS:-}

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
