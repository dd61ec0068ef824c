"""Attention and convolution by cuDNN's graphs: built once for a signature, then executed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from hal import dtypes
from hal.dtypes import DType
from hal.errors import HalWarning
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.errors import translated

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = [
    "Bias", "Cudnn", "attention_fits", "attention_graph", "convolution_fits", "load", "network",
]  # fmt: skip

_TYPES = {
    dtypes.float16: "HALF",
    dtypes.bfloat16: "BFLOAT16",
    dtypes.float32: "FLOAT",
    dtypes.float64: "DOUBLE",
}
_HALF = (dtypes.float16, dtypes.bfloat16)


def attention_fits(signature: Signature) -> bool:
    """Return whether cuDNN's attention takes the query, key and value of a signature.

    It takes half precision, four axes and heads of up to 128 in steps of 8.
    """
    query, key, value = signature.inputs[:3]
    if query is None or key is None or value is None:
        return False
    width = query.shape[-1]
    return (
        query.dtype in _HALF
        and all(x.ndim == 4 and x.strides[-1] == 1 for x in (query, key, value))
        and query.shape[0] == key.shape[0] == value.shape[0]
        and width == value.shape[-1]
        and width % 8 == 0
        and 0 < width <= 128
        and key.shape[-2] > 0
    )


def convolution_fits(signature: Signature) -> bool:
    """Return whether cuDNN's convolution takes a signature: two or three contiguous axes."""
    x, weight = signature.inputs[:2]
    if x is None or weight is None or x.dtype not in _TYPES:
        return False
    return x.ndim in (4, 5) and x.contiguous and weight.contiguous and x.size > 0


class Bias(NamedTuple):
    """What is added to the scores of attention; a layout, but for strides along axes of size 1."""

    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Cudnn:
    """The library on one device.

    Parameters
    ----------
    api : module
        ``cudnn``, its Python front end; tests give their own.
    """

    def __init__(self, api: Any) -> None:
        self.api = api
        self.handle = api.create_handle()
        self.lock = threading.Lock()  # A handle carries one stream at a time.

    def build(
        self, dtype: Any, make: Callable[[Any, Any], tuple[list[Any], Any]], exact: bool
    ) -> Graph | None:
        """Return a graph that ``make(graph, kind)`` describes, or None when none can run it.

        ``kind`` gives cuDNN's type for a dtype. ``make`` returns the tensors that are read, in
        order, and the one that is written. An exact
        graph rounds no input: tensor cores would round float32 to TF32.
        """
        types = self.api.data_type

        def kind(dtype: DType) -> Any:
            return getattr(types, _TYPES[dtype])

        wide = types.DOUBLE if dtype is dtypes.float64 else types.FLOAT
        graph = self.api.pygraph(
            io_data_type=kind(dtype),
            intermediate_data_type=wide,
            compute_data_type=wide,
            handle=self.handle,
        )
        try:
            tensors, result = make(graph, kind)
            graph.validate()
            graph.build_operation_graph()
            graph.create_execution_plans([self.api.heur_mode.A, self.api.heur_mode.FALLBACK])
            if exact:
                notes = self.api.numerical_note
                graph.deselect_numeric_notes([notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS])
            graph.check_support()
            graph.build_plans()
        # The front end's own engines, written in Python, decline by NotImplementedError.
        except (self.api.cudnnGraphNotSupportedError, NotImplementedError):
            return None
        except Exception as error:
            raise translated(error, "cuDNN could not build a graph") from error
        return Graph(self, graph, tensors, result)


class Graph:
    """A built graph."""

    def __init__(self, library: Cudnn, graph: Any, tensors: Sequence[Any], result: Any) -> None:
        self._library = library
        self._graph = graph
        self._tensors = tensors
        self._result = result
        self.workspace = int(graph.get_workspace_size())

    def start(self, stream: Any, workspace: int, out: int, inputs: Sequence[int]) -> None:
        """Enqueue the graph on these pointers."""
        library = self._library
        given = dict(zip(self._tensors, inputs, strict=True))
        given[self._result] = out
        try:
            with library.lock:
                library.api.set_stream(handle=library.handle, stream=int(stream.handle))
                self._graph.execute(given, workspace, handle=library.handle)
        except Exception as error:
            raise translated(error, "cuDNN refused to run a graph") from error


