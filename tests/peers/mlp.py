"""mlp.py: the toy noise predictor of tests/bench_mlp.c in PyTorch, the same loops, the same JSON lines.

    python3 tests/peers/mlp.py --threads 2 --runs 9

2 coordinates and 32 sinusoids of the timestep -> 128 -> 128 -> 128 -> 2 with SiLU between; batches of 256 rows, Adam
with foreach=True; 4096 points sampled in 50 steps of DDIM.
"""
import argparse

import torch
from torch import nn

import peer

LEVELS, ROWS, DATA, POINTS, SAMPLE_STEPS = 1000, 256, 10000, 4096, 50


class NoisePredictor(nn.Module):
    """eps(x, t) of points in the plane."""

    def __init__(self, hidden=128):
        super().__init__()
        widths = [2 + 32, hidden, hidden, hidden]
        layers = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 2))
        # one row for every timestep, as ours: looking up is cheaper than sines
        self.register_buffer("times", peer.sinusoids(torch.arange(LEVELS), 32))

    def forward(self, x, t):
        return self.layers(torch.cat([x, self.times[t]], dim=1))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer.common_options(options)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)

    net = NoisePredictor()
    parameters = sum(p.numel() for p in net.parameters())
    forward = sum(2 * m.in_features * m.out_features for m in net.layers if isinstance(m, nn.Linear))
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, LEVELS), 0)
    alpha, sigma = abar.sqrt(), (1 - abar).sqrt()
    data = torch.randn(DATA, 2)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=True)

    def train_step():
        t = torch.randint(LEVELS, (ROWS,))
        noise = torch.randn(ROWS, 2)
        x = alpha[t, None] * data[torch.randint(DATA, (ROWS,))] + sigma[t, None] * noise
        adam.zero_grad(set_to_none=True)
        nn.functional.mse_loss(net(x, t), noise).backward()
        adam.step()

    @torch.no_grad()
    def sample_run():
        x = torch.randn(POINTS, 2)
        levels = torch.linspace(LEVELS - 1, 0, SAMPLE_STEPS).long().tolist()
        for k, below in zip(levels, levels[1:] + [None]):
            eps = net(x, torch.full((POINTS,), k))
            x0 = (x - sigma[k] * eps) / alpha[k]
            x = x0 if below is None else alpha[below] * x0 + sigma[below] * eps

    peer.measure("mlp train", f"mlp 34-128x3-2, {parameters} parameters, batch {ROWS}", "",
                 ROWS * (3 * forward - 2 * 34 * 128), train_step, chosen, inner=100)
    peer.measure("mlp sample", f"mlp 34-128x3-2, {POINTS} points x {SAMPLE_STEPS} steps", "",
                 forward * POINTS * SAMPLE_STEPS, sample_run, chosen)


if __name__ == "__main__":
    main()
