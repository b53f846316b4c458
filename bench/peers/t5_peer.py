"""PyTorch's side of `npm run bench:engine`: the same T5, deltas and optimizer, one JSON command per line on stdin.

Needs torch and transformers. It uses what PyTorch users use: Hugging Face's T5 classes, with the delta put in as modules,
and Hugging Face's Adafactor. Every answer is one JSON line on stdout.
"""

import json
import math
import os
import sys
import time

# Before torch is loaded. Old MKL takes a slow path on processors that are not Intel's unless told otherwise.
if "AuthenticAMD" in open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else False:
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

import numpy as np
import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration
from transformers.optimization import Adafactor


class Adapter(nn.Module):
    """A sublayer's last projection followed by s + silu(s A) B."""

    def __init__(self, inner, width, size):
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.randn(width, size) * 0.02)
        self.up = nn.Parameter(torch.randn(size, width) * 0.02)

    def forward(self, x):
        s = self.inner(x)
        return s + torch.nn.functional.silu(s @ self.down) @ self.up

    @property
    def weight(self):
        return self.inner.weight


class Lora(nn.Module):
    """x W^T + (x A B) alpha / r."""

    def __init__(self, inner, rank, alpha):
        super().__init__()
        self.inner = inner
        out, width = inner.weight.shape
        self.down = nn.Parameter(torch.randn(width, rank) / math.sqrt(rank))
        self.up = nn.Parameter(torch.zeros(rank, out))
        self.scale = alpha / rank

    def forward(self, x):
        return self.inner(x) + (x @ self.down * self.scale) @ self.up


class Prefix(nn.Module):
    """A stack's prefixes: tanh(E W0^T) W2^T, cut into keys and values of every block."""

    def __init__(self, config, blocks, length, hidden):
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.shape = (blocks, 2, config.num_heads, length, config.d_kv)
        self.embedding = nn.Parameter(torch.randn(length, config.d_model) * 0.02)
        self.down = nn.Linear(config.d_model, hidden, bias=False)
        self.up = nn.Linear(hidden, 2 * blocks * inner, bias=False)

    def forward(self):
        return self.up(torch.tanh(self.down(self.embedding))).reshape(self.shape)


def prefixed_attention(attention, prefix, block):
    """Hugging Face's T5Attention.forward with prefixes before the keys and values of self-attention."""

    def forward(hidden_states, mask=None, key_value_states=None, position_bias=None, past_key_value=None,
                layer_head_mask=None, query_length=None, use_cache=False, output_attentions=False,
                cache_position=None):
        batch, length = hidden_states.shape[:2]
        heads, width = attention.n_heads, attention.key_value_proj_dim

        def split(x):
            return x.view(batch, -1, heads, width).transpose(1, 2)

        states = prefix.current[block]
        count = states.shape[2]
        q = split(attention.q(hidden_states))
        k = torch.cat([states[0].expand(batch, -1, -1, -1), split(attention.k(hidden_states))], 2)
        v = torch.cat([states[1].expand(batch, -1, -1, -1), split(attention.v(hidden_states))], 2)
        if position_bias is None:
            position_bias = attention.compute_bias(count + length, count + length)[:, :, count:, :]
            if mask is not None:
                position_bias = position_bias + torch.nn.functional.pad(mask, (count, 0))
        scores = torch.matmul(q, k.transpose(3, 2)) + position_bias
        weights = torch.nn.functional.softmax(scores, -1)
        output = torch.matmul(weights, v).transpose(1, 2).contiguous().view(batch, -1, heads * width)
        return (attention.o(output), None, position_bias)

    return forward


