"""Compares the numbers of a model on two devices, value by value, and finds who made them differ.

>>> from onnx import parser
>>> from hal.tools.compare import compare
>>> model = parser.parse_model('''
...     <ir_version: 10, opset_import: ["" : 22]>
...     net (float[2, 3] x) => (float[2, 2] y)
...     <float[3, 2] w = {1, 2, 3, 4, 5, 6}> { h = MatMul(x, w) y = Relu(h) }
... ''')
>>> found = compare(model, "cpu:0", "cpu:0")
>>> found.ok, [row.value for row in found.rows]
(True, ['h', 'y'])
"""

from hal.tools.compare.difference import Difference
from hal.tools.compare.golden import GoldenReader
from hal.tools.compare.report import to_html
from hal.tools.compare.result import Comparison, Row
from hal.tools.compare.runs import compare, save_golden

__all__ = [
    "Comparison",
    "Difference",
    "GoldenReader",
    "Row",
    "compare",
    "save_golden",
    "to_html",
]
