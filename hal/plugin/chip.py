"""What a chip can do, as figures: memory, rates, dtypes, rounding. Read from a small TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hal.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
)
from hal.errors import HalError, ValueRangeError
from hal.plugin.roofline import Product, product_seconds

__all__ = ["Chip", "Cost", "Estimate", "Offer"]

ROUNDINGS = ("float16", "bfloat16", "tf32", "hf32")
_HALVES: dict[str, DType] = {"float16": float16, "bfloat16": bfloat16}
_PARTS = {complex64: float32, complex128: float64}


class Cost(NamedTuple):
    """The work in one call of an operator; :func:`hal.ops.cost` counts it.

    Attributes
    ----------
    matrix : float
        Floating-point operations of matrix products, a multiplication and an addition as two.
    vector : float
        Every other operation, one per element and step.
    nbytes : int
        Bytes read and written once each, as if everything between stayed in registers.
    dtype : DType
        What the arithmetic is done in: that of the first floating-point input, else of the output.
    precision : str
        How exact products must be, as :func:`hal.precision` says it.
    products : tuple of Product
        What ``matrix`` is the sum of, where it is known.
    """

    matrix: float
    vector: float
    nbytes: int
    dtype: DType
    precision: str = "highest"
    products: tuple[Product, ...] = ()


class Estimate(NamedTuple):
    """A predicted time in seconds, and what bounds it: matrix, vector, memory or launch."""

    seconds: float
    bound: str


class Offer(NamedTuple):
    """Whether a chip has a kernel, asked without the chip.

    Attributes
    ----------
    native : bool
    detail : str
        The vendor's operator that serves it; else the reason why none does.
    refused : bool
        Whether the runtime raises ``Unsupported`` when it is asked for the kernel, so that neither
        a decomposition nor the host takes over: where that would hide a choice from the user.
    """

    native: bool
    detail: str
    refused: bool = False


@dataclass(frozen=True)
class Chip:
    """One kind of chip, as far as hal needs to emulate it and to predict its times.

    Rates are what the vendor states as the peak; ``efficiency`` says what share of it is reached.

    Attributes
    ----------
    name : str
        Lower-case words joined by hyphens, such as ``"vendor-x100"``.
    description : str
        The product's name.
    backend : str
        The name of the backend whose devices are such chips.
    architecture : str
        What that backend calls it in ``DeviceInfo.architecture``.
    memory : int
        Bytes.
    bandwidth : float
        Bytes per second between memory and the chip's units.
    matrix : mapping of DType to float
        Operations per second in matrix products, by the dtype of the inputs.
    vector : mapping of DType to float
        Operations per second in everything else.
    rounded : mapping of str to float
        Operations per second in matrix products whose inputs are rounded to what is no dtype of
        its own: ``"tf32"``, ``"hf32"``.
    dtypes : tuple of DType
        What tensors may have.
    alignment : int
        Buffers start at a multiple of this many bytes.
    launch : float
        Seconds between the start of one short kernel and that of the next, each enqueued alone.
    start : float
        Seconds that a kernel of a recorded program takes before and after its work proper.
    cores : int
        How many share a product's tiles; 0 where it is not known, and every product fills them.
    cache : int
        Bytes of the cache that all cores share.
    cache_bandwidth : float
        Bytes per second from it.
    host_bandwidth, host_latency : float
        Copies between host and chip: bytes per second, and seconds for each.
    link_bandwidth : float
        Bytes per second to a neighbouring chip, one direction.
    efficiency : mapping of str to float
        The share of the peak that good kernels reach, for ``"matrix"``, ``"vector"`` and
        ``"memory"``.
    products : mapping of DType to str
        How a product's inputs are rounded before they are multiplied, by precision setting, where
        it is not to their own dtype; in the file, for example, ``products.float32.high = "tf32"``.
    flush_subnormals : bool
        Whether arithmetic takes subnormal numbers for zero.
    sources : mapping of str to str
        Where each figure comes from.

    Examples
    --------
    >>> import hal
    >>> chip = Chip("x-1", "X 1", "x", "x1", 2**30, 1e12, {hal.float32: 1e13}, {hal.float32: 1e12},
    ...             (hal.float32,), launch=1e-6)
    >>> chip.estimate(Cost(matrix=0, vector=0, nbytes=2_000_000_000, dtype=hal.float32))
    Estimate(seconds=0.002, bound='memory')
    """

    name: str
    description: str
    backend: str
    architecture: str
    memory: int
    bandwidth: float
    matrix: Mapping[DType, float]
    vector: Mapping[DType, float]
    dtypes: tuple[DType, ...]
    alignment: int = 64
    launch: float = 0.0
    start: float = 0.0
    cores: int = 0
    cache: int = 0
    cache_bandwidth: float = 0.0
    host_bandwidth: float = 16e9
    host_latency: float = 10e-6
    link_bandwidth: float = 0.0
    efficiency: Mapping[str, float] = field(default_factory=dict)
    products: Mapping[DType, Mapping[str, str]] = field(default_factory=dict)
    rounded: Mapping[str, float] = field(default_factory=dict)
    flush_subnormals: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    def estimate(self, cost: Cost, *, cold: int | None = None, recorded: bool = False) -> Estimate:
        """Predict the time of one kernel: it calculates while it moves bytes, after it started.

        Products of a dtype that the matrix unit lacks are left to the vector unit. There, integers
        and bool without a rate of their own have float32's; any other dtype the lowest there is.

        Parameters
        ----------
        cost : Cost
        cold : int, optional
            How many of the bytes cannot lie in the cache, such as those of weights; all when left
            out.
        recorded : bool
            Whether the kernel is one of a recorded program; else it is enqueued alone, and the
            host needs ``launch`` for each.
        """
        parts = {
            "matrix": self._matrix_time(cost),
            "vector": self._time("vector", cost.vector, self._vector_rate(cost.dtype)),
            "memory": self._memory_time(cost.nbytes, cost.nbytes if cold is None else cold),
        }
        bound = max(parts, key=lambda part: parts[part])
        work = max(parts["matrix"] + parts["vector"], parts["memory"])
        seconds = self.start + work
        if not recorded:
            seconds = max(seconds, self.launch)
        return Estimate(seconds, bound if 2 * work >= seconds else "launch")

    def _time(self, unit: str, operations: float, rate: float) -> float:
        return operations / (rate * self.efficiency.get(unit, 1.0))

    def _matrix_time(self, cost: Cost) -> float:
        """Return the time of all products; one without enough rows or columns may go elsewhere."""
        rate = self._product_rate(cost)
        if not self.cores or not cost.products:
            return self._time("matrix", cost.matrix, rate)
        reached = rate * self.efficiency.get("matrix", 1.0)
        feed, itemsize = self.cache_bandwidth, cost.dtype.itemsize
        vector = self._vector_rate(cost.dtype)
        return sum(
            min(
                product_seconds(product, reached, self.cores, feed, itemsize),
                self._time("vector", product.operations, vector),
            )
            for product in cost.products
        )

    def _memory_time(self, nbytes: int, cold: int) -> float:
        """Return the time of moving bytes: what was made just before is partly in the cache.

        Half of the cache is taken to hold it, the other half what is read and written now.
        """
        share = self.efficiency.get("memory", 1.0)
        if not self.cache_bandwidth:
            return nbytes / (self.bandwidth * share)
        cached = min(nbytes - cold, self.cache // 2)
        return (nbytes - cached) / (self.bandwidth * share) + cached / (
            self.cache_bandwidth * share
        )

    def _product_rate(self, cost: Cost) -> float:
        rounding = self.products.get(cost.dtype, {}).get(cost.precision, "")
        if rounding in self.rounded:
            return self.rounded[rounding]
        if _HALVES.get(rounding) in self.matrix:
            return self.matrix[_HALVES[rounding]]
        dtype = _PARTS.get(cost.dtype, cost.dtype)
        return self.matrix.get(dtype) or self._vector_rate(dtype)

    def _vector_rate(self, given: DType) -> float:
        dtype = _PARTS.get(given, given)
        rate = self.vector.get(dtype)
        if rate is None and dtype.kind in ("bool", "int", "uint"):
            rate = self.vector.get(float32)
        return rate or min(self.vector.values())

    @classmethod
    def read(cls, path: str | Path) -> Chip:
        """Read a chip from a TOML file, whose keys are the attributes.

        Raises
        ------
        ValueRangeError
            When the file is no TOML, lacks a figure, has one too many or a wrong one.
        FileNotFoundError
            When there is no such file.
        """
        source = Path(path)
        try:
            data = tomllib.loads(source.read_text(encoding="utf-8"))
            return cls(**_converted(data))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError, HalError) as e:
            raise ValueRangeError(f"{source} describes no chip: {e}") from None


def _converted(data: dict[str, Any]) -> dict[str, Any]:
    found = dict(data)
    for unit in ("matrix", "vector"):
        if unit in found:
            found[unit] = {as_dtype(k): _positive(f"{unit}.{k}", v) for k, v in found[unit].items()}
            if not found[unit]:
                raise ValueError(f"{unit} names no rate")
    for rounding, rate in found.get("rounded", {}).items():
        _positive(f"rounded.{rounding}", rate)
        if rounding not in ROUNDINGS:
            raise ValueError(
                f"rounded.{rounding} is unknown; a rounding is one of {', '.join(ROUNDINGS)}"
            )
    for figure in (
        "memory", "bandwidth", "alignment", "host_bandwidth", "cores", "cache", "cache_bandwidth",
    ):  # fmt: skip
        if figure in found:
            _positive(figure, found[figure])
    if "dtypes" in found:
        found["dtypes"] = tuple([as_dtype(name) for name in found["dtypes"]])
    for unit, share in found.get("efficiency", {}).items():
        if unit not in ("matrix", "vector", "memory") or not 0 < share <= 1:
            raise ValueError(
                f"efficiency.{unit} is {share}; matrix, vector and memory have one, up to 1"
            )
    products = {}
    for name, rules in found.get("products", {}).items():
        for setting, rounding in rules.items():
            if setting not in ("highest", "high", "medium") or rounding not in ROUNDINGS:
                raise ValueError(
                    f"products.{name}.{setting} is {rounding!r}; a setting is highest, high or "
                    f"medium, a rounding one of {', '.join(ROUNDINGS)}"
                )
        products[as_dtype(name)] = rules
    found["products"] = products
    return found


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name} is {value!r}; it must be a number above zero")
    return value
