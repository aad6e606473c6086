"""Writes the trained encoder as int8 ONNX, the file that is bundled. The graph is built here, node by node.

Attention is onnxruntime's fused operator; addition and layer norm stay separate, which is faster. Linear layers are quantized by
its dynamic quantizer, with one scale per column; word embeddings are int8 with one scale per row.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from models.sentiment.classifier import INTENTS, LABELS
from models.sentiment.encoder import FORMAT, MAX_TOKENS

OPSET: Final = 18
FUSED: Final = "com.microsoft"
EPSILON: Final = 1e-12

State = Mapping[str, npt.NDArray[np.float32]]


class _Graph:
    """Nodes and weights, in the order they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, values: npt.NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any) -> str:
        """Adds a node and returns the name of its one output, which is also its own."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name


def save(state: State, heads: int, pieces: Sequence[str], path: Path) -> None:
    """Writes `path` from the named weights of training.encoder.Encoder, with the word pieces as metadata."""
    graph = _Graph()
    mask = graph.node("Cast", graph.node("Greater", "ids", graph.weight("none", np.array(0))), to=TensorProto.INT32)
    states = _embeddings(graph, state)
    layers = 1 + max(int(name.split(".")[3]) for name in state if name.startswith("bert.encoder.layer."))
    for n in range(layers):
        states = _layer(graph, state, f"bert.encoder.layer.{n}", states, mask, heads)
    _heads(graph, state, _mean(graph, states, mask))
    shapes = {"sentiment": len(LABELS), "intent": len(INTENTS), "vector": state["sentiment.weight"].shape[1]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", n]) for name, n in shapes.items()]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "pieces"])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
    built = helper.make_graph(graph.nodes, "encoder", [ids], outputs, graph.weights)
    _quantize(helper.make_model(built, opset_imports=opsets, ir_version=9), path)
    quantized = onnx.load(path)
    helper.set_model_props(quantized, {"format": str(FORMAT), "pieces": json.dumps(list(pieces), ensure_ascii=False)})
    onnx.save(quantized, path)


def _quantize(model: onnx.ModelProto, path: Path) -> None:
    with TemporaryDirectory() as folder:
        unquantized = Path(folder) / "unquantized.onnx"
        onnx.save(model, unquantized)
        quantize_dynamic(
            unquantized,
            path,
            per_channel=True,
            reduce_range=True,  # seven bits: without VNNI instructions eight may overflow silently
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
            nodes_to_exclude=["sentiment_product", "intent_product"],  # small, and the last layers
        )


def _embeddings(graph: _Graph, state: State) -> str:
    words = state["bert.embeddings.word_embeddings.weight"]
    scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-8) / 127
    table = graph.weight("words", np.round(words / scales).astype(np.int8))
    rows = graph.node("Cast", graph.node("Gather", table, "ids"), to=TensorProto.FLOAT)
    rows = graph.node("Mul", rows, graph.node("Gather", graph.weight("scales", scales.astype(np.float32)), "ids"))
    positions = state["bert.embeddings.position_embeddings.weight"][:MAX_TOKENS]
    positions = positions + state["bert.embeddings.token_type_embeddings.weight"][0]
    zero, one = graph.weight("zero", np.array([0])), graph.weight("one", np.array([1]))
    width = graph.node("Gather", graph.node("Shape", "ids"), one)
    positioned = graph.node("Slice", graph.weight("places", positions), zero, width, zero)
    return graph.node(
        "LayerNormalization",
        graph.node("Add", rows, positioned),
        *_norm(graph, state, "bert.embeddings.LayerNorm"),
        epsilon=EPSILON,
    )


def _layer(graph: _Graph, state: State, layer: str, states: str, mask: str, heads: int) -> str:
    parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([state[f"{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([state[f"{part}.bias"] for part in parts])
    attended = graph.node(
        "Attention", states, graph.weight(f"{layer}.qkv", weight), graph.weight(f"{layer}.qkv_bias", bias), mask,
        domain=FUSED, num_heads=heads,
    )  # fmt: skip
    states = _residual(graph, state, f"{layer}.attention.output", attended, states)
    inner = graph.node("Gelu", _linear(graph, state, f"{layer}.intermediate.dense", states), domain=FUSED)
    return _residual(graph, state, f"{layer}.output", inner, states)


def _residual(graph: _Graph, state: State, part: str, inner: str, states: str) -> str:
    """A linear layer, the residual connection and a layer norm."""
    total = graph.node("Add", _linear(graph, state, f"{part}.dense", inner), states)
    return graph.node("LayerNormalization", total, *_norm(graph, state, f"{part}.LayerNorm"), epsilon=EPSILON)


def _linear(graph: _Graph, state: State, part: str, states: str, name: str = "") -> str:
    weight = graph.weight(f"{part}.weight", state[f"{part}.weight"].T)
    product = graph.node("MatMul", states, weight, name=f"{name}_product" if name else "")
    return graph.node("Add", product, graph.weight(f"{part}.bias", state[f"{part}.bias"]), name=name)


def _norm(graph: _Graph, state: State, part: str) -> tuple[str, str]:
    return graph.weight(f"{part}.scale", state[f"{part}.weight"]), graph.weight(f"{part}.bias", state[f"{part}.bias"])


def _mean(graph: _Graph, states: str, mask: str) -> str:
    """Over the word pieces of each text, without padding."""
    axis = graph.weight("axis", np.array([1]))
    mask = graph.node("Cast", graph.node("Unsqueeze", mask, graph.weight("last", np.array([2]))), to=TensorProto.FLOAT)
    total = graph.node("ReduceSum", graph.node("Mul", states, mask), axis, keepdims=0)
    return graph.node("Div", total, graph.node("ReduceSum", mask, axis, keepdims=0), name="vector")


def _heads(graph: _Graph, state: State, vector: str) -> None:
    _linear(graph, state, "sentiment", vector, "sentiment")
    _linear(graph, state, "intent", vector, "intent")
