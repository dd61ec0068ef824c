"""What a model may ask for before hal refuses it: a model file is not trusted."""

from __future__ import annotations

from dataclasses import dataclass, fields

from hal.errors import ModelError, ValueRangeError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds on what a model may take; raise them for models you trust.

    Attributes
    ----------
    model_bytes : int
        Size of the model file, without external data. Protocol buffers end at 2 GiB.
    value_bytes : int
        Size of one tensor, weight or result. It is checked before memory is taken.
    total_bytes : int
        Size of all weights together.
    depth : int
        How deep subgraphs and functions may be nested.
    nodes : int
        Number of nodes, those of subgraphs and of functions at each place of use included.
    iterations : int
        Turns of all loops of one run together.

    Examples
    --------
    >>> import hal.onnx
    >>> hal.onnx.Limits(value_bytes=2**40).depth
    32
    """

    model_bytes: int = 2**31
    value_bytes: int = 2**34
    total_bytes: int = 2**38
    depth: int = 32
    nodes: int = 1_000_000
    iterations: int = 10_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueRangeError(
                    f"the limit {field.name} is {value!r}; it must be an integer of 0 or more"
                )

    def check(self, name: str, value: int, what: str) -> None:
        """Raise when a value is above the limit of that name.

        Raises
        ------
        ModelError
        """
        limit = getattr(self, name)
        if value > limit:
            raise ModelError(
                f"{what} is {value}, the limit is {limit}; if you trust the model, raise it with "
                f"hal.onnx.Limits({name}=...)"
            )
