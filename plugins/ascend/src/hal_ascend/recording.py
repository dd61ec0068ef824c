"""Model capture: what a stream was given, kept to be run again at once."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from hal_ascend.codes import ENUMS
from hal_ascend.library import Cann
from hal_ascend.pool import Block, Queue

__all__ = ["Recording", "record"]

# Other threads may use the device meanwhile, and memory may be allocated.
_RELAXED = ENUMS["ACL_MODEL_RI_CAPTURE_MODE_RELAXED"]


class Recording:
    """A captured model, and the memory it works in besides its arrays.

    Parameters
    ----------
    model : int
    blocks : list of Block
        What kernels borrowed during the capture; the model uses it each time it runs.
    queue : Queue
        The stream that it was last given to.
    retire : callable
        Takes model, blocks and queue when the recording is dropped.
    """

    __slots__ = ("__weakref__", "_blocks", "_retire", "model", "queue")

    def __init__(
        self,
        model: int,
        blocks: list[Block],
        queue: Queue,
        retire: Callable[[int, list[Block], Queue], None],
    ) -> None:
        self.model = model
        self.queue = queue
        self._blocks = blocks
        self._retire = retire

    def __del__(self) -> None:
        self._retire(self.model, self._blocks, self.queue)


def record(
    cann: Cann,
    queue: Queue,
    enqueue: Callable[[], None],
    retire: Callable[[int, list[Block], Queue], None],
) -> Recording:
    """Capture what ``enqueue()`` puts on the stream; whoever calls has waited for the stream."""
    cann.check(cann.aclmdlRICaptureBegin(queue.handle, _RELAXED), "aclmdlRICaptureBegin")
    kept: list[Block] = []
    queue.kept = kept
    model = ctypes.c_void_p()
    try:
        enqueue()
    except BaseException:
        queue.kept = None
        if cann.aclmdlRICaptureEnd(queue.handle, ctypes.byref(model)) == 0:
            cann.aclmdlRIDestroy(model)
        cann.aclGetRecentErrMsg()
        queue.give_back(kept)
        raise
    queue.kept = None
    code = cann.aclmdlRICaptureEnd(queue.handle, ctypes.byref(model))
    if code:
        queue.give_back(kept)
        raise cann.error(code, "aclmdlRICaptureEnd")
    return Recording(model.value or 0, kept, queue, retire)
