"""ddpm.py: the UNet of the DDPM paper (Ho, Jain and Abbeel 2020) in PyTorch, without dropout: the twin of
toy/model/ddpm_unet.h, for same.py.

Skips are taken after the first convolution, after every block (and its attention) and after every halving; a level has
one block more on the way up than on the way down.  q, k and v come from one 1x1 convolution.  Group norm adds 1e-5 to
the variance, as PyTorch and we do; the authors' code adds 1e-6.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

# name: width, multiples of it by level, blocks, levels with attention, groups
NETS = {"ddpm": (128, (1, 2, 2, 2), 2, {1}, 32), "light": (64, (1, 2, 2, 2), 2, {1}, 32),
        "tiny": (16, (1, 2), 1, {1}, 4), "tiny64": (64, (1, 2), 1, {1}, 32)}


def waves(t, width):
    """Sines and cosines of the number of the step, the slowest with frequency 1/10000."""
    half = width // 2
    angle = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=t.dtype) / (half - 1))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Residual(nn.Module):
    def __init__(self, before, after, time, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, before), nn.Conv2d(before, after, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, after), nn.Conv2d(after, after, 3, padding=1)
        self.time = nn.Linear(time, after)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[..., None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv, self.project = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
        looks = torch.einsum("bci,bcj->bij", q, k).div(math.sqrt(x.shape[1])).softmax(dim=2)
        return x + self.project(torch.einsum("bij,bcj->bci", looks, v).reshape(x.shape))


class UNet(nn.Module):
    def __init__(self, name, channels):
        super().__init__()
        self.width, mult, self.blocks, self.attend, groups = NETS[name]
        self.levels = len(mult)
        time = 4 * self.width
        self.parts = nn.ModuleDict()  # keys as in our list of layers, with _ for the dots
        add = self.parts.__setitem__
        add("time_linear1", nn.Linear(self.width, time))
        add("time_linear2", nn.Linear(time, time))
        now = self.width * mult[0]
        add("in_conv", nn.Conv2d(channels, now, 3, padding=1))
        skips = [now]
        for level, factor in enumerate(mult):
            for block in range(self.blocks):
                add(f"down{level}_{block}", Residual(now, self.width * factor, time, groups))
                now = self.width * factor
                if level in self.attend:
                    add(f"down{level}_{block}_attn", Attention(now, groups))
                skips.append(now)
            if level + 1 < self.levels:
                add(f"down{level}_halve", nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
        add("mid_0", Residual(now, now, time, groups))
        add("mid_attn", Attention(now, groups))
        add("mid_1", Residual(now, now, time, groups))
        for level in reversed(range(self.levels)):
            for block in range(self.blocks + 1):
                add(f"up{level}_{block}", Residual(now + skips.pop(), self.width * mult[level], time, groups))
                now = self.width * mult[level]
                if level in self.attend:
                    add(f"up{level}_{block}_attn", Attention(now, groups))
            if level > 0:
                add(f"up{level}_conv", nn.Conv2d(now, now, 3, padding=1))
        add("out_norm", nn.GroupNorm(groups, now))
        add("out_conv", nn.Conv2d(now, channels, 3, padding=1))

    def layer(self, name):
        """'down1.0.attn.qkv' of our list."""
        key, part = name.replace(".", "_"), ""
        if key not in self.parts:
            where, part = name.rsplit(".", 1)
            key = where.replace(".", "_")
        return getattr(self.parts[key], part) if part else self.parts[key]

    def forward(self, x, t):
        parts = self.parts
        time = F.silu(parts["time_linear2"](F.silu(parts["time_linear1"](waves(t, self.width)))))

        def block(way, level, number, h):
            h = parts[f"{way}{level}_{number}"](h, time)
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
        h = parts["mid_1"](parts["mid_attn"](parts["mid_0"](h, time)), time)
        for level in reversed(range(self.levels)):
            for number in range(self.blocks + 1):
                h = block("up", level, number, torch.cat([h, kept.pop()], dim=1))
            if level > 0:
                h = parts[f"up{level}_conv"](F.interpolate(h, scale_factor=2, mode="nearest"))
        return parts["out_conv"](F.silu(parts["out_norm"](h)))
