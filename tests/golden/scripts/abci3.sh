#!/bin/bash
#PBS -N lego
#PBS -j oe
#PBS -r y
#PBS -q rt_HG
#PBS -l select=1
#PBS -l walltime=1:30:00

# Run abcdef of lego (10 tasks)

set -u
NSG_JOB_ID=${PBS_JOBID%%[.[]*} NSG_TASK=${PBS_ARRAY_INDEX:-0}
[ -z "${PBS_ARRAY_INDEX:-}" ] || NSG_JOB_ID=${NSG_JOB_ID}_$NSG_TASK
if [ -n "${NSG_CONTINUES:-}" ]; then
  NSG_JOB_ID=$NSG_CONTINUES NSG_TASK=0
  [ "${NSG_JOB_ID%_*}" = "$NSG_JOB_ID" ] || NSG_TASK=${NSG_JOB_ID#*_}
fi
export NSG_JOB_ID NSG_TASK

exec >> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.out 2>> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.err || exit
cd /groups/gaa/runs/lego || exit

set +u
source /etc/profile.d/modules.sh || exit
module load cuda/12.6/12.6.1 hpcx/2.20 || exit
set -u

export NSG_SCRATCH="${PBS_LOCALDIR:?is not set in this job.}"
export A="${B:?is not set in this job.}"

trap : HUP INT TERM USR1 USR2
/groups/gaa/venv/bin/python -m nsg_cluster.tasks 'it'"'"'s'
status=$?
exit $status
