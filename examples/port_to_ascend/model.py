"""Makes rain.onnx, as it comes from training on a GPU, and a golden run of it by ONNX Runtime.

The model reads a day of weather, hour by hour, and says how likely rain is in each of them. What is
typical of models from practice: the inputs are in the units of the instruments, and the step that
normalizes them was folded into the first product's weights.
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save

HOURS, WIDTH = 24, 32
# Temperature in kelvin, pressure in pascal, humidity in percent, wind in m/s and degrees.
MEAN = np.float32([285, 101325, 60, 5, 180])
SPREAD = np.float32([8, 900, 20, 3, 100])


def main() -> None:
    """Write rain.onnx and golden.npz."""
    random = np.random.default_rng(1)
    weights, nodes = {}, []

    def weight(name: str, *shape: int) -> str:
        values = random.standard_normal(shape) / np.sqrt(shape[0])
        weights[name] = values.astype(np.float32)
        return name

    def node(operator: str, name: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    weight("embed_weight", len(MEAN), WIDTH)
    weights["embed_weight"] /= SPREAD[:, None]
    weights["embed_bias"] = -(MEAN @ weights["embed_weight"])
    weights["norm_weight"] = np.ones(WIDTH, np.float32)
    weights["root"] = np.float32(np.sqrt(WIDTH))

    x = node("Add", "center", node("MatMul", "embed", "weather", "embed_weight"), "embed_bias")
    q, k, v = (node("MatMul", n, x, weight(f"{n}_weight", WIDTH, WIDTH)) for n in ("q", "k", "v"))
    scores = node("MatMul", "scores", q, node("Transpose", "turn", k, perm=[0, 2, 1]))
    mixed = node("MatMul", "mix", node("Softmax", "weigh", node("Div", "scale", scores, "root")), v)
    x = node("LayerNormalization", "norm", node("Add", "keep", mixed, x), "norm_weight")
    node("Sigmoid", "rain", node("MatMul", "judge", x, weight("judge_weight", WIDTH, 1)))
    nodes[-1].output[0] = "chance"

    shape = ["days", HOURS]
    graph = helper.make_graph(
        nodes,
        "rain",
        [helper.make_tensor_value_info("weather", TensorProto.FLOAT, [*shape, len(MEAN)])],
        [helper.make_tensor_value_info("chance", TensorProto.FLOAT, [*shape, 1])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    save(model, "rain.onnx")

    weather = (MEAN + SPREAD * random.standard_normal((4, HOURS, 5))).astype(np.float32)
    session = onnxruntime.InferenceSession("rain.onnx", providers=["CPUExecutionProvider"])
    (chance,) = session.run(None, {"weather": weather})
    np.savez("golden.npz", weather=weather, chance=chance)
    print(f"rain.onnx: {len(nodes)} nodes; golden.npz: {len(weather)} days")


if __name__ == "__main__":
    main()
