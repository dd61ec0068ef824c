"""What goes to cuDNN, and what its graphs are told; shown without the library."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

import hal
from hal import dtypes
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cuda.cudnn import Cudnn, attention_fits, convolution_fits, load, network
from hal_cuda.standin import StandinDriver


def signature(name, *layouts, **attributes):
    op = operators[name]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    return Signature(layouts, outputs, inference.attributes)


def heads(width=64, dtype=dtypes.float16, ndim=4, **attributes):
    layout = Layout(dtype, (2, 8, 32, width)[4 - ndim :])
    return signature("attention", layout, layout, layout, **attributes)


def images(dtype=dtypes.float32, **attributes):
    x, weight = Layout(dtype, (2, 4, 9, 9)), Layout(dtype, (6, 2, 3, 3))
    return signature("convolution", x, weight, Layout(dtype, (6,)), groups=2, **attributes)


def test_attention_of_half_precision_without_a_mask_goes_to_cudnn():
    assert attention_fits(heads(causal=True))
    assert attention_fits(heads(width=128, dtype=dtypes.bfloat16))


def test_attention_that_cudnn_means_otherwise_or_lacks_is_left_to_hal():
    assert not attention_fits(heads(dtype=dtypes.float32))
    assert not attention_fits(heads(width=60))
    assert not attention_fits(heads(width=256))
    assert not attention_fits(heads(ndim=3))


def test_attention_with_a_mask_is_another_kernel():
    layout, mask = Layout(dtypes.float16, (2, 8, 32, 64)), Layout(dtypes.bool, (32, 32))
    asked = signature("attention", layout, layout, layout, mask)
    assert network(MagicMock(), operators["attention"], asked) is None


def test_convolutions_of_contiguous_images_go_to_cudnn():
    assert convolution_fits(images())
    line = signature("convolution", Layout(hal.float32, (2, 4, 9)), Layout(hal.float32, (6, 4, 3)))
    assert not convolution_fits(line)


def test_a_device_without_libraries_decomposes():
    assert network(StandinDriver(), operators["attention"], heads()) is None


class NotSupportedError(Exception):
    """What cudnn raises for a graph it has no plan for."""


def library():
    """Return what takes any call of cudnn and keeps it."""
    api = MagicMock(cudnnGraphNotSupportedError=NotSupportedError)
    api.pygraph().sdpa.return_value = (MagicMock(), None)
    return api


def started(op, asked, api):
    driver = MagicMock()
    api.pygraph().get_workspace_size.return_value = 64
    driver.networks.return_value = Cudnn(api)
    driver.workspace.return_value = 0x900
    kernel = network(driver, operators[op], asked)
    assert kernel is not None
    inputs = [SimpleNamespace(pointer=0x100 * (i + 1)) for i, _ in enumerate(asked.inputs)]
    kernel.into(SimpleNamespace(handle=7), [SimpleNamespace(pointer=0x800)], inputs)
    return api.pygraph()


def test_attention_is_described_and_started_with_its_scale_and_mask():
    api = library()
    graph = started("attention", heads(causal=True, scale=0.5), api)
    described = graph.sdpa.call_args.kwargs
    assert described["attn_scale"] == 0.5
    assert described["use_causal_mask"] is True
    api.set_stream.assert_called_once_with(handle=api.create_handle(), stream=7)
    given, workspace = graph.execute.call_args.args
    assert sorted(given.values()) in ([0x300, 0x800], [0x100, 0x200, 0x300, 0x800])
    assert workspace == 0x900


def test_float32_is_not_rounded_to_tf32_unless_allowed():
    strict = started("convolution", images(), library())
    assert strict.deselect_numeric_notes.called
    free = started("convolution", images(precision="high"), library())
    assert not free.deselect_numeric_notes.called
    described = strict.conv_fprop.call_args.kwargs
    assert described["pre_padding"] == [0, 0]
    assert described["stride"] == [1, 1]
    assert strict.bias.called


def test_a_graph_that_cudnn_does_not_support_is_left_to_hal():
    api = library()
    api.pygraph().check_support.side_effect = NotSupportedError
    driver = MagicMock()
    driver.networks.return_value = Cudnn(api)
    found = network(driver, operators["attention"], heads())
    assert found is None


def test_one_handle_carries_one_stream_at_a_time():
    assert isinstance(Cudnn(library()).lock, type(threading.Lock()))


def test_a_library_that_does_not_load_is_said_and_done_without(monkeypatch):
    def create_handle():
        raise RuntimeError("libcudnn.so was not found")

    monkeypatch.setitem(sys.modules, "cudnn", SimpleNamespace(create_handle=create_handle))
    with pytest.warns(hal.HalWarning, match="libcudnn.so was not found"):
        assert load() is None
    monkeypatch.setitem(sys.modules, "cudnn", None)
    assert load() is None
