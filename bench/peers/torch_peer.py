"""PyTorch: torch_peer.py VARIANT SIZE BATCH WEIGHTS [--reference FILE] [--save FILE] [--threads N] [--seconds S]
  [--device cuda]

VARIANT: plain, sdpa, compile (inductor with frozen weights and max-autotune), bf16_sdpa, bf16_compile, int8_compile
(x86 post-training quantisation of torchao). One variant a process, so that each has its own peak memory."""
import argparse
import warnings

import numpy as np
import torch
from torch import nn

import workload

warnings.filterwarnings("ignore")


class Attention(nn.Module):
    fused = True

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, workload.EPS), nn.LayerNorm(width, workload.EPS)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def encoder(size, path):
    s = workload.SIZES[size]
    model = nn.Sequential(*[Block(s["width"], s["heads"]) for _ in range(s["blocks"])])
    model.load_state_dict({k: torch.from_numpy(v) for k, v in workload.weights(path).items()})
    return model.eval()


def quantised(model, x):
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(model, (x,)).module(), quantizer)
    prepared(x)
    return convert_pt2e(prepared)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=["plain", "sdpa", "compile", "bf16_sdpa", "bf16_compile", "int8_compile"])
    parser.add_argument("size", choices=workload.SIZES)
    parser.add_argument("batch", type=int)
    parser.add_argument("weights")
    parser.add_argument("--reference")
    parser.add_argument("--save")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    Attention.fused = o.variant != "plain"
    dtype = o.variant.split("_")[0] if "_" in o.variant else "f32"
    with torch.no_grad():
        model, x = encoder(o.size, o.weights), torch.from_numpy(workload.tokens(o.size, o.batch))
        model, x = model.to(o.device), x.to(o.device)
        if dtype == "bf16":
            model, x = model.bfloat16(), x.bfloat16()
        if dtype == "int8":
            model = quantised(model, x)
        if "compile" in o.variant:
            import torch._inductor.config as config

            config.freezing = config.max_autotune = True
            model = torch.compile(model)
        if o.save:
            np.save(o.save, model(x)[0].float().cpu().numpy())
            return
        wait = torch.cuda.synchronize if o.device == "cuda" else lambda: None
        best = workload.measure(lambda: (model(x), wait()), o.seconds)
        output = model(x[: o.batch]).float().cpu().numpy()
        workload.report(f"torch {torch.__version__.split('+')[0]} {o.variant}", dtype, o.size, o.batch, best, output, o.reference)


if __name__ == "__main__":
    main()
