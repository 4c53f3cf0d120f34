"""ddpm.py: the UNet of the DDPM paper (Ho, Jain and Abbeel 2020) in PyTorch, without dropout: the twin of
toy/model/ddpm_unet.h.  same.py shows that it is the same network, cuda.py measures it.

Skips are taken after the first convolution, after every block (and its attention) and after every halving; a level has
one block more on the way up than on the way down.  q, k and v come from one 1x1 convolution.  Group norm adds 1e-5 to
the variance, as PyTorch and we do; the authors' code adds 1e-6.

What makes it fast on a GPU and changes no number: attention works on rows of pixels, which costs no copy when the
channels lie last; its 1x1 convolutions are matrix products; and with `merged` the linear layers that tell every block
the time are one (the parameters are the same ones, in one tensor).
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

# name: width, multiples of it by level, blocks, levels with attention, groups
NETS = {"ddpm": (128, (1, 2, 2, 2), 2, {1}, 32), "light": (64, (1, 2, 2, 2), 2, {1}, 32),
        "small": (32, (1, 2, 2, 2), 2, {1}, 32), "tiny": (16, (1, 2), 1, {1}, 4),
        "tiny64": (64, (1, 2), 1, {1}, 32)}


def waves(t, width):
    """Sines and cosines of the number of the step, the slowest with frequency 1/10000."""
    half = width // 2
    steps = torch.arange(half, dtype=t.dtype, device=t.device)
    angle = t[:, None] * torch.exp(-math.log(10000) * steps / (half - 1))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Norm(nn.GroupNorm):
    """Under autocast a GPU normalises in fp32; with this line the CPU does so too."""

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype))


class Residual(nn.Module):
    def __init__(self, before, after, time, groups):
        super().__init__()
        self.norm1, self.conv1 = Norm(groups, before), nn.Conv2d(before, after, 3, padding=1)
        self.norm2, self.conv2 = Norm(groups, after), nn.Conv2d(after, after, 3, padding=1)
        self.time = nn.Linear(time, after) if time else None  # None: of the merged layer
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x, time):
        told = time if self.time is None else self.time(time)
        h = self.conv1(F.silu(self.norm1(x))) + told[..., None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


def on_rows(conv, rows):
    """A 1x1 convolution of images x pixels x channels."""
    return F.linear(rows, conv.weight.flatten(1), conv.bias)


def attend(q, k, v):
    """softmax(q k' / sqrt(channels)) v with one head; images x pixels x channels each."""
    if hasattr(F, "scaled_dot_product_attention"):  # PyTorch 2: one fused kernel
        return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
    return (q @ k.transpose(1, 2)).div(math.sqrt(q.shape[2])).softmax(dim=2) @ v


class Attention(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.norm = Norm(groups, channels)
        self.qkv, self.project = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        images, channels, height, width = x.shape
        rows = self.norm(x).permute(0, 2, 3, 1).reshape(images, height * width, channels)
        mixed = on_rows(self.project, attend(*on_rows(self.qkv, rows).chunk(3, dim=2)))
        return x + mixed.reshape(images, height, width, channels).permute(0, 3, 1, 2)


class UNet(nn.Module):
    """words: rows of the table of the prompts, 0: the net is told no prompt.  forward takes how often each of the
    words stands in each prompt (images x words), so that the sum of their vectors is a matrix product."""

    def __init__(self, name, channels, words=0, merged=False):
        super().__init__()
        self.width, mult, self.blocks, self.attend, groups = NETS[name]
        self.levels = len(mult)
        time = 4 * self.width
        self.told = {}  # key of a block: its part of the merged layer
        self.table = nn.Parameter(torch.zeros(words, time)) if words else None
        self.parts = nn.ModuleDict()  # keys as in our list of layers, with _ for the dots
        add = self.parts.__setitem__

        def add_block(key, before, after):
            start = sum(size for _, size in self.told.values())
            self.told[key] = start, after
            add(key, Residual(before, after, 0 if merged else time, groups))

        add("time_linear1", nn.Linear(self.width, time))
        add("time_linear2", nn.Linear(time, time))
        now = self.width * mult[0]
        add("in_conv", nn.Conv2d(channels, now, 3, padding=1))
        skips = [now]
        for level, factor in enumerate(mult):
            for block in range(self.blocks):
                add_block(f"down{level}_{block}", now, self.width * factor)
                now = self.width * factor
                if level in self.attend:
                    add(f"down{level}_{block}_attn", Attention(now, groups))
                skips.append(now)
            if level + 1 < self.levels:
                add(f"down{level}_halve", nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
        add_block("mid_0", now, now)
        add("mid_attn", Attention(now, groups))
        add_block("mid_1", now, now)
        for level in reversed(range(self.levels)):
            for block in range(self.blocks + 1):
                add_block(f"up{level}_{block}", now + skips.pop(), self.width * mult[level])
                now = self.width * mult[level]
                if level in self.attend:
                    add(f"up{level}_{block}_attn", Attention(now, groups))
            if level > 0:
                add(f"up{level}_conv", nn.Conv2d(now, now, 3, padding=1))
        add("out_norm", Norm(groups, now))
        add("out_conv", nn.Conv2d(now, channels, 3, padding=1))
        self.merged = nn.Linear(time, sum(size for _, size in self.told.values())) if merged else None

    def layer(self, name):
        """'down1.0.attn.qkv' of our list."""
        key, part = name.replace(".", "_"), ""
        if key not in self.parts:
            where, part = name.rsplit(".", 1)
            key = where.replace(".", "_")
        return getattr(self.parts[key], part) if part else self.parts[key]

    def named(self, of=lambda p: p):
        """{name: of(parameter)}; parts of the merged layer go under the names that they have unmerged."""
        tensors = {name: of(p) for name, p in self.named_parameters()}
        for kind in ("weight", "bias") if self.merged is not None else ():
            whole = tensors.pop(f"merged.{kind}")
            for key, (start, size) in self.told.items():
                tensors[f"parts.{key}.time.{kind}"] = whole[start:start + size]
        return tensors

    def forward(self, x, t, words=None):
        parts = self.parts
        time = waves(t, self.width).to(parts["time_linear1"].weight.dtype)
        time = parts["time_linear2"](F.silu(parts["time_linear1"](time)))
        if self.table is not None and words is not None:
            time = time + words.to(time.dtype) @ self.table.to(time.dtype)
        time = F.silu(time)
        told = {}
        if self.merged is not None:
            pieces = self.merged(time).split([size for _, size in self.told.values()], dim=1)
            told = dict(zip(self.told, pieces))

        def residual(key, h):
            return parts[key](h, told.get(key, time))

        def block(way, level, number, h):
            h = residual(f"{way}{level}_{number}", h)
            return parts[f"{way}{level}_{number}_attn"](h) if level in self.attend else h

        h = parts["in_conv"](x)
        kept = [h]
        for level in range(self.levels):
            for number in range(self.blocks):
                h = block("down", level, number, h)
                kept.append(h)
            if level + 1 < self.levels:
                h = parts[f"down{level}_halve"](h)
                kept.append(h)
        h = residual("mid_1", parts["mid_attn"](residual("mid_0", h)))
        for level in reversed(range(self.levels)):
            for number in range(self.blocks + 1):
                h = block("up", level, number, torch.cat([h, kept.pop()], dim=1))
            if level > 0:
                h = parts[f"up{level}_conv"](F.interpolate(h, scale_factor=2, mode="nearest"))
        return parts["out_conv"](F.silu(parts["out_norm"](h)))
