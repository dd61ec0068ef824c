"""A model's large weights stay in its file until they are needed, and are held once."""

from __future__ import annotations

import gc
import io
import os
import threading
import tracemalloc
from contextlib import contextmanager

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hal
import hal.onnx
from hal.onnx.stored import BytesSource, FileSource, Weight
from hal.onnx.wire import LARGE, Malformed, split_weights

SIDE = 512
LAYERS = 6
WEIGHT = SIDE * SIDE * 4
MIB = 1 << 20


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def matrices():
    return [drawn(SIDE, SIDE, seed=n) / 16 for n in range(LAYERS)]


def layers(weights, raw=True):
    """Return a model that multiplies by each weight in turn."""
    names = ["x", *(f"y{n}" for n in range(len(weights)))]
    nodes = [
        helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(len(weights))
    ]
    held = [
        numpy_helper.from_array(w, f"w{n}")
        if raw
        else helper.make_tensor(f"w{n}", TensorProto.FLOAT, w.shape, w.reshape(-1).tolist())
        for n, w in enumerate(weights)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", SIDE])
        for name in (names[0], names[-1])
    ]
    graph = helper.make_graph(nodes, "layers", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


@pytest.fixture
def path(tmp_path):
    onnx.save(layers(matrices()), tmp_path / "layers.onnx")
    return tmp_path / "layers.onnx"


@pytest.fixture
def traced_peak():
    """Return a context whose value says, behind it, what NumPy and Python held at the most."""

    @contextmanager
    def tracing():
        tracemalloc.start()
        peak = []
        try:
            yield lambda: peak[0]
        finally:
            peak.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    return tracing


@pytest.fixture
def cpu():
    return hal.device("cpu:0")


def expected(x):
    for weight in matrices():
        x = x.astype(np.float64) @ weight
    return x


def near(found, x):
    np.testing.assert_allclose(found, expected(x), rtol=1e-3, atol=1e-3)


# Held once


@pytest.mark.parametrize("compile", [False, True])
def test_a_model_is_not_held_twice_while_it_loads_and_runs(path, cpu, compile, traced_peak):
    gc.collect()
    before = cpu.memory_stats().allocated
    x = drawn(64, SIDE)
    with traced_peak() as peak:
        session = hal.onnx.load(path, cpu, compile=compile)
        found = session(x=x)[session.outputs[0].name].numpy()
    near(found, x)
    assert cpu.memory_stats().allocated - before < (LAYERS + 2) * WEIGHT
    # The CPU's memory is NumPy's, so that this is with the device's.
    assert peak() < (LAYERS + 3) * WEIGHT


def test_weights_that_nodes_held_are_the_programs_once_there_is_one(path, cpu):
    session = hal.onnx.load(path, cpu)
    gc.collect()
    before = cpu.memory_stats().allocated
    x = drawn(64, SIDE)
    for _ in range(3):  # Node by node, then as a program.
        near(session(x=x)[session.outputs[0].name].numpy(), x)
    assert not session.eager
    gc.collect()
    assert cpu.memory_stats().allocated - before < (LAYERS + 2) * WEIGHT


def test_nothing_is_read_before_it_is_needed(path, cpu, traced_peak):
    with traced_peak() as peak:
        hal.onnx.load(path, cpu)
    assert peak() < WEIGHT


def test_another_shape_takes_the_weights_once_more_at_the_most(path, cpu):
    session = hal.onnx.load(path, cpu, compile=True)
    name = session.outputs[0].name
    gc.collect()
    before = cpu.memory_stats().allocated
    x = drawn(64, SIDE)
    near(session(x=x)[name].numpy(), x)
    first = cpu.memory_stats().allocated - before
    for rows in (65, 66):
        x = drawn(rows, SIDE)
        near(session(x=x)[name].numpy(), x)
    gc.collect()
    assert cpu.memory_stats().allocated - before <= 3 * (first + MIB)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("given", ["path", "bytes", "bytearray", "proto", "path to listed numbers"])
def test_every_way_to_give_a_model_gives_its_results(tmp_path, cpu, given, compile):
    model = layers(matrices(), raw="listed" not in given)
    onnx.save(model, tmp_path / "layers.onnx")
    source = {
        "path": tmp_path / "layers.onnx",
        "path to listed numbers": tmp_path / "layers.onnx",
        "bytes": model.SerializeToString(),
        "bytearray": bytearray(model.SerializeToString()),
        "proto": model,
    }[given]
    session = hal.onnx.load(source, cpu, compile=compile)
    if given == "bytearray":
        source[:] = bytes(len(source))  # A session has its own.
    for rows in (3, 64):
        x = drawn(rows, SIDE)
        near(session(x=x)[session.outputs[0].name].numpy(), x)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "bool", "complex64"])
