"""The sentence encoder: a BERT of six layers, the mean over its tokens, and length one.

Sources: Devlin et al., https://arxiv.org/abs/1810.04805; Wang et al. (MiniLM),
https://arxiv.org/abs/2002.10957; Reimers and Gurevych (mean pooling),
https://arxiv.org/abs/1908.10084.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import hal
from hal import Tensor, nn

__all__ = ["Encoder"]


class Encoder:
    """Turns texts into vectors of length one; texts of like meaning point the same way.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The model's weights by their names in its file, all on one device.
    config : mapping of str to object
        The model's sizes by their names in ``config.json``.
    tokenize : callable
        Turns a list of texts into the lists of their token numbers.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        config: Mapping[str, Any],
        tokenize: Callable[[Sequence[str]], list[list[int]]],
    ) -> None:
        self.weights = weights
        self.layers: int = config["num_hidden_layers"]
        self.heads: int = config["num_attention_heads"]
        self.epsilon: float = config["layer_norm_eps"]
        self.tokenize = tokenize
        self.device = weights["embeddings.word_embeddings.weight"].device

    def embed(
        self,
        texts: Sequence[str],
        batch: int = 16,
        advance: Callable[[int], object] = lambda done: None,
    ) -> Tensor:
        """Return one vector for each text.

        Parameters
        ----------
        texts : sequence of str
        batch : int
            How many are computed at once. Those of like length go together, for less padding.
        advance : callable, optional
            Is told after each batch how many texts it had.

        Returns
        -------
        Tensor, shape (len(texts), features)
        """
        tokens = self.tokenize(texts)
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        vectors: list[Any] = [None] * len(texts)
        for start in range(0, len(texts), batch):
            chosen = order[start : start + batch]
            found = self.forward(*self._padded([tokens[i] for i in chosen])).numpy()
            for i, vector in zip(chosen, found, strict=True):
                vectors[i] = vector
            advance(len(chosen))
        return hal.asarray(np.stack(vectors), device=self.device)

    def _padded(self, tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Return token numbers of equal length, and which of them are real."""
        lengths = np.array([len(row) for row in tokens])
        real = np.arange(lengths.max()) < lengths[:, None]
        ids = np.zeros(real.shape, np.int32)
        ids[real] = np.concatenate(tokens)
        return hal.asarray(ids, device=self.device), hal.asarray(real, device=self.device)

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """Return the vectors of a batch of tokens.

        Parameters
        ----------
        ids : Tensor of int32, shape (texts, length)
            Token numbers; any number where there is padding.
        real : Tensor of bool, shape (texts, length)
            False where there is padding.

        Returns
        -------
        Tensor of float32, shape (texts, features)
        """
        x = self._embedding(ids)
        for number in range(self.layers):
            layer = f"encoder.layer.{number}."
            x = self._norm(layer + "attention.output", x + self._attention(layer, x, real))
            x = self._norm(layer + "output", x + self._feed_forward(layer, x))
        # The mean over the real tokens, as a product with weights that add up to one.
        share = real.astype(x.dtype) / real.astype(x.dtype).sum(axis=-1, keepdims=True)
        mean = (share[:, None, :] @ x)[:, 0, :]
        return mean / hal.sqrt((mean * mean).sum(axis=-1, keepdims=True))

    def _embedding(self, ids: Tensor) -> Tensor:
        words = nn.embedding(ids, self.weights["embeddings.word_embeddings.weight"])
        positions = self.weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        return self._norm("embeddings", words + positions + segment)

    def _attention(self, layer: str, x: Tensor, real: Tensor) -> Tensor:
        query, key, value = (
            self._split_heads(self._linear(f"{layer}attention.self.{name}", x))
            for name in ("query", "key", "value")
        )
        mixed = nn.scaled_dot_product_attention(query, key, value, real[:, None, None, :])
        return self._linear(layer + "attention.output.dense", self._join_heads(mixed))

    def _split_heads(self, x: Tensor) -> Tensor:
        texts, length, features = x.shape
        apart = x.reshape(texts, length, self.heads, features // self.heads)
        return hal.permute_dims(apart, (0, 2, 1, 3))

    def _join_heads(self, x: Tensor) -> Tensor:
        texts, heads, length, size = x.shape
        return hal.permute_dims(x, (0, 2, 1, 3)).reshape(texts, length, heads * size)

    def _feed_forward(self, layer: str, x: Tensor) -> Tensor:
        inner = nn.gelu(self._linear(layer + "intermediate.dense", x))
        return self._linear(layer + "output.dense", inner)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return nn.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = (self.weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return nn.layer_norm(x, x.shape[-1], weight, bias, self.epsilon)
