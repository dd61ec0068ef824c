"""Profiles: what ran, where, for how long, in a table and as a trace for viewers."""

from hal.profiling.events import MemoryEvent, ProfileEvent
from hal.profiling.profile import Profile
from hal.profiling.rows import ProfileRow

__all__ = ["MemoryEvent", "Profile", "ProfileEvent", "ProfileRow"]
