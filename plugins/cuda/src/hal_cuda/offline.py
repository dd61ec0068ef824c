"""Says which kernel a GPU of some architecture has for an operator, where no GPU is."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

from hal.ops import Operator
from hal.plugin import Offer, Signature
from hal_cuda.interface import Driver
from hal_cuda.kernels import find_kernel
from hal_cuda.probe import MINIMUM_CAPABILITY
from hal_cuda.types import SUPPORTED

__all__ = ["offer"]


def offer(architecture: str, op: Operator, signature: Signature) -> Offer | None:
    """Return whether GPUs of an architecture have a kernel, and whose it is.

    Examples
    --------
    >>> import hal
    >>> from hal.ops import operators
    >>> from hal.plugin import Layout
    >>> x = Layout(hal.float32, (4, 4))
    >>> offer("sm_90", operators["add"], Signature((x, x), (x,), {}))
    Offer(native=True, detail='own kernel, compiled by NVRTC', refused=False)
    """
    found = re.fullmatch(r"sm_(\d+)(\d)", architecture)
    capability = (0, 0) if found is None else (int(found[1]), int(found[2]))
    if capability < MINIMUM_CAPABILITY:
        return None
    layouts = (*signature.inputs, *signature.outputs)
    for dtype in {x.dtype for x in layouts if x is not None}:
        if dtype not in SUPPORTED:
            return Offer(False, f"tensors on the device cannot have dtype {dtype}")
    paper = _Paper(capability)
    if find_kernel(cast(Driver, paper), op, signature) is None:
        return Offer(False, f"{op.name} has no kernel for these dtypes and layouts")
    return Offer(True, paper.served)


class _Paper:
    """A driver that finds kernels and runs none. Its libraries take whatever is asked of them."""

    index = 0
    multiprocessors = 1

    def __init__(self, capability: tuple[int, int]) -> None:
        self.capability = capability
        self.served = "own kernel, compiled by NVRTC"

    def products(self) -> Any:
        """Return a library of products."""
        return SimpleNamespace(product=self._product)

    def networks(self) -> Any:
        """Return a library of networks."""
        return SimpleNamespace(build=self._build)

    def use(self) -> None:
        """Do nothing: there is no device."""

    def transforms(self) -> Any:
        """Return a library of Fourier transforms."""
        return SimpleNamespace(plan=self._plan)

    def solvers(self) -> Any:
        """Return a library of linear algebra."""
        self.served = "cuSOLVER"
        return SimpleNamespace(kind=lambda dtype: 0)

    def _product(self, call: Any, alignment: int = 0) -> Any:
        self.served = "cuBLASLt"
        return SimpleNamespace()

    def _plan(self, transform: Any, use: Any) -> Any:
        self.served = "cuFFT"
        return SimpleNamespace()

    def _build(self, dtype: Any, make: Any, exact: bool) -> Any:
        self.served = "cuDNN"
        return SimpleNamespace()
