"""PyTorch's side of `npm run bench:study`: scoring with plain torch, one JSON command per line on stdin.

Two ways of filling the same cells. `careful`: padding as wide as each batch needs, the target's own outputs computed once per
batch, reductions over whole tensors, one sweep per method. `reference`: what the published procedure does, every input padded to
512 and every label to 64, the model loaded anew for every target and method, statistics token by token in Python.

The network is T5 v1.1 with bottleneck adapters, written with torch's own operations; both sides read the same files.
"""

import json
import math
import os
import sys
import time

# Before torch is loaded. Old MKL takes a slow path on processors that are not Intel's unless told otherwise.
if os.path.exists("/proc/cpuinfo") and "AuthenticAMD" in open("/proc/cpuinfo").read():
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

import numpy as np
import torch
import torch.nn.functional as F


def load_tensors(file):
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    data = np.fromfile(file, dtype=np.uint8, offset=8 + length)
    return {
        name: torch.from_numpy(data[slice(*entry["data_offsets"])].view(np.float32).reshape(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def buckets(queries, keys, bidirectional):
    relative = torch.arange(keys)[None, :] - torch.arange(queries)[:, None]
    count, result = 32, 0
    if bidirectional:
        count //= 2
        result = (relative > 0).long() * count
        relative = relative.abs()
    else:
        relative = -torch.clamp(relative, max=0)
    exact = count // 2
    far = exact + (torch.log(relative.float().clamp(min=1) / exact) / math.log(128 / exact) * (count - exact)).long()
    return result + torch.where(relative < exact, relative, far.clamp(max=count - 1))


class T5:
    """A frozen T5 v1.1; the delta is an argument."""

    def __init__(self, folder):
        with open(folder + "/config.json") as opened:
            self.config = json.load(opened)
        self.w = load_tensors(folder + "/model.safetensors")

    def attention(self, name, x, states, bias):
        heads, width = self.config["num_heads"], self.config["d_kv"]

        def split(t):
            return t.view(t.shape[0], -1, heads, width).transpose(1, 2)

        q = split(F.linear(x, self.w[name + ".q.weight"]))
        k = split(F.linear(states, self.w[name + ".k.weight"]))
        v = split(F.linear(states, self.w[name + ".v.weight"]))
        weights = torch.softmax(q @ k.transpose(-1, -2) + bias, -1)
        out = (weights @ v).transpose(1, 2).reshape(x.shape[0], -1, heads * width)
        return F.linear(out, self.w[name + ".o.weight"])

    def stack(self, side, x, mask_bias, delta, encoded=None, cross_bias=None):
        table = self.w[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        length = x.shape[1]
        bias = F.embedding(buckets(length, length, side == "encoder"), table).permute(2, 0, 1)[None] + mask_bias
        states = []

        def adapted(layer, s):
            a, b = delta[layer + ".adapter.adapter_A"], delta[layer + ".adapter.adapter_B"]
            return s + F.silu(s @ a) @ b

        blocks = self.config["num_layers" if side == "encoder" else "num_decoder_layers"]
        for block in range(blocks):
            layer = f"{side}.block.{block}.layer.0"
            h = norm(x, self.w[layer + ".layer_norm.weight"])
            x = x + adapted(layer, self.attention(layer + ".SelfAttention", h, h, bias))
            last = 1
            if encoded is not None:
                layer = f"{side}.block.{block}.layer.1"
                h = norm(x, self.w[layer + ".layer_norm.weight"])
                x = x + adapted(layer, self.attention(layer + ".EncDecAttention", h, encoded, cross_bias))
                last = 2
            layer = f"{side}.block.{block}.layer.{last}"
            h = norm(x, self.w[layer + ".layer_norm.weight"])
            dense = layer + ".DenseReluDense"
            gated = F.gelu(F.linear(h, self.w[dense + ".wi_0.weight"]), approximate="tanh")
            gated = gated * F.linear(h, self.w[dense + ".wi_1.weight"])
            x = x + adapted(layer, F.linear(gated, self.w[dense + ".wo.weight"]))
            states.append(x)
        return norm(x, self.w[f"{side}.final_layer_norm.weight"]), states

    @torch.no_grad()
    def forward(self, ids, mask, labels, delta):
        shared = self.w["shared.weight"]
        source_bias = (1.0 - mask)[:, None, None, :] * -10000.0
        encoded, encoder_states = self.stack("encoder", F.embedding(ids, shared), source_bias, delta)
        shifted = torch.zeros_like(labels)
        shifted[:, 1:] = labels[:, :-1].clamp(min=0)
        length = labels.shape[1]
        causal = torch.triu(torch.full((length, length), -10000.0), 1)[None, None]
        cross = (1.0 - mask)[:, None, None, :] * -1e9
        decoded, decoder_states = self.stack("decoder", F.embedding(shifted, shared), causal, delta, encoded, cross)
        return F.linear(decoded, self.w["lm_head.weight"]), encoder_states, decoder_states


def tensors(batch, source=None, target=None):
    """A batch as tensors, padded further where widths are given."""
    ids, mask, labels = (torch.tensor(batch[k]) for k in ("ids", "mask", "labels"))
    if source is not None:
        ids = F.pad(ids, (0, source - ids.shape[1]))
        mask = F.pad(mask, (0, source - mask.shape[1]))
        labels = F.pad(labels, (0, target - labels.shape[1]), value=-100)
    return ids, mask.float(), labels


METHODS = ("loss", "kl-divergence", "el2n", "logits-label-cosine", "hidden-cosine")


def row_cosine(t, s, mask):
    t, s = (t * mask[..., None]).flatten(1), (s * mask[..., None]).flatten(1)
    return F.cosine_similarity(t, s, dim=1, eps=1e-6)


def statistic(method, output, labels, mask, taught):
    """Sum over label tokens (rows, for hidden states) of one method, over whole tensors."""
    logits, encoder, decoder = output
    keep = labels >= 0
    if method == "hidden-cosine":
        sums = [row_cosine(t, s, mask).sum() for t, s in zip(taught[1], encoder)]
        return torch.stack(sums + [row_cosine(t, s, keep).sum() for t, s in zip(taught[2], decoder)])
    chosen, y = logits[keep], labels[keep]
    if method == "loss":
        return F.cross_entropy(chosen, y, reduction="sum")
    q = torch.log_softmax(chosen, -1)
    if method == "kl-divergence":
        p = torch.log_softmax(taught[0][keep], -1)
        return (p.exp() * (p - q)).sum()
    p = q.exp()
    at_label = p.gather(1, y[:, None])[:, 0]
    if method == "el2n":
        return (p.pow(2).sum(1) - at_label.pow(2) + (1 - at_label).pow(2)).sqrt().sum()
    return (at_label / p.norm(dim=1)).sum()


def token_by_token(method, output, labels, mask, taught):
    """The same in the way of the published scripts: a Python loop over rows and tokens."""
    logits, encoder, decoder = output
    total = 0.0
    if method == "loss":
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    if method == "hidden-cosine":
        for row in range(len(labels)):
            width, length = int(mask[row].sum()), int((labels[row] >= 0).sum())
            for t, s in zip(taught[1], encoder):
                total += F.cosine_similarity(t[row, :width].reshape(-1), s[row, :width].reshape(-1), dim=0, eps=1e-6)
            for t, s in zip(taught[2], decoder):
                total += F.cosine_similarity(t[row, :length].reshape(-1), s[row, :length].reshape(-1), dim=0, eps=1e-6)
        return total
    for row in range(len(labels)):
        for position in range(labels.shape[1]):
            y = int(labels[row][position])
            if y == -100:
                break
            p = torch.softmax(logits[row][position], 0)
            if method == "kl-divergence":
                a, b = torch.softmax(taught[0][row][position], 0).numpy(), p.numpy()
                both = (a > 0) & (b > 0)
                a, b = a[both] / a[both].sum(), b[both] / b[both].sum()
                total += float((a * np.log(a / b)).sum())
            elif method == "el2n":
                p[y] -= 1
                total += torch.norm(p)
            else:
                onehot = torch.zeros(p.size())
                onehot[y] += 1
                total += F.cosine_similarity(p, onehot, dim=0, eps=1e-6)
    return total


class Peer:
    def load(self, command):
        self.model = T5(command["folder"])
        self.deltas = {name: load_tensors(file) for name, file in command["deltas"].items()}
        return {}

    def careful(self, command):
        """One row of cells: every source on the target's batches, method by method. Means, and seconds by method."""
        batches = [tensors(batch) for batch in command["batches"]]
        own = self.deltas[command["own"]]
        seconds, values = {}, {}
        for method in METHODS:
            start = time.perf_counter()
            needs_own = method in ("kl-divergence", "hidden-cosine")
            taught = [self.model.forward(*batch, own) if needs_own else None for batch in batches]
            values[method] = []
            for source in command["sources"]:
                total, count = 0.0, 0
                for batch, teacher in zip(batches, taught):
                    output = self.model.forward(*batch, self.deltas[source])
                    total = total + statistic(method, output, batch[2], batch[1], teacher)
                    count += len(batch[2]) if method == "hidden-cosine" else int((batch[2] >= 0).sum())
                values[method].append((total / count).reshape(-1).tolist())
            seconds[method] = time.perf_counter() - start
        return {"byMethod": seconds, "values": values}

    def reference(self, command):
        """One batch of one source by every method, padded to 512 and 64; the parts of which a whole sweep is made."""
        start = time.perf_counter()
        model = T5(command["folder"])
        answer = {"modelLoad": time.perf_counter() - start}
        start = time.perf_counter()
        delta = load_tensors(command["delta"])
        answer["deltaLoad"] = time.perf_counter() - start
        batch = tensors(command["batch"], 512, 64)
        answer["perBatch"] = {}
        own = None
        for method in METHODS:
            needs_own = method in ("kl-divergence", "hidden-cosine")
            if needs_own and own is None:
                own = model.forward(*batch, delta)
            start = time.perf_counter()
            output = model.forward(*batch, delta)
            token_by_token(method, output, batch[2], batch[1], own)
            answer["perBatch"][method] = time.perf_counter() - start
        return answer

    def configuration(self, _):
        blas = [line.strip() for line in torch.__config__.parallel_info().splitlines() if "version" in line.lower()]
        return {"torch": torch.__version__, "threads": torch.get_num_threads(), "parallel": blas}


def main():
    torch.set_num_threads(int(os.environ.get("DELTALOOM_BENCH_THREADS", "2")))
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        start = time.perf_counter()
        try:
            answer = getattr(peer, command["do"])(command)
            answer["seconds"] = time.perf_counter() - start
        except Exception as error:  # told to the other side, which ends the run
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
