"""Passes: functions from a program to a program that does the same, sooner."""

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
from hal.program.passes.pipeline import optimize
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

__all__ = [
    "common_subexpressions",
    "dead_code",
    "expand_powers",
    "find_attention",
    "find_gelu",
    "find_norms",
    "find_softmax",
    "fold_constants",
    "fold_divisors",
    "fold_padding",
    "fold_scales",
    "fuse_elementwise",
    "fuse_epilogues",
    "fuse_reductions",
    "join_biases",
    "keep_order",
    "lay_channels_last",
    "merge_linears",
    "name_linears",
    "optimize",
    "pack_constants",
    "read_in_place",
    "shape_linears",
    "slice_takes",
    "split_biases",
    "spread_norms",
    "write_in_place",
]
