"""Chips that are not there: the CPU does their work, late, rounded and timed as theirs."""

from hal_cpu.emulate.kernels import Offers
from hal_cpu.emulate.runtime import EmulatedRuntime, describe

__all__ = ["EmulatedRuntime", "Offers", "describe"]
