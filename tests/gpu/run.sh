#!/usr/bin/env bash
# Build, check and time the CUDA kernels on a machine with a GPU: one call, under ten minutes, without a network.
#
#   tests/gpu/run.sh [WHEELS] [--out FOLDER] [--data FOLDER] [--only STEP[,STEP...]] [KEY=VALUE ...]
#
#   WHEELS     folder of Python packages that the machine lacks (default .whl in the checkout, where there is one)
#   --out      where logs and figures go (default $OUT, else build/gpu)
#   --data     the lego scene, a folder with transforms_train.json; nothing is trained without it
#   --only     some of build, tests, floors, lego (default: all)
#   KEY=VALUE  settings of the training, on top of those in tests/gpu/lego.py
#
# The machine needs nvcc (11.8 or newer), cmake (3.18 or newer), a C++ compiler, and a python3 (3.10 or newer, with its
# headers) that has torch built for CUDA, numpy, PyYAML, pillow, psutil and jaxtyping. What usually remains to be
# carried is 6 MB; docker/constraints.txt says which pydantic-core goes with which pydantic:
#
#   python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
#     --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
#     -c docker/constraints.txt -d .whl \
#     nanobind pytest pluggy iniconfig packaging pygments beartype pydantic pydantic-core annotated-types \
#     typing-inspection
#
# Later steps run even if an earlier one failed; the exit status is that of the first failure.
set -uo pipefail

mistake() {
  echo "run.sh: $1 (--help tells more)" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
wheels="$root/.whl"
out="${OUT:-$root/build/gpu}"
data=""
only="build,tests,floors,lego"
settings=()
while (($#)); do
  case "$1" in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --out | --data | --only)
      (($# >= 2)) || mistake "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    -*) mistake "there is no option $1" ;;
    *=*) settings+=("$1") ;;
    *)
      [ -d "$1" ] || mistake "there is no folder of wheels at $1"
      wheels=$1
      ;;
  esac
  shift
done
for step in ${only//,/ }; do
  [[ $step =~ ^(build|tests|floors|lego)$ ]] || mistake "--only: '$step' is none of build, tests, floors, lego"
done
[ -z "$data" ] || [ -f "$data/transforms_train.json" ] || mistake "--data: there is no $data/transforms_train.json"
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
[ -z "$data" ] || data=$(cd "$data" && pwd)
[ ! -d "$wheels" ] || wheels=$(cd "$wheels" && pwd)
cd "$root" || exit 2

work="${TMPDIR:-/tmp}/nsg_gpu"
mkdir -p "$work"
export PYTHONUNBUFFERED=1 PYTHONPATH="$work/site:$work/build:$root"
total_s=585
status=0
summary=()
rm -f "$out"/{wheels,configure,compile,kernels,tests,floors,lego}.log

# Runs a command within a time if its step is wanted, keeps its log, and remembers how it ended.
run() {
  local step=$1 name=$2 limit_s=$3 left_s=$((total_s - SECONDS))
  shift 3
  [[ ",$only," == *",$step,"* ]] || return 0
  echo "== $name"
  ((limit_s <= left_s)) || limit_s=$((left_s > 1 ? left_s : 1))
  local begin=$SECONDS ended words=ok
  timeout --kill-after=10 "$limit_s" "$@" 2>&1 | tee "$out/$name.log"
  ended=${PIPESTATUS[0]}
  ((ended == 0)) || words="FAILED, status $ended"
  ((ended != 124)) || words="STOPPED after $limit_s s"
  summary+=("$(printf '%-10s %4d s   %s' "$name" $((SECONDS - begin)) "$words")")
  ((status != 0)) || status=$ended
  return "$ended"
}

if compgen -G "$wheels/*.whl" >/dev/null; then
  only="$only,wheels" run wheels wheels 60 python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
    --disable-pip-version-check --upgrade --target "$work/site" "$wheels"/*.whl
fi

capability=$(python3 -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())' 2>/dev/null || echo 90)
run build configure 60 cmake -S . -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DNSG_CUDA=ON \
  -DNSG_CUDA_ARCHITECTURES="$capability" -DPython_EXECUTABLE="$(command -v python3)" &&
  run build compile 300 cmake --build "$work/build" --parallel "$(nproc)" &&
  run build kernels 30 python3 -c 'from nsg_cluster.ops.library import describe
from tests.gpu.device import why_not
print(describe())
raise SystemExit(why_not())'
run tests tests 250 python3 -m pytest tests/gpu -q -p no:cacheprovider --durations=5
run floors floors 120 python3 -m tests.gpu.floors "$out/floors.json"
if [ -n "$data" ]; then
  run lego lego 240 python3 -m tests.gpu.lego "$data" "$out" "${settings[@]}"
else
  summary+=("lego              not run: no --data was given")
fi

echo "== summary (logs and figures in $out)"
for name in floors lego; do
  [ ! -f "$out/$name.log" ] || grep -E '%|dB|TB/s' "$out/$name.log"
done
[ ! -f "$out/tests.log" ] || tail -n 1 "$out/tests.log"
printf '%s\n' "${summary[@]}"
exit "$status"
