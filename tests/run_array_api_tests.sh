#!/usr/bin/env bash
# Runs the public test suite of the Python Array API standard against hal, and nothing less: no test
# is skipped or expected to fail on our account. Fetches nothing.
#
#   tests/run_array_api_tests.sh CHECKOUT [arguments for pytest]
#
# CHECKOUT is a clone of the suite with its submodule, in whose environment hal is installed too:
#
#   git clone --recurse-submodules https://github.com/data-apis/array-api-tests CHECKOUT
#   python -m pip install -r CHECKOUT/requirements.txt
#
# PYTHON names the interpreter (python if unset), HAL_DEVICE the device (the default one if unset).
set -euo pipefail

how() {
  sed -n 's/^# \{0,1\}//; 2,11p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

[ $# -ge 1 ] || how
checkout=$1
shift
if [ ! -d "$checkout/array_api_tests" ]; then
  echo "$checkout is no checkout of array-api-tests" >&2
  how
fi
if [ ! -d "$checkout/array-api/src/array_api_stubs" ]; then
  echo "$checkout lacks its submodule: git -C $checkout submodule update --init" >&2
  how
fi

python=$(command -v "${PYTHON:-python}") || { echo "there is no ${PYTHON:-python}" >&2; exit 2; }
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
if ! "$python" -c 'import hal, hypothesis, ndindex, pytest, pytest_jsonreport' 2>/dev/null; then
  echo "$python lacks hal or the suite's requirements" >&2
  how
fi

# Of skips and expected failures only the suite's own marks count: its optional lists stay unread.
cd "$checkout"
export ARRAY_API_TESTS_MODULE=hal
exec "$python" -m pytest array_api_tests -p no:cacheprovider -q -W ignore \
  --skips-file /dev/null --xfails-file /dev/null "$@"
