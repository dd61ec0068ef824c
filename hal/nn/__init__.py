"""Neural-network functions with the names and arguments of ``torch.nn.functional``, for inference.

What PyTorch calls ``torch.nn.functional.conv2d`` is ``hal.nn.conv2d`` here. Arguments that only
matter for training are left out.
"""

from hal.nn.activation import (
    gelu,
    hardsigmoid,
    hardswish,
    logsigmoid,
    mish,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from hal.nn.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from hal.nn.attention import rotary_embedding, scaled_dot_product_attention
from hal.nn.convolution import (
    conv1d,
    conv2d,
    conv3d,
)
from hal.nn.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    log_softmax,
    rms_norm,
    softmax,
)
from hal.nn.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from hal.nn.projection import embedding, linear
from hal.nn.quantized import quantized_linear
from hal.nn.rectifier import (
    celu,
    elu,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    selu,
)
from hal.nn.recurrent import gru, lstm, rnn
from hal.nn.resize import interpolate
from hal.nn.scaled import quantize_float8, scaled_linear
from hal.nn.transposed import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "elu",
    "embedding",
    "gelu",
    "group_norm",
    "gru",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "lstm",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "prelu",
    "quantize_float8",
    "quantized_linear",
    "relu",
    "relu6",
    "rms_norm",
    "rnn",
    "rotary_embedding",
    "scaled_dot_product_attention",
    "scaled_linear",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]
