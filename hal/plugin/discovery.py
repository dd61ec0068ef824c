"""Finds plugins by entry point and by hand, and keeps one that fails from harming the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hal.errors import PluginError
from hal.plugin.contract import CONTRACT_VERSION, Backend
from hal.plugin.values import Devices

# pluggy and the distributions' metadata are read at the first use of a device, not at import.
if TYPE_CHECKING:
    from importlib import metadata

    import pluggy

__all__ = [
    "GROUP",
    "PluginFailure",
    "backends",
    "devices_of",
    "failures",
    "hookimpl",
    "register",
    "unregister",
]

GROUP = "hal.plugins"
"""The entry-point group plugins are found in; also the name pluggy's markers use."""

F = TypeVar("F", bound=Callable[..., Any])


def hookimpl(function: F) -> F:
    """Mark a function of a plugin as hal's hook: ``hal_backend``, which returns the backend.

    Examples
    --------
    >>> from hal.plugin import hookimpl
    >>> @hookimpl
    ... def hal_backend():
    ...     return MyBackend()
    """
    import pluggy

    return pluggy.HookimplMarker(GROUP)(function)


def _new_manager() -> pluggy.PluginManager:
    import pluggy

    class Hooks:
        @pluggy.HookspecMarker(GROUP)
        def hal_backend(self) -> Backend:  # type: ignore[empty-body]
            """Return the plugin's backend; constructing it touches no driver."""

    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    return manager


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that is installed but not loaded, with why and what to do.

    Attributes
    ----------
    name : str
        The entry point's name, by convention the backend's.
    distribution : str
        The installed distribution that brings it; empty when registered by hand.
    reason, remedy : str
    """

    name: str
    distribution: str
    reason: str
    remedy: str


_lock = threading.RLock()
_manager: pluggy.PluginManager | None = None
_pending: list[metadata.EntryPoint] = []
"""Plugins that are installed and not yet loaded."""
_backends: dict[str, Backend] = {}
_failures: dict[str, PluginFailure] = {}


def backends() -> dict[str, Backend]:
    """Return the loaded backends by name, discovering plugins at the first call.

    Examples
    --------
    >>> from hal.plugin import backends
    >>> "cpu" in backends()
    True
    """
    _discover()
    return dict(_backends)


def backend(name: str) -> Backend | None:
    """Return the backend of a name, or None; no other plugin is loaded if one is called so.

    Examples
    --------
    >>> from hal.plugin.discovery import backend
    >>> backend("cpu").name
    'cpu'
    """
    with _lock:
        _installed()
        if name not in _backends:
            for entry in [e for e in _pending if e.name == name]:
                _pending.remove(entry)
                _load_entry(entry)
        if name not in _backends:
            _discover()
        return _backends.get(name)


def devices_of(backend: Backend) -> Devices:
    """Return the devices of a backend; none, with the reason, when it raises instead of answering.

    Examples
    --------
    >>> from hal.plugin import backends
    >>> from hal.plugin.discovery import devices_of
    >>> devices_of(backends()["cpu"]).found[0].index
    0
    """
    try:
        return backend.devices()
    # One plugin that fails to look for its devices takes away nobody else's.
    except Exception as error:
        return Devices(
            (),
            reason=f"looking for its devices raised {type(error).__name__}: {error}",
            remedy=f"update or reinstall the plugin that provides {backend.name!r}",
        )


def failures() -> dict[str, PluginFailure]:
    """Return the plugins that could not be loaded, by name.

    Examples
    --------
    >>> from hal.plugin import failures
    >>> all(failure.reason and failure.remedy for failure in failures().values())
    True
    """
    _discover()
    return dict(_failures)


def register(plugin: Any, name: str | None = None) -> Backend:
    """Load a plugin by hand, as tests and notebooks do.

    Parameters
    ----------
    plugin : object
        A module or object with a ``hal_backend`` hook marked by :data:`hookimpl`.
    name : str, optional
        A name for error messages.

    Returns
    -------
    Backend

    Raises
    ------
    PluginError
        When the plugin gives no backend, or one that hal cannot use.

    Examples
    --------
    >>> from hal.plugin import Backend, Devices, hookimpl, register, unregister
    >>> class Absent(Backend):
    ...     name = "absent"
    ...     def devices(self):
    ...         return Devices((), reason="no card answers", remedy="plug one in")
    ...     def open(self, index):
    ...         raise NotImplementedError
    >>> class Plugin:
    ...     @hookimpl
    ...     def hal_backend(self):
    ...         return Absent()
    >>> register(Plugin()).devices().reason
    'no card answers'
    >>> unregister("absent")
    """
    with _lock:
        _discover()
        return _load(plugin, name or str(getattr(plugin, "__name__", type(plugin).__name__)))


def unregister(name: str) -> None:
    """Forget the backend of this name; its open devices stay usable.

    Raises
    ------
    PluginError
        When no backend has this name.

    Examples
    --------
    >>> from hal.plugin import unregister
    >>> unregister("nothing")
    Traceback (most recent call last):
    hal.errors.PluginError: no backend is named 'nothing'; loaded are: ...
    """
    with _lock:
        manager = _discover()
        if name not in _backends:
            raise PluginError(f"no backend is named {name!r}; loaded are: {', '.join(_backends)}")
        del _backends[name]
        for plugin in manager.get_plugins():
            if manager.get_name(plugin) == name:
                manager.unregister(plugin)


def _installed() -> pluggy.PluginManager:
    """Find out which plugins are installed, without loading them."""
    global _manager
    with _lock:
        if _manager is None:
            from importlib import metadata

            _manager = _new_manager()
            _pending.extend(metadata.entry_points(group=GROUP))
        return _manager


def _discover() -> pluggy.PluginManager:
    """Load every plugin that is installed."""
    with _lock:
        manager = _installed()
        while _pending:
            _load_entry(_pending.pop(0))
        return manager


def _load_entry(entry: metadata.EntryPoint) -> None:
    distribution = entry.dist.name if entry.dist is not None else ""
    try:
        _load(entry.load(), entry.name)
    # A plugin may fail in any way while it is imported; none may take hal down with it.
    except Exception as error:
        package = distribution or entry.name
        _failures[entry.name] = PluginFailure(
            entry.name,
            distribution,
            reason=str(error)
            if isinstance(error, PluginError)
            else f"importing {entry.value} raised {type(error).__name__}: {error}",
            remedy=f"update or reinstall it: pip install --upgrade {package}",
        )


def _load(plugin: Any, name: str) -> Backend:
    manager = _installed()
    scratch = _new_manager()
    scratch.register(plugin)
    found = scratch.hook.hal_backend()
    if len(found) != 1:
        raise PluginError(
            f"plugin {name!r} has {len(found)} hal_backend hooks; it must have exactly one, "
            "marked with hal.plugin.hookimpl"
        )
    backend = found[0]
    if not isinstance(backend, Backend):
        raise PluginError(
            f"plugin {name!r} returned {type(backend).__name__} from hal_backend; "
            "it must return a hal.plugin.Backend"
        )
    major = backend.contract[0]
    if major != CONTRACT_VERSION[0]:
        raise PluginError(
            f"plugin {name!r} was written for contract {major}.{backend.contract[1]}, "
            f"this hal has contract {CONTRACT_VERSION[0]}.{CONTRACT_VERSION[1]}"
        )
    if not backend.name.isidentifier():
        raise PluginError(
            f"plugin {name!r} names its backend {backend.name!r}; "
            "a name has letters, digits and underscores only"
        )
    if backend.name in _backends:
        raise PluginError(f"plugin {name!r}: a backend named {backend.name!r} is already loaded")
    manager.register(plugin, name=backend.name)
    _backends[backend.name] = backend
    return backend
