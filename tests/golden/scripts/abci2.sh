#!/bin/bash
#$ -N lego
#$ -S /bin/bash
#$ -j y
#$ -r y
#$ -l rt_G.small=1
#$ -l h_rt=1:00:00

# Run abcdef of lego (10 tasks)

set -u
NSG_JOB_ID=$JOB_ID NSG_TASK=0
if [ "${SGE_TASK_ID:-undefined}" != undefined ]; then
  NSG_TASK=$((SGE_TASK_ID - 1)) NSG_JOB_ID=${JOB_ID}_$((SGE_TASK_ID - 1))
fi
export NSG_JOB_ID NSG_TASK

exec >> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.out 2>> /groups/gaa/runs/lego/tasks/"$NSG_TASK"/log.err || exit
cd /groups/gaa/runs/lego || exit

set +u
source /etc/profile.d/modules.sh || exit
module load cuda/11.8 || exit
set -u

export NSG_SCRATCH="${SGE_LOCALDIR:?is not set in this job.}"

trap : HUP INT TERM USR1 USR2
/groups/gaa/venv/bin/python -m nsg_cluster.tasks 'it'"'"'s'
status=$?
exit $status
