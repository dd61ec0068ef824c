"""A device is asked for a kernel once, however many calls of a program are alike."""

import hal


def test_a_device_is_asked_once_for_calls_that_are_alike(cpu, monkeypatch):
    find, asked = cpu.runtime.kernel, []

    def kernel(op, signature):
        asked.append((op.name, signature.inputs, tuple(signature.attributes.items())))
        return find(op, signature)

    def repeat(x, times):
        for _ in range(times):
            x = hal.exp(x @ x)
        return x

    monkeypatch.setattr(cpu.runtime, "kernel", kernel)
    counts = []
    for times in (2, 2, 20):  # The first makes the tensor as well.
        asked.clear()
        hal.compile(repeat).executable(hal.ones((3, 3), device=cpu), times)
        assert {"matmul", "exp"} <= {name for name, *_ in asked}
        counts.append(len(asked))
    assert counts[1] == counts[2]
    assert len(set(asked)) == len(asked)
