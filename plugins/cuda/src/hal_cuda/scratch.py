"""Device memory for the time of one call of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Scratch"]


class Scratch:
    """Takes memory in the order of a stream, and gives it back behind what was enqueued.

    The device is the thread's meanwhile, as the vendor's libraries expect.

    ``with Scratch(driver, stream) as scratch: address = scratch(nbytes)``
    """

    def __init__(self, driver: Driver, stream: Any) -> None:
        self.driver = driver
        self.stream = stream
        self._taken: list[Any] = []

    def __call__(self, nbytes: int) -> int:
        """Return the address of so many bytes."""
        buffer = self.driver.allocate(max(nbytes, 1), self.stream)
        self._taken.append(buffer)
        return int(buffer.pointer)

    def __enter__(self) -> Scratch:
        self.driver.use()
        return self

    def __exit__(self, *exception: object) -> None:
        for buffer in self._taken:
            self.driver.free(buffer, self.stream)
