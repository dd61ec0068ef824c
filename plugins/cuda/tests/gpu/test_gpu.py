"""What only a GPU can show: real memory, order, errors, and other libraries on the same memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import hal
from hal.errors import OutOfMemory


def numbers(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def on(device, *arrays):
    return [hal.asarray(a, device=device) for a in arrays]


def test_the_gpu_is_described(gpu):
    assert gpu.info.memory > 1 << 30
    assert gpu.info.architecture.startswith("sm_")
    assert not gpu.info.emulated


def test_elementwise_reductions_and_rows_agree_with_numpy(gpu):
    x, y = numbers(33, 257), numbers(257)
    a, b = on(gpu, x, y)
    with hal.fallback("error"):
        np.testing.assert_allclose((a * b + 1).numpy(), x * y + 1, rtol=1e-6)
        np.testing.assert_allclose((a.T[::2] - 1).numpy(), x.T[::2] - 1, rtol=1e-6)
        np.testing.assert_allclose(hal.sum(a, axis=0).numpy(), x.sum(0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(hal.sum(a).numpy(), x.sum(), rtol=1e-4, atol=1e-3)
        grown = np.exp(x - x.max(1, keepdims=True))
        expected = grown / grown.sum(1, keepdims=True)
        np.testing.assert_allclose(hal.nn.softmax(a, -1).numpy(), expected, rtol=1e-5, atol=1e-7)


def test_sorting_and_indexing_agree_with_numpy(gpu):
    x = numbers(7, 3001)
    (a,) = on(gpu, x)
    with hal.fallback("error"):
        np.testing.assert_array_equal(hal.argsort(a).numpy(), np.argsort(x, kind="stable"))
        np.testing.assert_array_equal(hal.sort(a, axis=0).numpy(), np.sort(x, axis=0))
        (index,) = on(gpu, np.array([6, 0, 0, 3]))
        np.testing.assert_array_equal(hal.take(a, index, axis=0).numpy(), x[[6, 0, 0, 3]])
        total = hal.cumulative_sum(a, axis=1).numpy()
        np.testing.assert_allclose(total, np.cumsum(x, 1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_products_agree_with_numpy(gpu, dtype):
    x, y, bias = numbers(5, 64, 48), numbers(80, 48), numbers(80)
    a, b, c = (t.astype(getattr(hal, dtype)) for t in on(gpu, x, y, bias))
    with hal.fallback("error"):
        found = hal.nn.linear(a, b, c).astype(hal.float64).numpy()
    bound = {"float16": 2e-2, "bfloat16": 2e-1, "float32": 1e-4, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(found, x @ y.T + bias, rtol=bound, atol=bound)


def test_float32_products_keep_float32_unless_told_otherwise(gpu):
    x, y = numbers(256, 256), numbers(256, 256)
    a, b = on(gpu, x, y)
    exact = x.astype(np.float64) @ y.astype(np.float64)
    strict = np.abs((a @ b).numpy() - exact).max()
    with hal.precision("high"):
        allowed = np.abs((a @ b).numpy() - exact).max()
    assert strict < 1e-3
    assert strict < allowed


@pytest.mark.parametrize("causal", [False, True])
def test_attention_agrees_with_its_definition(gpu, causal):
    q, k, v = (numbers(2, 4, 64, 64) for _ in range(3))
    scores = q @ k.transpose(0, 1, 3, 2) / 8
    if causal:
        scores = np.where(np.tri(64, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ v
    given = [t.astype(hal.float16) for t in on(gpu, q, k, v)]
    found = hal.nn.scaled_dot_product_attention(*given, is_causal=causal)
    np.testing.assert_allclose(found.astype(hal.float32).numpy(), expected, atol=2e-2)


def test_a_compiled_function_is_captured_and_replayed(gpu):
    (a,) = on(gpu, numbers(64, 64))
    f = hal.compile(lambda x: hal.nn.softmax(hal.nn.softmax(hal.nn.gelu(x @ x + 1), 0), 1) @ x)
    first = f(a).numpy()
    for _ in range(3):
        np.testing.assert_array_equal(f(a).numpy(), first)


def test_streams_are_ordered_where_tensors_pass_between_them(gpu):
    side = hal.Stream(gpu)
    x = hal.zeros(1 << 22, device=gpu)
    for _ in range(20):
        with side:
            y = x + 1
        x = y + 1
    assert float(x[0]) == 40


def test_threads_work_on_streams_of_their_own(gpu):
    results = {}

    def work(number):
        with hal.Stream(gpu):
            x = hal.full(1000, float(number), device=gpu)
            for _ in range(50):
                x = x + 1
            results[number] = float(x[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: n + 50.0 for n in range(4)}


def test_events_measure_the_device(gpu):
    start, end = hal.Event(gpu), hal.Event(gpu)
    x = hal.zeros(1 << 24, device=gpu)
    start.record()
    for _ in range(10):
        x = x + 1
    end.record()
    assert start.elapsed_time(end) > 0


def test_no_room_raises_and_leaves_the_device_usable(gpu):
    with pytest.raises(OutOfMemory, match="bytes were asked for"):
        hal.empty((gpu.info.memory,), dtype=hal.float32, device=gpu)
    assert float(hal.ones(1, device=gpu)[0]) == 1


def test_a_bad_kernel_loses_the_device(gpu):
    code = f"""
        import hal
        from hal_cuda.launch import Launch
        from hal_cuda.source import Source
        device = hal.device({gpu.name!r})
        x = hal.ones(4, device=device)
        body = 'struct Args {{ float* out; }};'
        body += 'extern "C" __global__ void bad(Args a) {{ a.out[thread_index()] = 1; }}'
        launch = Launch(device.runtime.driver, Source("bad", body), 1, 1)
        launch(device.current_stream().handle, 16)
        for _ in range(2):
            try:
                device.synchronize()
                x + x
            except hal.errors.DeviceLost as error:
                print("lost", error.code)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["lost", "700", "lost", "700"], done.stderr


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_fourier_transforms_agree_with_numpy(gpu, dtype):
    host = np.random.default_rng(1).random((3, 6, 5)).astype(dtype)
    (x,) = on(gpu, host)
    with hal.fallback("error"):
        for axis in (0, 1, 2):
            found = hal.fft.fft(x, axis=axis, norm="ortho").numpy()
            np.testing.assert_allclose(found, np.fft.fft(host, axis=axis, norm="ortho"), atol=1e-5)
            if host.dtype.kind == "f":
                back = hal.fft.irfft(hal.fft.rfft(x, axis=axis), n=host.shape[axis], axis=axis)
                np.testing.assert_allclose(back.numpy(), host, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_linear_algebra_agrees_with_numpy(gpu, dtype):
    rng = np.random.default_rng(2)
    a = (rng.random((2, 5, 5)) + 5 * np.eye(5)).astype(dtype)
    definite, b = a @ a.conj().swapaxes(-1, -2), rng.random((2, 5, 3)).astype(dtype)
    x, p, right = on(gpu, a, definite, b)
    with hal.fallback("error"):
        for found, wanted in (
            (hal.linalg.solve(x, right), np.linalg.solve(a, b)),
            (hal.linalg.inv(x), np.linalg.inv(a)),
            (hal.linalg.det(x), np.linalg.det(a)),
            (hal.linalg.cholesky(p), np.linalg.cholesky(definite)),
            (hal.linalg.eigvalsh(p), np.linalg.eigvalsh(definite)),
            (hal.linalg.svdvals(x[:, :3]), np.linalg.svdvals(a[:, :3])),
        ):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)
        q, r = hal.linalg.qr(x)
        np.testing.assert_allclose((q @ r).numpy(), a, atol=1e-4)
        u, s, vh = hal.linalg.svd(x, full_matrices=False)
        np.testing.assert_allclose(u.numpy() * s.numpy()[:, None] @ vh.numpy(), a, atol=1e-4)
        values, vectors = (y.numpy() for y in hal.linalg.eigh(p))
        np.testing.assert_allclose(definite @ vectors, vectors * values[:, None], atol=1e-2)
        with pytest.raises(hal.LinAlgError, match="Singular matrix"):
            hal.linalg.solve(hal.ones_like(x), right)


