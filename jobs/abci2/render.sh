#!/bin/bash
#$ -N render
#$ -S /bin/bash
#$ -j y
#$ -r y
#$ -l rt_G.small=1
#$ -l h_rt=12:00:00

# Render a camera path from the newest checkpoint of a run, on site abci2. In the folder that holds launch.py:
#
#   qsub -g GROUP jobs/abci2/render.sh
#   qsub -g GROUP -v RUN=VALUE jobs/abci2/render.sh
#
# RUN       its id, a prefix of it, or its folder; by default @last
# SETTINGS  KEY=VALUE ..., between blanks
# PYTHON    the Python that has nsg_cluster; by default .venv/bin/python
# IMAGE     a container image (.sif) whose python3 is taken instead
# BINDS     folders that the container sees besides, between commas
#
# Your own config.yaml, or -v NSG_GROUP=GROUP, says whose storage is used.
# What it says goes to logs/render.JOB.log.
# Made by `make jobs` from configs/sites/abci2.yaml; to change something, change a copy.

set -u
cd "${CHECKOUT:-$SGE_O_WORKDIR}" && mkdir -p logs || exit
NSG_JOB_ID=$JOB_ID NSG_TASK=0
if [ "${SGE_TASK_ID:-undefined}" != undefined ]; then
  NSG_TASK=$((SGE_TASK_ID - 1)) NSG_JOB_ID=${JOB_ID}_$((SGE_TASK_ID - 1))
fi
export NSG_JOB_ID NSG_TASK
exec >> logs/render."$NSG_JOB_ID".log 2>&1 || exit

SITE=abci2
RUN=${RUN:-@last}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-.venv/bin/python}
IMAGE=${IMAGE:-}
BINDS=${BINDS:-}

set +u
source /etc/profile.d/modules.sh || exit
module load singularitypro || exit
set -u

export NSG_SCRATCH="${SGE_LOCALDIR:?is not set in this job.}"
export SINGULARITY_TMPDIR="${SGE_LOCALDIR:?is not set in this job.}"

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
launch render "$RUN" ${settings[@]+"${settings[@]}"} --site "$SITE"
