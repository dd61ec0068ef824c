#!/usr/bin/env bash
# Runs on a machine with an NVIDIA GPU everything that needs one, and writes docs/results/.
#
#   tools/gpu_report.sh [cuda:0]
#
# Needs a virtual environment with hal, hal-cpu, hal-cuda[cu13] (or [cu12]), pytest, and for the
# comparison a CUDA build of PyTorch; PYTHON names its interpreter. compute-sanitizer comes with the
# CUDA toolkit. What cannot run is written down as such, and makes the exit status 1.
set -uo pipefail
cd "$(dirname "$0")/.."

device=${1:-cuda:0}
python=${PYTHON:-.venv/bin/python}
unset HAL_CUDA  # The stand-in is no GPU.
card=$("$python" -c "import hal, sys; print(hal.device(sys.argv[1]).info.description)" "$device") || exit 2
name=$(tr -cs 'A-Za-z0-9' '-' <<<"$card" | sed 's/^-*//; s/-*$//')
folder=docs/results
report=$folder/$name.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$folder"
failed=0

section() { printf '\n## %s\n\n' "$1" >>"$report"; }

# run TITLE SECONDS COMMAND...: run a command, put the end of what it says into the report.
run() {
  local title=$1 limit=$2
  shift 2
  section "$title"
  echo "$title: $*"
  timeout "$limit" "$@" >"$scratch/out" 2>&1
  local status=$?
  {
    printf '`%s` gave status %s.\n\n```text\n' "$*" "$status"
    tail -n 80 "$scratch/out"
    printf '```\n'
  } >>"$report"
  [ "$status" = 0 ] || failed=1
}

# need TITLE COMMAND: whether a command is there; if not, the report says so.
need() {
  command -v "$2" >/dev/null && return 0
  section "$1"
  echo "Not run: $2 is not installed." >>"$report"
  failed=1
  return 1
}

{
  printf '# %s\n\n' "$card"
  printf 'Written by `tools/gpu_report.sh` on %s.\n' "$(date -u +%F)"
} >"$report"

run "Machine" 60 "$python" -m pip list --format=freeze
run "Driver" 60 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv
run "Device" 120 "$python" -m hal.cli devices "$device"
run "GPU tests" 1200 "$python" -m pytest -q plugins/cuda
run "Conformance" 7200 "$python" -m hal.cli conformance "$device" --json "$folder/$name-conformance.json"
run "Demo" 1200 "$python" -m hal.cli demo --device "$device"
if need "Memory checks" compute-sanitizer; then
  for tool in memcheck racecheck; do
    run "compute-sanitizer $tool" 7200 compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$python" -m pytest -q -p no:cacheprovider plugins/cuda/tests/gpu
  done
fi
run "Benchmarks" 3600 "$python" benchmarks/gpu.py --device "$device" --json "$folder/$name-bench.json"

echo "wrote $report"
exit "$failed"
