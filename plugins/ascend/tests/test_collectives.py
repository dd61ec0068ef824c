"""Collectives on several devices of one process, a thread for each."""

from __future__ import annotations

import pytest

PROGRAM = """
import threading
import numpy as np
import hal
from hal.plugin import backends

SIZE = 3
found, errors = {{}}, []

def work(rank, identity):
    try:
        device = hal.device(f"ascend:{{rank}}")
        group = device.runtime.communicator(identity, rank, SIZE)
        stream = device.default_stream.handle
        def tensor(values, dtype=np.float32):
            return hal.asarray(np.asarray(values, dtype), device=device)
        {body}
        device.synchronize()
        found[rank] = result.numpy().tolist()
        group.close()
    except Exception as error:
        errors.append(f"{{type(error).__name__}}: {{error}}")

for rank in range(SIZE):
    hal.ones(1, device=f"ascend:{{rank}}").numpy()
identity = backends()["ascend"].communicator_identity()
threads = [threading.Thread(target=work, args=(r, identity)) for r in range(SIZE)]
[t.start() for t in threads]
[t.join(60) for t in threads]
for error in errors:
    print(error)
for rank in sorted(found):
    print(found[rank])
"""

CASES = {
    "all_reduce sum": (
        "x = tensor([rank, 1]); result = tensor([0, 0])\n"
        "        group.all_reduce(result._array, x._array, 'sum', stream)",
        ["[3.0, 3.0]"] * 3,
    ),
    "all_reduce max of integers": (
        "x = tensor([rank, -rank], np.int32); result = tensor([0, 0], np.int32)\n"
        "        group.all_reduce(result._array, x._array, 'max', stream)",
        ["[2, 0]"] * 3,
    ),
    "all_gather": (
        "x = tensor([rank, 10 * rank]); result = tensor([0] * 6)\n"
        "        group.all_gather(result._array, x._array, stream)",
        ["[0.0, 0.0, 1.0, 10.0, 2.0, 20.0]"] * 3,
    ),
    "reduce_scatter": (
        "x = tensor(np.arange(6) + rank); result = tensor([0, 0])\n"
        "        group.reduce_scatter(result._array, x._array, 'sum', stream)",
        ["[3.0, 6.0]", "[9.0, 12.0]", "[15.0, 18.0]"],
    ),
    "broadcast": (
        "result = tensor([rank, rank])\n        group.broadcast(result._array, 1, stream)",
        ["[1.0, 1.0]"] * 3,
    ),
    "send and receive": (
        "result = tensor([rank])\n"
        "        if rank == 0: group.send(result._array, 2, stream)\n"
        "        if rank == 2: group.receive(result._array, 0, stream)",
        ["[0.0]", "[1.0]", "[0.0]"],
    ),
    "many in order": (
        "result = tensor([rank])\n"
        "        for _ in range(20):\n"
        "            y = tensor([0])\n"
        "            group.all_reduce(y._array, result._array, 'sum', stream)\n"
        "            result = y / 3",
        ["[1.0]"] * 3,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_devices_calculate_together(in_python, case):
    body, expected = CASES[case]
    out = in_python(PROGRAM.format(body=body), STANDIN_DEVICES=3, STANDIN_DELAY_US=500)
    assert out.splitlines() == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "result = tensor([0]); group.all_reduce(result._array, result._array, 'mean', stream)",
            "ValueRangeError: the reduction 'mean' is unknown; use one of",
        ),
        ("result = tensor([0]); group.send(result._array, 7, stream)",
         "ValueRangeError: there is no device 7 in a group of 3"),
        ("result = tensor([0], np.complex64); group.broadcast(result._array, 0, stream)",
         "Unsupported: collectives do not take complex64; convert to one of"),
    ],
    ids=["reduction", "rank", "dtype"],
)  # fmt: skip
def test_what_does_not_fit_is_refused(in_python, body, message):
    out = in_python(PROGRAM.format(body=body), STANDIN_DEVICES=3)
    assert out.count(message) == 3


def test_an_identity_of_another_kind_is_refused(in_python):
    out = in_python(
        "import hal\n"
        "try:\n"
        "    hal.device('ascend:0').runtime.communicator(b'x', 0, 1)\n"
        "except hal.HalError as error:\n"
        "    print(error)"
    )
    assert "has 4108 bytes, not 1" in out
