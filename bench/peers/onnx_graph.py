"""The encoder as an ONNX graph, written by hand: onnx_graph.py VARIANT SIZE WEIGHTS OUT.onnx

VARIANT: plain (standard operators, what an exporter gives), fused (ONNX Runtime's attention, skip norm and bias GELU),
int8 (fused, products with per-column int8 weights and activations quantised at run time)."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import workload

MICROSOFT = "com.microsoft"


class Graph:
    def __init__(self, variant, size, tensors):
        self.variant, self.tensors, self.size = variant, tensors, workload.SIZES[size]
        self.nodes, self.constants, self.known = [], [], set()

    def constant(self, name, value):
        if name not in self.known:
            self.known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind, inputs, outputs=1, domain="", names=None, **attributes):
        names = names or [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, name=f"{kind}_{len(self.nodes)}", **attributes))
        return names[0] if len(names) == 1 else names

    def tensor(self, name):
        return self.constant(name, self.tensors[name])

    def product(self, x, name, bias=True):
        weight = self.tensors[name + ".weight"].T
        if self.variant == "int8":
            scale = (np.abs(weight).max(0) / 127).astype(np.float32)
            q = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
            inputs = [x, self.constant(name + ".q", q), self.constant(name + ".scale", scale),
                      self.constant(name + ".zero", np.zeros(len(scale), np.int8))]
            return self.op("DynamicQuantizeMatMul", inputs + ([self.tensor(name + ".bias")] if bias else []), domain=MICROSOFT)
        y = self.op("MatMul", [x, self.constant(name + ".w", weight)])
        return self.op("Add", [y, self.tensor(name + ".bias")]) if bias else y

    def norm(self, x, name):
        return self.op("LayerNormalization", [x, self.tensor(name + ".weight"), self.tensor(name + ".bias")], axis=-1, epsilon=workload.EPS)

    def plain_attention(self, x, i):
        s = self.size
        qkv = self.op("Reshape", [self.product(x, f"{i}.attn.qkv"), self.constant("split", np.array([0, 0, 3, s["heads"], s["width"] // s["heads"]]))])
        parts = self.op("Split", [self.op("Transpose", [qkv], perm=[2, 0, 3, 1, 4])], 3, axis=0)
        q, k, v = (self.op("Squeeze", [p, self.constant("first", np.array([0]))]) for p in parts)
        scores = self.op("MatMul", [q, self.op("Transpose", [k], perm=[0, 1, 3, 2])])
        scores = self.op("Mul", [scores, self.constant("scale", np.float32((s["width"] // s["heads"]) ** -0.5))])
        y = self.op("Transpose", [self.op("MatMul", [self.op("Softmax", [scores], axis=-1), v])], perm=[0, 2, 1, 3])
        return self.op("Reshape", [y, self.constant("join", np.array([0, 0, s["width"]]))])

    def fused_attention(self, x, i):
        if self.variant == "fused":
            weight = self.constant(f"{i}.attn.qkv.w", self.tensors[f"{i}.attn.qkv.weight"].T)
            return self.op("Attention", [x, weight, self.tensor(f"{i}.attn.qkv.bias")], domain=MICROSOFT, num_heads=self.size["heads"])
        thirds = self.constant("thirds", np.array([self.size["width"]] * 3))
        q, k, v = self.op("Split", [self.product(x, f"{i}.attn.qkv"), thirds], 3, axis=-1)
        return self.op("MultiHeadAttention", [q, k, v], domain=MICROSOFT, num_heads=self.size["heads"])

    def plain_block(self, x, i, out):
        y = self.product(self.plain_attention(self.norm(x, f"{i}.norm1"), i), f"{i}.attn.proj")
        x = self.op("Add", [x, y])
        h = self.product(self.norm(x, f"{i}.norm2"), f"{i}.mlp.fc1")
        erf = self.op("Erf", [self.op("Div", [h, self.constant("root2", np.float32(2**0.5))])])
        h = self.op("Mul", [self.op("Mul", [h, self.op("Add", [erf, self.constant("one", np.float32(1))])]), self.constant("half", np.float32(0.5))])
        return self.op("Add", [x, self.product(h, f"{i}.mlp.fc2")], names=[out])

    def skip_norm(self, y, bias, x, name):
        names = [f"{name}.normed", f"{name}.sum"]
        self.nodes.append(helper.make_node(
            "SkipLayerNormalization", [y, x, self.tensor(name + ".weight"), self.tensor(name + ".bias"), self.tensor(bias)],
            [names[0], "", "", names[1]], domain=MICROSOFT, epsilon=workload.EPS))
        return names

    def fused_blocks(self, x):
        normed, last = self.norm(x, "0.norm1"), self.size["blocks"] - 1
        for i in range(last + 1):
            y = self.product(self.fused_attention(normed, i), f"{i}.attn.proj", bias=False)
            normed, x = self.skip_norm(y, f"{i}.attn.proj.bias", x, f"{i}.norm2")
            h = self.op("BiasGelu", [self.product(normed, f"{i}.mlp.fc1", bias=False), self.tensor(f"{i}.mlp.fc1.bias")], domain=MICROSOFT)
            if i == last:
                self.op("Add", [x, self.product(h, f"{i}.mlp.fc2")], names=["y"])
            else:
                normed, x = self.skip_norm(self.product(h, f"{i}.mlp.fc2", bias=False), f"{i}.mlp.fc2.bias", x, f"{i + 1}.norm1")

    def model(self):
        if self.variant == "plain":
            x = "x"
            for i in range(self.size["blocks"]):
                x = self.plain_block(x, i, "y" if i + 1 == self.size["blocks"] else f"block_{i}")
        else:
            self.fused_blocks("x")
        used = {name for node in self.nodes for name in node.input}
        shape = ["batch", self.size["tokens"], self.size["width"]]
        graph = helper.make_graph(self.nodes, "encoder", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
                                  [c for c in self.constants if c.name in used])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)], ir_version=8)


if __name__ == "__main__":
    variant, size, path, out = sys.argv[1:]
    data = {"save_as_external_data": True, "location": out.split("/")[-1] + ".data"} if size == "l14" else {}
    onnx.save(Graph(variant, size, workload.weights(path)).model(), out, **data)