@pytest.mark.parametrize("axis", [None, -1], ids=["one scale", "rows"])
@pytest.mark.parametrize("dtype", [hal.float32, hal.float16, hal.bfloat16], ids=str)
def test_products_of_float8_agree_with_their_definition(gpu, dtype, axis):
    rng = np.random.default_rng(3)
    x, weight, bias = on(gpu, *(rng.normal(size=s).astype(np.float32)
                                for s in ((33, 64), (48, 64), (48,))))  # fmt: skip
    (x8, x_scale), (w8, w_scale) = (hal.nn.quantize_float8(v, axis=axis) for v in (x, weight))
    given = x8, w8, x_scale, w_scale, bias.astype(dtype)
    found = hal.nn.scaled_linear(*given, dtype=dtype).numpy()
    host = hal.nn.scaled_linear(*(v.to_device("cpu:0") for v in given), dtype=dtype).numpy()
    np.testing.assert_allclose(
        found.astype(np.float64), host.astype(np.float64), rtol=2.0**-7, atol=1e-3
    )


def test_memory_is_shared_with_pytorch_both_ways(gpu):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA build of PyTorch")
    theirs = torch.arange(6.0, device=f"cuda:{gpu.index}")
    ours = hal.from_dlpack(theirs)
    theirs += 1
    torch.cuda.synchronize()
    np.testing.assert_array_equal(ours.numpy(), np.arange(6.0) + 1)
    back = torch.from_dlpack(ours + 1)
    assert back.device.type == "cuda"
    assert back.tolist() == [2, 3, 4, 5, 6, 7]


def test_memory_is_shared_with_cupy_both_ways(gpu):
    cupy = pytest.importorskip("cupy")
    with cupy.cuda.Device(gpu.index):
        theirs = cupy.arange(6, dtype=cupy.float32)
        ours = hal.from_dlpack(theirs)
        np.testing.assert_array_equal(ours.numpy(), np.arange(6))
        back = cupy.from_dlpack(ours * 2)
        np.testing.assert_array_equal(cupy.asnumpy(back), np.arange(6) * 2)


def test_tensors_move_between_gpus(two):
    first, second = two
    (x,) = on(first, numbers(1000))
    np.testing.assert_array_equal(x.to_device(second).numpy(), x.numpy())


def test_gpus_reduce_together(two):
    backend = two[0].backend
    group = backend.communicator_identity()
    found = {}

    def work(rank, device):
        (x,) = on(device, np.full(10, rank + 1.0, np.float32))
        communicator = device.runtime.communicator(group, rank, len(two))
        stream = device.current_stream()
        communicator.all_reduce(x._array, x._array, "sum", stream.handle)
        found[rank] = x.numpy()
        communicator.close()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found.values():
        np.testing.assert_array_equal(result, np.full(10, 3.0))
