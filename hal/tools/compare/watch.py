"""Watches a model run node by node; a second device runs beside the first, one node at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, NamedTuple

from hal.errors import DeviceError, HalError
from hal.onnx.execution import Observer, Run
from hal.onnx.graph import Step

__all__ = ["Follower", "Node", "Watch", "blamed_on"]


class Node(NamedTuple):
    """A node that has just run.

    Attributes
    ----------
    run : Run
        Whose scope still holds the node's inputs.
    step : Step
    depth : int
        0 in the main graph, one more in a branch, a loop's body or a function.
    results : tuple
    """

    run: Run
    step: Step
    depth: int
    results: tuple[Any, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What two runs of a model know a node by."""
        return self.depth, self.step.operator, self.step.outputs

    def inputs(self) -> dict[str, Any]:
        """Return the values the node was given, those its subgraphs use included."""
        names = dict.fromkeys(filter(None, (*self.step.inputs, *self.step.captured)))
        return {name: self.run.value(name, {}) for name in names}


class Watch:
    """Tells of each node once it has run, and of its subgraphs before they do.

    Parameters
    ----------
    seen : callable
        ``seen(node)``; what it returns, if it is not None, takes the place of the results.
    entered, left : callable, optional
        Called with a step that has subgraphs or a body, before and after it runs.
    """

    def __init__(
        self,
        seen: Callable[[Node], Sequence[Any] | None],
        entered: Callable[[Step], None] | None = None,
        left: Callable[[Step], None] | None = None,
    ) -> None:
        self._seen = seen
        self._entered = entered
        self._left = left
        self._depth = 0

    def __call__(self, run: Run, step: Step, call: Callable[[], Any]) -> Any:
        """Run one node."""
        if self._entered is not None:
            self._entered(step)
        self._depth += 1
        try:
            results = tuple(call())
        finally:
            self._depth -= 1
            if self._left is not None:
                self._left(step)
        instead = self._seen(Node(run, step, self._depth, results))
        return results if instead is None else instead


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Have errors of a block say on which device they happened, where they do not yet."""
    try:
        yield
    except DeviceError:
        raise
    except HalError as error:
        error.args = (f"{name}: {error}",)
        raise


class _Stopped(BaseException):
    """Ends a run that nobody follows any more."""


class Follower:
    """Runs a model in a thread of its own, and stands still after each node.

    Parameters
    ----------
    work : callable
        ``work(observer)`` loads and runs the model.
    name : str
        The device's, for errors.
    """

    def __init__(self, work: Callable[[Observer], Any], name: str) -> None:
        self._work = work
        self._name = name
        self._news: queue.Queue[Node | BaseException | None] = queue.Queue(1)
        self._go = threading.Semaphore(0)
        self._instead: Sequence[Any] | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._over = False

    def next(self) -> Node | None:
        """Let the run go on until its next node has run; None when there is none left.

        Raises
        ------
        HalError
            What went wrong in the run.
        """
        if self._over:
            return None
        if self._thread is None:
            # The precision, the policy and whatever else the caller chose hold there too.
            context = copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
            self._thread.start()
        else:
            self._go.release()
        news = self._news.get()
        if isinstance(news, Node):
            return news
        self._over = True
        self._thread.join()
        if news is not None:
            raise news
        return None

    def answer(self, results: Sequence[Any]) -> None:
        """Have the run go on with these results of the node it stands at."""
        self._instead = results

    def close(self) -> None:
        """End the run, wherever it is."""
        if self._thread is not None and not self._over:
            self._over = self._stopping = True
            self._go.release()
            self._thread.join()

    def _run(self) -> None:
        try:
            with blamed_on(self._name):
                self._work(Watch(self._pause))
        except _Stopped:
            return
        except BaseException as error:
            self._news.put(error)
        else:
            self._news.put(None)

    def _pause(self, node: Node) -> Sequence[Any] | None:
        self._news.put(node)
        del node
        self._go.acquire()
        if self._stopping:
            raise _Stopped
        instead, self._instead = self._instead, None
        return instead