def load() -> Cudnn | None:
    """Return the library on the calling thread's device, or None where it is not installed."""
    try:
        import cudnn
    except ImportError:
        return None
    try:
        return Cudnn(cudnn)
    except (OSError, RuntimeError) as error:
        warnings.warn(
            f"cuDNN cannot be loaded, slower kernels take its place: {error}",
            HalWarning,
            stacklevel=2,
        )
        return None


def network(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel by cuDNN for attention without a mask or convolution, else None."""
    fits, make = _OPERATORS.get(op.name, (None, None))
    if fits is None or make is None or not fits(signature):
        return None
    library = driver.networks()
    if library is None:
        return None
    x = signature.inputs[0]
    assert x is not None
    exact = x.dtype is dtypes.float32 and signature.attributes["precision"] == "highest"
    graph = library.build(x.dtype, make(signature), exact)
    if graph is None:
        return None

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        driver.use()
        workspace = driver.workspace(stream, graph.workspace) if graph.workspace else 0
        given = [i.pointer for i in inputs if i is not None]
        graph.start(stream, workspace, outputs[0].pointer, given)

    return Kernel(into)


def _tensor(graph: Any, name: str, layout: Layout | Bias, kind: Any) -> Any:
    return graph.tensor(
        name=name,
        dim=list(layout.shape),
        stride=list(layout.strides),
        data_type=kind(layout.dtype),
    )


def _written(result: Any, layout: Layout, kind: Any) -> Any:
    result.set_output(True).set_dim(list(layout.shape)).set_stride(list(layout.strides))
    return result.set_data_type(kind(layout.dtype))


def attention_graph(signature: Signature, bias: Bias | None = None) -> Callable[[Any, Any], Any]:
    """Return what describes the graph of attention, with a bias that is added to the scores."""

    def make(graph: Any, kind: Any) -> tuple[list[Any], Any]:
        q, k, v = (
            _tensor(graph, name, x, kind)  # type: ignore[arg-type]
            for name, x in zip("qkv", signature.inputs, strict=False)
        )
        read = [q, k, v]
        more: dict[str, Any] = {}
        if bias is not None:
            read.append(_tensor(graph, "bias", bias, kind))
            more["bias"] = read[-1]
        result, _ = graph.sdpa(
            name="attention",
            q=q,
            k=k,
            v=v,
            generate_stats=False,
            attn_scale=signature.attributes["scale"],
            use_causal_mask=signature.attributes["causal"],
            **more,
        )
        return read, _written(result, signature.outputs[0], kind)

    return make


def _convolution(signature: Signature) -> Callable[[Any, Any], Any]:
    at = SimpleNamespace(**signature.attributes)
    out = signature.outputs[0]

    def make(graph: Any, kind: Any) -> tuple[list[Any], Any]:
        x, weight, *rest = signature.inputs
        assert x is not None
        assert weight is not None
        read = [_tensor(graph, "x", x, kind), _tensor(graph, "weight", weight, kind)]
        result = graph.conv_fprop(
            image=read[0],
            weight=read[1],
            pre_padding=[before for before, _ in at.padding],
            post_padding=[after for _, after in at.padding],
            stride=list(at.stride),
            dilation=list(at.dilation),
        )
        if rest and rest[0] is not None:
            step = rest[0].strides[0]
            spatial = (1,) * (x.ndim - 2)
            bias = Layout(x.dtype, (1, out.shape[1], *spatial), (step, step, *spatial))
            read.append(_tensor(graph, "bias", bias, kind))
            result = graph.bias(name="bias", input=result, bias=read[-1])
        return read, _written(result, out, kind)

    return make


def _plain_attention_fits(signature: Signature) -> bool:
    return attention_fits(signature) and all(x is None for x in signature.inputs[3:])


_OPERATORS: dict[str, tuple[Any, Any]] = {
    "attention": (_plain_attention_fits, attention_graph),
    "convolution": (convolution_fits, _convolution),
}