def put_in(model, config, delta):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if delta["type"] == "prefix":
        prefixes = []
        for stack, blocks in ((model.encoder, config.num_layers), (model.decoder, config.num_decoder_layers)):
            prefix = Prefix(config, blocks, delta["length"], delta["hiddenSize"])
            prefix.current = None
            for number, block in enumerate(stack.block):
                attention = block.layer[0].SelfAttention
                attention.forward = prefixed_attention(attention, prefix, number)
            prefixes.append(prefix)
        model.prefixes = nn.ModuleList(prefixes)
        return
    for stack in (model.encoder, model.decoder):
        for block in stack.block:
            for layer in block.layer:
                attention = getattr(layer, "SelfAttention", None) or getattr(layer, "EncDecAttention", None)
                if delta["type"] == "adapter":
                    holder, name = (attention, "o") if attention is not None else (layer.DenseReluDense, "wo")
                    setattr(holder, name, Adapter(getattr(holder, name), config.d_model, delta["size"]))
                elif attention is not None:
                    for name in delta["targetModules"]:
                        setattr(attention, name, Lora(getattr(attention, name), delta["rank"], delta["alpha"]))


def load_weights(file):
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    data = np.memmap(file, dtype=np.uint8, mode="r", offset=8 + length)
    return {
        name: torch.from_numpy(np.array(data[entry["data_offsets"][0] : entry["data_offsets"][1]]).view(np.float32)
                               .reshape(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


class Peer:
    def load(self, command):
        config = T5Config.from_pretrained(command["folder"])
        config.dropout_rate = 0.0
        self.model = T5ForConditionalGeneration(config)
        self.model.load_state_dict(load_weights(command["folder"] + "/model.safetensors"), strict=False)
        put_in(self.model, config, command["delta"])
        self.model.train()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = Adafactor(self.trained, lr=5e-4, relative_step=False, scale_parameter=False)
        return {"parameters": sum(p.numel() for p in self.trained)}

    def loss(self, batch):
        for prefix in getattr(self.model, "prefixes", []):
            prefix.current = prefix()
        return self.model(
            input_ids=torch.tensor(batch["ids"]),
            attention_mask=torch.tensor(batch["mask"], dtype=torch.float32),
            labels=torch.tensor(batch["labels"]),
            use_cache=False,
        ).loss

    def forward(self, command):
        with torch.no_grad():
            return {"loss": float(self.loss(command["batch"]))}

    def step(self, command):
        losses = []
        for batch in command["batches"]:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.trained, 0.1)
            self.optimizer.step()
            losses.append(float(loss))
        return {"loss": sum(losses) / len(losses)}

    def generate(self, command):
        batch = command["batch"]
        with torch.no_grad():
            ids = self.model.generate(
                input_ids=torch.tensor(batch["ids"]),
                attention_mask=torch.tensor(batch["mask"]),
                max_length=command["maxLength"],
                min_length=command["maxLength"],
                num_beams=1,
                do_sample=False,
            )
        return {"tokens": int(ids.shape[0] * (ids.shape[1] - 1))}

    def matmul(self, command):
        m, k, n = command["shape"]
        clock = time.process_time if command["clock"] == "cpu" else time.perf_counter
        a, b = torch.randn(m, k), torch.randn(n, k)
        best = math.inf
        for _ in range(command["repeat"]):
            start = clock()
            a @ b.t()
            best = min(best, clock() - start)
        return {"gflops": 2 * m * k * n / best / 1e9}

    def configuration(self, _):
        blas = [line.strip() for line in torch.__config__.parallel_info().splitlines() if line.strip()]
        return {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "environment": {k: v for k, v in os.environ.items() if k.startswith(("MKL_", "OMP_", "OPENBLAS_"))},
            "parallel": blas,
        }

    def memory(self, _):
        import resource

        return {"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("DELTALOOM_BENCH_THREADS", "2")))
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        start, cpu = time.perf_counter(), time.process_time()
        try:
            answer = getattr(peer, command["do"])(command)
            answer["seconds"] = time.perf_counter() - start
            answer["cpuSeconds"] = time.process_time() - cpu
        except Exception as error:  # told to the other side, which ends the run
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
