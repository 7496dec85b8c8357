#!/bin/sh
# Build the CPU kernels with AddressSanitizer and UBSan, and run the tests of the ops on them: the first access outside
# of an array, or undefined operation, ends the run with its place in the sources.
# Usage: csrc/sanitize.sh [PYTHON] [PYTEST_ARGUMENT ...]      PYTHON has nanobind, cmake, ninja, torch and pytest.
set -eu
python=$(command -v "${1:-python3}")
[ $# -eq 0 ] || shift
cd "$(dirname "$0")/.."
case $python in /*) ;; *) python=$OLDPWD/$python ;; esac
PATH=$(dirname "$python"):$PATH
build=build/sanitize
cmake -S . -B $build -G Ninja -DNSG_SANITIZE=ON -DNSG_CUDA=OFF -DPython_EXECUTABLE="$python" >/dev/null
cmake --build $build
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' $build/CMakeCache.txt)
# Torch and Python are not instrumented, so the runtimes must be there first; their leaks are not ours.
export LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
# Tests of the definitions, which have no kernel in them, are left out.
# Finders of editable installs come before any path; without them the module of this build is the one that is found.
exec "$python" -c '
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.meta_path[:] = [finder for finder in sys.meta_path if isinstance(finder, type)]
import nsg_kernels, pytest
print("testing", nsg_kernels.__file__)
sys.exit(pytest.main(sys.argv[1:]))
' "$PWD/$build" -q -p no:cacheprovider -p no:faulthandler -k 'not [torch' tests/ops "$@"
