"""The models that are measured: weights, an ONNX model, and what hal's peers are given."""

from zoo.model import Model

__all__ = ["MODELS", "Model"]


def _models() -> dict[str, Model]:
    from zoo import encoder, gpt2, resnet50

    return {m.name: m for m in (encoder.MODEL, resnet50.MODEL, gpt2.DECODE_128, gpt2.DECODE_512)}


MODELS = _models()
