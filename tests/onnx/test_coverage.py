"""hal has every operator of the installed onnx package, with its inputs and attributes."""

import inspect

import pytest
from onnx import defs

from hal.onnx.registry import find_definition

DOMAINS = {"": 7, "ai.onnx.ml": 1, "ai.onnx.preview": 1, "ai.onnx.preview.training": 1}


def in_use():
    """Return the schemas that are in force at some opset from 7 on."""
    every = [s for s in defs.get_all_schemas_with_history() if s.domain in DOMAINS]
    versions = {}
    for schema in every:
        versions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    found = []
    for schema in every:
        later = [v for v in versions[schema.domain, schema.name] if v > schema.since_version]
        ended = later and min(later) <= DOMAINS[schema.domain]
        if not ended and not schema.deprecated:
            found.append(schema)
    return sorted(found, key=lambda s: (s.domain, s.name, s.since_version))


@pytest.mark.parametrize("schema", in_use(), ids=lambda s: f"{s.domain}.{s.name}-{s.since_version}")
def test_every_operator_takes_what_its_schema_says(schema):
    found = find_definition(schema.domain, schema.name, schema.since_version)
    assert found is not None
    assert found.attributes is None or set(schema.attributes) <= found.attributes
    parameters = list(inspect.signature(found.function).parameters.values())[1:]
    kinds = [p.kind for p in parameters]
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) >= schema.max_input
