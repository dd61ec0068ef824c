"""Which passes a program goes through, in which order."""

from __future__ import annotations

from hal.device import Device
from hal.plugin import Program
from hal.program.passes.attention import find_attention
from hal.program.passes.channels import lay_channels_last
from hal.program.passes.common import common_subexpressions
from hal.program.passes.constants import pack_constants, slice_takes
from hal.program.passes.convolutions import fold_divisors, fold_padding
from hal.program.passes.copies import keep_order, read_in_place, write_in_place
from hal.program.passes.dead import dead_code
from hal.program.passes.epilogues import fuse_epilogues
from hal.program.passes.fold import fold_constants
from hal.program.passes.fuse import fuse_elementwise
from hal.program.passes.gelu import expand_powers, find_gelu
from hal.program.passes.norms import find_norms
from hal.program.passes.products import (
    join_biases,
    merge_linears,
    name_linears,
    split_biases,
)
from hal.program.passes.reductions import fuse_reductions
from hal.program.passes.scales import fold_scales, spread_norms
from hal.program.passes.shapes import shape_linears
from hal.program.passes.softmax import find_softmax

__all__ = ["optimize"]


def optimize(program: Program, device: Device) -> Program:
    """Return the program simplified for a device: less to run, the same results.

    Examples
    --------
    >>> import hal
    >>> from hal.program import optimize, record
    >>> cpu = hal.device("cpu:0")
    >>> x = hal.ones(4, device=cpu)
    >>> program = record("f", cpu, [x], lambda xs: [(xs[0] + 1) * (xs[0] + 1)])
    >>> len(program.calls), len(optimize(program, cpu).calls) <= 2
    (3, True)
    """
    program = dead_code(program)
    program = fold_constants(program, device)
    program = common_subexpressions(program)
    program = slice_takes(program, device)
    program = fold_divisors(fold_padding(program, device), device)
    program = find_norms(expand_powers(program, device), device)
    program = find_gelu(find_softmax(program, device), device)
    program = read_in_place(find_attention(program, device), device)
    program = fold_scales(join_biases(name_linears(program, device)), device)
    program = spread_norms(program, device)
    program = shape_linears(merge_linears(program, device), device)
    program = split_biases(program, device)
    program = pack_constants(program, device)
    program = keep_order(fuse_elementwise(program, device), device)
    program = fuse_epilogues(lay_channels_last(program, device), device)
    return dead_code(write_in_place(fuse_reductions(program, device), device))