def test_weights_of_every_dtype_are_what_the_onnx_package_reads(cpu, dtype):
    values = drawn(200, 90).astype(hal.dtypes.as_dtype(dtype).numpy)
    tensor = TensorProto(
        name="w",
        dims=values.shape,
        data_type=hal.onnx.tensors.element_number(values.dtype),
        raw_data=values.tobytes(),
    )
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["w"], ["y"])], "g", [],
            [helper.make_tensor_value_info("y", tensor.data_type, values.shape)], [tensor],
        ),
        opset_imports=[helper.make_opsetid("", 22)], ir_version=10,
    )  # fmt: skip
    found = hal.onnx.load(model.SerializeToString(), cpu)()["y"].numpy()
    assert found.tobytes() == numpy_helper.to_array(tensor).tobytes()


def test_four_bit_weights_are_unpacked(cpu):
    tensor = helper.make_tensor("w", TensorProto.INT4, (300, 64), bytes(range(240)) * 40, raw=True)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT)], "g", [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (300, 64))], [tensor],
        ),
        opset_imports=[helper.make_opsetid("", 22)], ir_version=10,
    )  # fmt: skip
    found = hal.onnx.load(model.SerializeToString(), cpu)()["y"].numpy()
    np.testing.assert_array_equal(found, numpy_helper.to_array(tensor).astype(np.float32))


# Files


def test_a_file_may_be_gone_once_the_model_is_loaded(path, cpu):
    session = hal.onnx.load(path, cpu, compile=True)
    path.unlink()
    for rows in (2, 3):
        x = drawn(rows, SIDE)
        near(session(x=x)[session.outputs[0].name].numpy(), x)


def test_a_file_that_was_replaced_is_still_the_one_that_was_loaded(path, cpu):
    session = hal.onnx.load(path, cpu)
    other = path.with_name("other.onnx")
    onnx.save(layers([m * 0 for m in matrices()]), other)
    other.replace(path)
    x = drawn(2, SIDE)
    near(session(x=x)[session.outputs[0].name].numpy(), x)


@pytest.mark.parametrize("change", ["written", "cut off"])
def test_a_file_that_was_changed_is_not_read_on(path, cpu, change):
    session = hal.onnx.load(path, cpu)
    with path.open("r+b") as file:
        if change == "cut off":
            file.truncate(1000)
        else:
            file.seek(100_000)
            file.write(b"something else")
    os.utime(path, ns=(1, 1))  # A clock may be too coarse to tell a change this soon.
    with pytest.raises(hal.ModelError, match=r"layers\.onnx has changed.*load the model again"):
        session(x=drawn(2, SIDE))


def test_external_data_in_many_files_is_read(tmp_path, cpu):
    weights = [drawn(32, 48, seed=n) for n in range(70)]
    model = layers([])
    graph = helper.make_graph(
        [helper.make_node("Sum", [f"w{n}" for n in range(70)], ["y"])], "g", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (32, 48))],
    )  # fmt: skip
    for n, weight in enumerate(weights):
        (tmp_path / f"w{n}.bin").write_bytes(b"1234" + weight.tobytes())
        tensor = graph.initializer.add(name=f"w{n}", dims=weight.shape, data_type=1)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"w{n}.bin")
        tensor.external_data.add(key="offset", value="4")
    model.graph.CopyFrom(graph)
    (tmp_path / "sum.onnx").write_bytes(model.SerializeToString())
    found = hal.onnx.load(tmp_path / "sum.onnx", cpu)()["y"].numpy()
    np.testing.assert_allclose(found, np.sum(weights, 0), rtol=1e-4, atol=1e-4)


