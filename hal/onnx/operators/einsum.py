"""Sums of products written as an equation."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import flat_size, transpose
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of

Labels = list[str]


def _parsed(equation: str, ndims: list[int]) -> tuple[list[Labels], Labels]:
    """Return the labels of each operand and of the result; an ellipsis becomes labels too."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueRangeError(f"the equation {equation!r} does not fit {len(ndims)} operands")
    most = 0
    for term, ndim in zip(terms, ndims, strict=True):
        most = max(most, ndim - len(term.replace("...", "")) if "..." in term else 0)
    operands = []
    for term, ndim in zip(terms, ndims, strict=True):
        width = ndim - len(term.replace("...", ""))
        operands.append(_labels(equation, term, width, most))
        if len(operands[-1]) != ndim:
            raise ShapeError(f"{term!r} of {equation!r} does not fit an operand of {ndim} axes")
    if arrow:
        result = _labels(equation, right, most, most)
    else:
        counts = Counter(letter for labels in operands for letter in labels)
        dots = [f"{i}" for i in range(most)]
        result = dots + sorted(c for c, n in counts.items() if n == 1 and c not in dots)
    known = {letter for labels in operands for letter in labels}
    if len(set(result)) != len(result) or not set(result) <= known:
        raise ValueRangeError(f"the result of {equation!r} names an axis twice or an unknown one")
    return operands, result


def _labels(equation: str, term: str, width: int, most: int) -> Labels:
    before, dots, after = term.partition("...")
    letters = before + after
    if not all(c.isalpha() for c in letters):
        raise ValueRangeError(f"the equation {equation!r} is not made of letters, ... , and ->")
    middle = [f"{i}" for i in range(most - width, most)] if dots else []
    return [*before, *middle, *after]


def _diagonal(F: Any, x: Any, labels: Labels) -> tuple[Any, Labels]:
    """Return x with each label once: its diagonal where one comes twice."""
    while len(set(labels)) != len(labels):
        letter = next(c for c, n in Counter(labels).items() if n > 1)
        first, second = [a for a, c in enumerate(labels) if c == letter][:2]
        if x.shape[first] != x.shape[second]:
            raise ShapeError(f"the axes of {letter!r} have sizes {x.shape[first]}, "
                             f"{x.shape[second]}; they must be equal")  # fmt: skip
        rest = [a for a in range(len(labels)) if a not in (first, second)]
        x = F.copy(F.diagonal(transpose(F, x, (*rest, first, second))))
        labels = [*(labels[a] for a in rest), letter]
    return x, labels


def _summed(F: Any, x: Any, labels: Labels, keep: set[str]) -> tuple[Any, Labels]:
    axes = tuple(a for a, c in enumerate(labels) if c not in keep)
    if not axes:
        return x, labels
    found = F.sum(x, axis=axes, keepdims=False, dtype=dtype_of(x))
    return found, [c for c in labels if c in keep]


def _multiplied(F: Any, x: Any, a: Labels, y: Any, b: Labels, keep: set[str]) -> tuple[Any, Labels]:
    """Return the product of two operands, summed over the labels that nothing needs any more."""
    sizes = dict(zip(a, x.shape, strict=True))
    for c, n in zip(b, y.shape, strict=True):
        if sizes.get(c, 1) not in (1, n) and n != 1:
            raise ShapeError(f"the axis {c!r} has sizes {sizes[c]} and {n}")
        sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    batch = [c for c in a if c in b and c in keep]
    contracted = [c for c in a if c in b and c not in keep]
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]

    def grouped(value: Any, labels: Labels, *groups: Labels) -> Any:
        order = [labels.index(c) for group in groups for c in group]
        value = transpose(F, value, order)
        shape = tuple(sizes[c] for group in groups for c in group)
        value = F.broadcast_to(value, shape=shape)
        parts = [flat_size([sizes[c] for c in group]) for group in groups]
        return F.reshape(value, shape=(*(sizes[c] for c in groups[0]), *parts[1:]))

    left = grouped(x, a, batch, rows, contracted)
    right = grouped(y, b, batch, contracted, columns)
    labels = [*batch, *rows, *columns]
    return F.reshape(F.matmul(left, right), shape=tuple(sizes[c] for c in labels)), labels


@operator("Einsum")
def _einsum(F: Any, *inputs: Any, equation: str) -> Any:
    operands, result = _parsed(equation, [len(x.shape) for x in inputs])
    done, labels = _diagonal(F, inputs[0], operands[0])
    for n in range(1, len(inputs)):
        needed = set(result).union(*operands[n:])
        done, labels = _summed(F, done, labels, needed)
        later = set(result).union(*operands[n + 1 :])
        other, names = _diagonal(F, inputs[n], operands[n])
        other, names = _summed(F, other, names, later | set(labels))
        done, labels = _multiplied(F, done, labels, other, names, later)
    done, labels = _summed(F, done, labels, set(result))
    return F.copy(transpose(F, done, [labels.index(c) for c in result]))
