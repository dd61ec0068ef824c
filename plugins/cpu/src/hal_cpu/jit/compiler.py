"""LLVM: compiles its language for this processor, and loads what the loader here cannot.

Imported only when something has to be compiled: LLVM takes tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import llvmlite.binding as llvm

__all__ = ["compiled", "loaded", "processor"]


def compiled(text: str) -> bytes:
    """Return the object file of an LLVM module."""
    machine = _compiler()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_unrolling = True
    options.slp_vectorization = True
    llvm.create_pass_builder(machine, options).getModulePassManager().run(
        module, llvm.create_pass_builder(machine, options)
    )
    code: bytes = machine.emit_object(module)
    return code


def loaded(
    code: bytes, symbols: Mapping[str, int], names: tuple[str, ...]
) -> tuple[Any, list[int]]:
    """Return what keeps an object file's code in memory, and where functions of it lie."""
    for symbol, place in symbols.items():
        llvm.add_symbol(symbol, place)
    # The engine takes the machine over and ends it.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine, [engine.get_function_address(name) for name in names]


def processor() -> str:
    """Return what LLVM calls this processor, with all that it can do."""
    features = ",".join(sorted(f for f, there in llvm.get_host_cpu_features().items() if there))
    return f"{llvm.get_host_cpu_name()} {features}"


@cache
def _compiler() -> Any:
    return _machine()


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    # Small code that refers by distance is what the loader can place anywhere.
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="small"
    )
