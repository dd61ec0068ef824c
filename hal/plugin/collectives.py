"""What devices do together: one communicator per device, in one process or in many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["REDUCTIONS", "Communicator"]

REDUCTIONS = ("sum", "prod", "max", "min")
"""How values that meet are combined."""


class Communicator(ABC):
    """One device's end of a group in which every device calls the same collectives in one order.

    Made by ``Runtime.communicator``. Arrays are what ``Runtime.view`` returned, C-contiguous and of
    one dtype; work is enqueued on the stream, and completes when the others' has joined it.

    Attributes
    ----------
    rank, size : int
        This device's number in the group, from 0, and how many there are.
    """

    rank: int
    size: int

    @abstractmethod
    def all_reduce(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine every device's input elementwise into every device's output."""

    @abstractmethod
    def all_gather(self, output: Any, input: Any, stream: Any) -> None:
        """Lay every device's input behind one another, by rank, in every device's output."""

    @abstractmethod
    def reduce_scatter(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine the inputs, of ``size`` equal parts, and give each device its rank's part."""

    @abstractmethod
    def broadcast(self, array: Any, root: int, stream: Any) -> None:
        """Copy the array of device ``root`` into that of every other device."""

    @abstractmethod
    def send(self, array: Any, to: int, stream: Any) -> None:
        """Send an array to a device that receives one of the same size and dtype."""

    @abstractmethod
    def receive(self, array: Any, source: int, stream: Any) -> None:
        """Receive into an array what another device sends."""

    def close(self) -> None:
        """Leave the group; every device must."""
