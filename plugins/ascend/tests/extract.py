"""Writes ``data/cann.json``: of facts read from CANN's headers and documents, what is used here.

``python extract.py RUNTIME_FACTS OPERATOR_FACTS`` takes two JSON files. The first has "functions"
(name to "returns" and "args", each "type name"), "meta" with "functions" of the same form, "enums"
(name to enumerators) and "error_codes"; the second has "operators" (name to "args").
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hal_ascend.codes import ENUMS
from hal_ascend.prototypes import RUNTIME, operator_prototypes

# Not in the headers at hand, but in CANN's reference of the operators' interface:
# https://www.hiascend.com/document/detail/en/canncommercial/850/API/aolapi/operatorlist_00042.html
DOCUMENTED = {
    "aclSetDynamicInputTensorAddr": {
        "returns": "aclnnStatus",
        "args": [
            "aclOpExecutor *executor", "size_t irIndex", "const size_t relativeIndex",
            "aclTensorList *tensors", "void *addr",
        ],
    },
    "aclSetOutputTensorAddr": {
        "returns": "aclnnStatus",
        "args": [
            "aclOpExecutor *executor", "const size_t index", "aclTensor *tensor", "void *addr",
        ],
    },
}  # fmt: skip
TARGET = Path(__file__).parent / "data" / "cann.json"


def c_type(declaration: str) -> str:
    """Return the type of "type name", without const and the name."""
    text = declaration.replace("const ", "").replace("onst ", "").strip()
    head, _, _ = text.rpartition(" ")
    stars = text.count("*")
    return head.replace("*", "").strip() + "*" * stars


def main(runtime_path: str, operators_path: str) -> None:
    """Read the facts and write the extract."""
    runtime = json.loads(Path(runtime_path).read_text())
    operators = json.loads(Path(operators_path).read_text())["operators"]
    functions = {**DOCUMENTED, **runtime["functions"], **runtime["meta"]["functions"]}
    wanted = sorted(name for library in RUNTIME.values() for name in library)
    everything = {k: v for values in runtime["enums"].values() for k, v in values.items()}
    everything.update(runtime["error_codes"])
    kept = ("aclDataType", "aclFormat", "HcclDataType", "HcclReduceOp")
    extract = {
        "functions": {
            name: {
                "returns": functions[name]["returns"].replace(" ", "").replace("const", ""),
                "arguments": [c_type(a) for a in functions[name]["args"]],
            }
            for name in wanted
        },
        "operators": {
            name: [c_type(a) for a in operators[f"aclnn{name}"]["args"]]
            for name in sorted(operator_prototypes())
        },
        "enumerators": {name: everything[name] for name in sorted(ENUMS)},
        "enums": {name: runtime["enums"][name] for name in kept},
        "codes": sorted(set(runtime["error_codes"].values())),
        "constants": runtime["enums"]["constants"],
    }
    used = ("ACL_ERROR_REPEAT_INITIALIZE", "ACL_ERROR_UNINITIALIZE", "HCCL_ROOT_INFO_BYTES")
    extract["constants"] = {name: extract["constants"][name] for name in used}
    TARGET.write_text(json.dumps(extract, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
