#!/bin/bash
#SBATCH --job-name=lego
#SBATCH --time=24:00:00
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --mem=16384M
#SBATCH --open-mode=append
#SBATCH --requeue

# Run abcdef of lego (10 tasks)

set -u
NSG_JOB_ID=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} NSG_TASK=${SLURM_ARRAY_TASK_ID:-0}
[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK
export NSG_JOB_ID NSG_TASK

exec >> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.out 2>> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.err || exit
cd /groups/gaa/runs/lego || exit

export OMP_NUM_THREADS=8

ulimit -c 0

trap : HUP INT TERM USR1 USR2
/groups/gaa/venv/bin/python -m nsg_cluster.tasks 'it'"'"'s'
status=$?
date
exit $status
