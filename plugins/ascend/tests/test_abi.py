"""Every prototype and number that the plugin uses, held against what CANN's headers say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hal_ascend import codes
from hal_ascend.prototypes import RUNTIME, operator_prototypes

FACTS = json.loads((Path(__file__).parent / "data" / "cann.json").read_text())
FUNCTIONS = [(library, name) for library, functions in RUNTIME.items() for name in functions]

WIDTHS = {
    "bool": "bool",
    "int8_t": "i8",
    "int": "i32",
    "int32_t": "i32",
    "uint32_t": "u32",
    "int64_t": "i64",
    "uint64_t": "u64",
    "size_t": "u64",
    "float": "f32",
    "double": "f64",
    "char*": "text",
}
HANDLES = {"aclrtContext", "aclrtEvent", "aclrtStream", "aclmdlRI", "HcclComm"}


def kind(c_type):
    """Return the plugin's kind for a type of C; enumerations are integers of 32 bits."""
    if c_type in WIDTHS:
        return WIDTHS[c_type]
    return "pointer" if c_type.endswith("*") or c_type in HANDLES else "i32"


@pytest.mark.parametrize(("library", "name"), FUNCTIONS, ids=[n for _, n in FUNCTIONS])
def test_a_function_has_the_prototype_of_the_headers(library, name):
    fact = FACTS["functions"][name]
    result, _, arguments = RUNTIME[library][name].partition(":")
    assert result == kind(fact["returns"])
    assert arguments.split() == [kind(a) for a in fact["arguments"]]


@pytest.mark.parametrize("name", operator_prototypes())
def test_an_operator_has_the_prototype_of_its_documentation(name):
    kinds = operator_prototypes()[name].kinds
    assert list(kinds[:-2]) == [kind(a) for a in FACTS["operators"][name]]
    assert kinds[-2:] == ("pointer", "pointer")


@pytest.mark.parametrize("name", operator_prototypes())
def test_an_operators_arguments_are_the_objects_of_its_documentation(name):
    objects = {"T": "aclTensor*", "O": "aclTensor*", "R": "aclTensor*", "L": "aclTensorList*",
               "S": "aclScalar*", "A": "aclIntArray*"}  # fmt: skip
    for (code, _), fact in zip(
        operator_prototypes()[name].arguments, FACTS["operators"][name], strict=True
    ):
        if code in objects:
            assert fact == objects[code]


@pytest.mark.parametrize("name", codes.ENUMS)
def test_an_enumerator_has_the_value_of_the_headers(name):
    assert codes.ENUMS[name] == FACTS["enumerators"][name]


def test_data_types_have_the_values_of_the_headers():
    names = {"float32": "FLOAT", "float64": "DOUBLE", "bfloat16": "BF16"}
    for dtype, code in codes.DATA_TYPES.items():
        name = names.get(dtype.name, dtype.name.upper())
        assert FACTS["enums"]["aclDataType"][f"ACL_{name}"] == code


def test_the_collectives_data_types_have_the_values_of_the_headers():
    for dtype, code in codes.HCCL_TYPES.items():
        name = {"bfloat16": "BFP16"}.get(dtype.name, dtype.name.upper().replace("FLOAT", "FP"))
        assert FACTS["enums"]["HcclDataType"][f"HCCL_DATA_TYPE_{name}"] == code


def test_reductions_have_the_values_of_the_headers():
    for name, code in codes.REDUCTIONS.items():
        assert FACTS["enums"]["HcclReduceOp"][f"HCCL_REDUCE_{name.upper()}"] == code


def test_formats_have_the_values_of_the_headers():
    formats = FACTS["enums"]["aclFormat"]
    assert formats["ACL_FORMAT_ND"] == codes.FORMAT_ND
    names = {3: "NCL", 4: "NCHW", 5: "NCDHW"}
    assert {n: formats[f"ACL_FORMAT_{f}"] for n, f in names.items()} == codes.FORMATS


@pytest.mark.parametrize("code", FACTS["codes"])
def test_every_code_of_the_runtime_has_a_meaning(code):
    assert codes.meaning(code) != "an error"
