"""unet.py: the UNets of tests/bench_unet.c in PyTorch: one training step and one sampling step.

    python3 tests/peers/unet.py --threads 2 --side 16 --channels 1 --blocks 1 --batch 64

Three levels of 32, 64 and 64 channels; a level has `blocks` residual blocks on the way down and on the way up; a
residual block is GroupNorm, SiLU, convolution, + time, GroupNorm, SiLU, convolution, + input; attention in the middle.
Both memory layouts are measured; the faster one is the one to compare with.
"""
import argparse

import torch
from torch import nn
from torch.nn import functional as F

import peer

GROUPS, TIME, WAVES, LEVELS = 8, 128, 32, 1000


def conv3(before, after, stride=1):
    return nn.Conv2d(before, after, 3, stride=stride, padding=1)


class Residual(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, before), conv3(before, after)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, after), conv3(after, after)
        self.time = nn.Linear(TIME, after)
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """One head over the pixels of an image."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv, self.project = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        images, channels, height, width = x.shape
        q, k, v = self.qkv(self.norm(x)).flatten(2).split(channels, dim=1)  # images x channels x pixels each
        weights = torch.softmax(q.transpose(1, 2) @ k * channels**-0.5, dim=-1)
        mixed = v @ weights.transpose(1, 2)
        return x + self.project(mixed.view(images, channels, height, width))


class UNet(nn.Module):
    def __init__(self, channels, blocks, width=32, mult=(1, 2, 2)):
        super().__init__()
        wide = [width * m for m in mult]
        self.time1, self.time2 = nn.Linear(WAVES, TIME), nn.Linear(TIME, TIME)
        self.first = conv3(channels, width)
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        now, skips = width, []
        for level, after in enumerate(wide):
            for _ in range(blocks):
                self.down.append(Residual(now, after))
                now = after
                skips.append(now)
            if level + 1 < len(wide):
                self.shrink.append(conv3(now, now, stride=2))
        self.middle1, self.attention, self.middle2 = Residual(now, now), Attention(now), Residual(now, now)
        for level, after in reversed(list(enumerate(wide))):
            for _ in range(blocks):
                self.up.append(Residual(now + skips.pop(), after))
                now = after
            if level > 0:
                self.grow.append(conv3(now, now))
        self.norm, self.last = nn.GroupNorm(GROUPS, now), conv3(now, channels)
        self.blocks = blocks

    def forward(self, x, t):
        time = F.silu(self.time2(F.silu(self.time1(peer.sinusoids(t, WAVES)))))
        h, kept = self.first(x), []
        for number, block in enumerate(self.down, 1):
            h = block(h, time)
            kept.append(h)
            if number % self.blocks == 0 and number < len(self.down):
                h = self.shrink[number // self.blocks - 1](h)
        h = self.middle2(self.attention(self.middle1(h, time)), time)
        for number, block in enumerate(self.up, 1):
            h = block(torch.cat([h, kept.pop()], dim=1), time)
            if number % self.blocks == 0 and number < len(self.up):
                h = self.grow[number // self.blocks - 1](F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.last(F.silu(self.norm(h)))


def flops(net, x, t):
    """Multiplications and additions of the convolutions, linear layers and attention of one forward pass."""
    total = []

    def count(module, inputs, output):
        if isinstance(module, nn.Conv2d):
            total.append(2 * output.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1])
        elif isinstance(module, nn.Linear):
            total.append(2 * output.numel() * module.in_features)
        elif isinstance(module, Attention):
            total.append(4 * output.shape[0] * output.shape[1] * (output.shape[2] * output.shape[3]) ** 2)

    hooks = [m.register_forward_hook(count) for m in net.modules()]
    with torch.no_grad():
        net(x, t)
    for hook in hooks:
        hook.remove()
    return sum(total)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer.common_options(options)
    options.add_argument("--side", type=int, default=16)
    options.add_argument("--channels", type=int, default=1)
    options.add_argument("--blocks", type=int, default=1)
    options.add_argument("--batch", type=int, default=64)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        net = UNet(chosen.channels, chosen.blocks)
        parameters = sum(p.numel() for p in net.parameters())
        x, noise = (torch.randn(chosen.batch, chosen.channels, chosen.side, chosen.side) for _ in range(2))
        t = torch.randint(LEVELS, (chosen.batch,))
        net, x, noise = net.to(memory_format=layout), x.contiguous(memory_format=layout), noise.contiguous(
            memory_format=layout)
        forward = flops(net, x, t)
        adam = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=True)

        def train_step():
            loss = F.mse_loss(net(x, t), noise)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()

        @torch.no_grad()
        def sample_step():
            return x * 0.999 + net(x, t) * 0.001

        name = (f"unet {chosen.side}x{chosen.side}x{chosen.channels}, {chosen.blocks} blocks, {parameters} parameters, "
                f"batch {chosen.batch}")
        setup = "channels_last" if layout == torch.channels_last else "nchw"
        peer.measure("unet train", name, setup, 3 * forward, train_step, chosen)
        peer.measure("unet sample", name, setup, forward, sample_step, chosen)


if __name__ == "__main__":
    main()
