"""Device memory for the time of one call of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Scratch"]


class Scratch:
    """Takes memory in the order of a stream, and gives it back behind what was enqueued.

    The device is the thread's meanwhile, as the vendor's libraries expect. Whoever has it keep host
    memory waits for the work before the end; where an error comes first, that is done here.

    ``with Scratch(driver, stream) as scratch: address = scratch(nbytes)``
    """

    def __init__(self, driver: Driver, stream: Any) -> None:
        self.driver = driver
        self.stream = stream
        self._taken: list[Any] = []
        self._kept: list[Any] = []

    def __call__(self, nbytes: int) -> int:
        """Return the address of so many bytes."""
        buffer = self.driver.allocate(max(nbytes, 1), self.stream)
        self._taken.append(buffer)
        return int(buffer.pointer)

    def filled(self, host: Any) -> int:
        """Return the address of a copy of a host array that does not change."""
        address = self(host.nbytes)
        self.driver.copy_in(address, self.keep(host).ctypes.data, host.nbytes, self.stream)
        return address

    def keep(self, host: Any) -> Any:
        """Return a host array that must be there until the work is done."""
        self._kept.append(host)
        return host

    def __enter__(self) -> Scratch:
        self.driver.use()
        return self

    def __exit__(self, *exception: object) -> None:
        for buffer in self._taken:
            self.driver.free(buffer, self.stream)
        if self._kept and exception[0] is not None:
            self.driver.synchronize(self.stream)
