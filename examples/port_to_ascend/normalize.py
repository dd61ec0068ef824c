"""Takes the normalization out of the first product's weights, into nodes of its own.

Before, the product read pascals; now it reads numbers around zero, which every dtype can hold.
"""

from model import MEAN, SPREAD
from onnx import helper, load, numpy_helper, save


def main() -> None:
    """Write the changed model."""
    model = load("rain.onnx")
    graph = model.graph
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    product, bias = (weights[f"embed_{part}"] for part in ("weight", "bias"))
    weights["embed_bias"] = bias + MEAN @ product
    weights["embed_weight"] = product * SPREAD[:, None]
    weights |= {"mean": MEAN, "spread": SPREAD}
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(w, name) for name, w in weights.items())
    graph.node[0].input[0] = "normal"
    graph.node.insert(0, helper.make_node("Sub", ["weather", "mean"], ["moved"], name="move"))
    graph.node.insert(1, helper.make_node("Div", ["moved", "spread"], ["normal"], name="stretch"))
    save(model, "rain-normalized.onnx")
    print(f"rain-normalized.onnx: {len(graph.node)} nodes")


if __name__ == "__main__":
    main()
