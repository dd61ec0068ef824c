"""The tensor: state from :mod:`hal.storage`, behaviour from the operators."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from hal.arithmetic import Arithmetic
from hal.device import as_device, when_opened
from hal.dispatch import call
from hal.dtypes import as_dtype, float16
from hal.errors import (
    DTypeError,
    ExchangeError,
    HalOverflowError,
    ShapeError,
    ValueRangeError,
)
from hal.indexing import get_item, set_item
from hal.memory import from_device, from_host, to_host, use_tensor_class
from hal.ops import operators
from hal.ops.rules import as_shape
from hal.plugin import Runtime
from hal.storage import Value
from hal.stream import Stream

__all__ = ["Tensor"]

# Versions of the Array API standard; each only adds to those before it.
_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


class Tensor(Arithmetic):
    """An n-dimensional array on a device. Make one with :func:`hal.asarray`, ``zeros``, ...

    Slicing, transposing and broadcasting give views of the same memory; everything else gives new
    tensors. Behaviour follows the array object of the Python Array API standard:
    https://data-apis.org/array-api/latest/API_specification/array_object.html

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device="cpu:0")
    >>> (x + 1).T[0]
    Tensor([2., 4.], dtype=float32, device='cpu:0')
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise DTypeError("make tensors with hal.asarray(...), hal.zeros(...) and their like")

    # Attributes

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._spec.size

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, packed."""
        return self._spec.nbytes

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._spec.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Distance in elements from one element to the next, per axis."""
        return self._spec.strides

    @property
    def T(self) -> Tensor:  # noqa: N802  (the standard's name)
        """The transpose of a tensor with two axes, as a view.

        Raises
        ------
        ShapeError
            When the tensor has not exactly two axes.
        """
        if self.ndim != 2:
            raise ShapeError(f"T needs two axes, the shape is {self.shape}; use mT or permute_dims")
        return self.mT

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The tensor with its last two axes exchanged, as a view.

        Raises
        ------
        ShapeError
            When the tensor has fewer than two axes.
        """
        if self.ndim < 2:
            raise ShapeError(f"mT needs two or more axes, the shape is {self.shape}")
        axes = (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)
        return self._call("permute", axes=axes)

    def _call(self, name: str, **attributes: Any) -> Tensor:
        result: Tensor = call(operators[name], self, **attributes)
        return result

    # Indexing

    def __getitem__(self, key: Any) -> Tensor:
        return get_item(self, key)  # type: ignore[return-value]

    def __setitem__(self, key: Any, value: Any) -> None:
        set_item(self, key, value)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise DTypeError("a tensor without axes has no len(); use size")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise DTypeError("a tensor without axes cannot be iterated; use item()")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        found = self == value
        # Where the two cannot be compared, Python has answered with False.
        return isinstance(found, Tensor) and bool(call(operators["any"], found))

    # Conversion

    def item(self) -> Any:
        """Return the only element as a Python number; waits for the device.

        Raises
        ------
        ShapeError
            When there is not exactly one element.

        Examples
        --------
        >>> import hal
        >>> hal.asarray(3.5, device="cpu:0").item()
        3.5
        """
        if self.size != 1:
            raise ShapeError(f"only a tensor of one element is a number, the shape is {self.shape}")
        host = to_host(self)
        if self.dtype.kind == "float":
            return float(host.reshape(())[()])
        return host.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers.

        Examples
        --------
        >>> import hal
        >>> hal.asarray([0, 1, 2], device="cpu:0").tolist()
        [0, 1, 2]
        """
        host = to_host(self)
        wide = self.dtype.kind == "float" and self.dtype.bits < 32
        return (host.astype(np.float32) if wide else host).tolist()

    def _scalar(self, kind: str) -> Any:
        if self.ndim:
            raise DTypeError(
                f"only a tensor without axes converts to {kind}, the shape is {self.shape}; "
                "index or reduce it first"
            )
        return self.item()

    def _real(self, kind: str) -> bool | int | float:
        if self.dtype.kind == "complex":
            raise DTypeError(
                f"a tensor of {self.dtype} does not convert to {kind}; take hal.real(x), "
                "hal.imag(x) or abs(x)"
            )
        number: bool | int | float = self._scalar(kind)
        return number

    def __bool__(self) -> bool:
        return bool(self._scalar("bool"))

    def __int__(self) -> int:
        number = self._real("int")
        if isinstance(number, float) and not math.isfinite(number):
            kind = ValueRangeError if math.isnan(number) else HalOverflowError
            raise kind(f"{number} does not convert to int; it is no whole number")
        return int(number)

    def __float__(self) -> float:
        return float(self._real("float"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        if self.dtype.kind not in ("int", "uint"):
            raise DTypeError(f"only integer tensors are indices, this one is {self.dtype}")
        return int(self._scalar("an index"))

    def numpy(self) -> Any:
        """Return a new NumPy array with the values; waits for the device.

        The array never shares memory with the tensor, so that code means the same on every device;
        ``numpy.from_dlpack(x)`` shares it where the device can.

        Returns
        -------
        numpy.ndarray
            Of the same shape; bfloat16, float8 and int4 come as ``ml_dtypes``.

        Examples
        --------
        >>> import hal
        >>> hal.ones(2, device="cpu:0").numpy()
        array([1., 1.], dtype=float32)
        """
        return to_host(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ExchangeError("a tensor becomes a NumPy array by copy only; use from_dlpack")
        host = to_host(self)
        return host if dtype is None else host.astype(dtype, copy=False)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """Return the tensor converted to a dtype.

        Parameters
        ----------
        dtype : DType or str
        copy : bool
            With False, a tensor that already has the dtype is returned itself.

        Examples
        --------
        >>> import hal
        >>> hal.asarray([1.7, -1.7], device="cpu:0").astype(hal.int32)
        Tensor([ 1, -1], dtype=int32, device='cpu:0')
        """
        wanted = as_dtype(dtype)
        if wanted is self.dtype:
            return self._call("copy") if copy else self
        return self._call("cast", dtype=wanted)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """Return the tensor on a device; itself when it is there already.

        Parameters
        ----------
        device : Device or str
        stream : Stream, optional
            The stream of the target device to copy on.

        Examples
        --------
        >>> import hal
        >>> hal.ones(2, device="cpu:0").to_device("cpu:0").device
        hal.device('cpu:0')
        """
        target = as_device(device)
        if stream is not None and (not isinstance(stream, Stream) or stream.device is not target):
            raise DTypeError(f"the stream to copy on must be one of {target}, not {stream!r}")
        if target is self.device or self.device.traces(target):
            return self
        target.check_dtype(self.dtype)
        if stream is None:
            return from_device(self, target)  # type: ignore[return-value]
        with stream:
            return from_device(self, target)  # type: ignore[return-value]

    def reshape(self, *shape: Any) -> Tensor:
        """Return the elements in another shape, as a view where the memory allows; -1 fills in.

        Examples
        --------
        >>> import hal
        >>> hal.ones(6, device="cpu:0").reshape(2, -1).shape
        (2, 3)
        """
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return self._call("reshape", shape=as_shape("reshape", wanted))

    # Reductions, under the names NumPy and PyTorch users reach for

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the sum over axes; see :func:`hal.sum`."""
        return self._call("sum", axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the mean over axes; see :func:`hal.mean`."""
        return self._call("mean", axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the largest element over axes; see :func:`hal.max`."""
        return self._call("max", axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the smallest element over axes; see :func:`hal.min`."""
        return self._call("min", axis=axis, keepdims=keepdims)

    # Exchange

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        import hal

        if api_version not in (None, *_VERSIONS):
            raise ValueRangeError(
                f"hal has no version {api_version!r} of the Array API standard; it has "
                f"{', '.join(_VERSIONS)}, whose latest is what it follows"
            )
        return hal

    def __dlpack_device__(self) -> tuple[int, int]:
        from hal.exchange import dlpack_device

        return dlpack_device(self)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        from hal.exchange import to_dlpack

        return to_dlpack(self, stream, max_version, dl_device, copy)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (to_host(self), self.device.name)

    def __repr__(self) -> str:
        if self.device.tracer is not None:
            return f"Tensor(traced, shape={self.shape}, dtype={self.dtype}, device={self.device})"
        host = to_host(self)
        if self.dtype.kind == "float" and self.dtype is not float16 and self.dtype.bits < 32:
            host = host.astype(np.float32)  # the same values, printed as floating-point numbers
        values = np.array2string(host, separator=", ", prefix="Tensor(", threshold=1000)
        shape = f", shape={self.shape}" if self.size == 0 and self.ndim > 1 else ""
        return f"Tensor({values}{shape}, dtype={self.dtype}, device={self.device.name!r})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        try:
            return format(self._scalar(f"text with the format {spec!r}"), spec)
        except ValueError as error:
            raise ValueRangeError(f"a number of {self.dtype} has no format {spec!r}") from error


def _restored(host: Any, device: str) -> Value:
    """Make a tensor again from what pickle kept: values, and the device's name."""
    return from_host(host, as_device(device))


def _add_protocols(runtime: Runtime) -> None:
    """Give tensors the attributes of a vendor's own protocols for sharing memory.

    ``__getattr__`` would do so too, but makes every other attribute slower.
    """
    for name in runtime.protocols:
        if not hasattr(Tensor, name):
            setattr(Tensor, name, property(partial(_shared, name)))


def _shared(name: str, x: Tensor) -> Any:
    from hal.exchange import vendor_protocol

    found = vendor_protocol(x, name)
    if found is None:
        raise AttributeError(f"a tensor on {x.device.name} has no {name}", name=name, obj=x)
    return found


use_tensor_class(Tensor)
when_opened.append(_add_protocols)