def test_a_file_is_closed_with_what_reads_it(path):
    descriptor = os.open(path, os.O_RDONLY)
    source = FileSource(descriptor, "layers.onnx")
    os.fstat(descriptor)
    del source
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_reading_leaves_a_files_position_alone_which_forked_processes_share(path):
    descriptor = os.open(path, os.O_RDONLY)
    weight = Weight(FileSource(descriptor, "layers.onnx"), 5000, hal.uint8, (100, 100))
    os.lseek(descriptor, 17, os.SEEK_SET)
    assert weight.host().tobytes() == path.read_bytes()[5000:15_000]
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 17


def test_weights_are_read_by_several_threads(path):
    contents = path.read_bytes()
    source = FileSource(os.open(path, os.O_RDONLY), "layers.onnx")
    wrong = []

    def read(start):
        weight = Weight(source, start, hal.uint8, (100, 100))
        if weight.host().tobytes() != contents[start : start + 10_000]:
            wrong.append(start)

    threads = [threading.Thread(target=read, args=(7919 * n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# What is taken out of a file's bytes


def joined(contents):
    """Return a model whose large weights were taken out and put back."""
    slim, runs = split_weights(io.BytesIO(contents), len(contents))
    model = onnx.ModelProto.FromString(slim)
    for number, run in runs.items():
        tensor = model.graph.initializer[number]
        assert not tensor.HasField("raw_data")
        tensor.raw_data = contents[run.start : run.start + run.nbytes]
    return model, runs


def test_what_is_left_and_what_was_taken_out_are_the_model():
    model = layers(matrices())
    model.graph.initializer.append(numpy_helper.from_array(drawn(3), "small"))
    model.graph.initializer.append(helper.make_tensor("text", 8, (2,), [b"a", b"b" * 9000]))
    model.metadata_props.add(key="about", value="x" * 20_000)
    found, runs = joined(model.SerializeToString())
    assert found == model
    assert sorted(runs) == list(range(LAYERS))
    assert all(run.nbytes == WEIGHT for run in runs.values())


@pytest.mark.parametrize(("nbytes", "taken"), [(LARGE - 100, 0), (LARGE, 0), (LARGE + 1, 1)])
def test_only_large_weights_are_taken_out(nbytes, taken):
    model = layers([])
    model.graph.initializer.add(name="w", dims=[nbytes], data_type=2, raw_data=bytes(nbytes))
    found, runs = joined(model.SerializeToString())
    assert (found, len(runs)) == (model, taken)


def test_a_view_of_bytes_knows_where_it_starts():
    weight = Weight(BytesSource(bytes(range(100))), 10, hal.uint8, (4, 5))
    np.testing.assert_array_equal(weight.host(), np.arange(10, 30).reshape(4, 5))


def test_bytes_cut_off_anywhere_are_malformed_or_what_the_parser_takes():
    contents = layers([drawn(SIDE, 4)]).SerializeToString()
    for stop in [*range(200), *range(len(contents) - 200, len(contents))]:
        cut = contents[:stop]
        try:
            found, _ = joined(cut)
        except Malformed:
            continue
        assert found == onnx.ModelProto.FromString(cut)


def test_bytes_that_are_no_model_are_malformed_or_what_the_parser_takes():
    rng = np.random.default_rng(0)
    contents = bytearray(layers([drawn(SIDE, 4)]).SerializeToString())
    for _ in range(300):
        damaged = contents.copy()
        for place in rng.integers(0, 120, 3):
            damaged[place] = rng.integers(256)
        try:
            slim, _ = split_weights(io.BytesIO(damaged), len(damaged))
        except Malformed:
            continue
        try:
            whole = onnx.ModelProto.FromString(bytes(damaged))
        except Exception:
            continue
        assert len(onnx.ModelProto.FromString(slim).graph.node) == len(whole.graph.node)


def test_data_that_is_there_twice_is_left_to_the_parser(tmp_path, cpu):
    model = layers([drawn(SIDE, SIDE)])
    tensor = model.graph.initializer[0].SerializeToString()
    doubled = tensor + b"\x4a\x80\x80\x40" + tensor[-WEIGHT:]
    with pytest.raises(Malformed, match="twice"):
        split_weights(io.BytesIO(in_a_graph(doubled)), len(in_a_graph(doubled)))


def in_a_graph(tensor):
    def message(number, content):
        return bytes([number << 3 | 2]) + encoded(len(content)) + content

    def encoded(number):
        found = bytearray()
        while number >= 0x80:
            found.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*found, number])

    return message(7, message(5, tensor))
