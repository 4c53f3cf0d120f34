"""cuda_clock.py: what cuda.py counts and how it takes times and errors."""
import math
import statistics
import time

import torch
from torch import nn

import ddpm


def flops(name, side, channels):
    """Multiplications and additions of one image, forward."""
    net, total = ddpm.UNet(name, channels), []

    def count(module, inputs, output):
        pixels = output.numel() // output.shape[1]
        if isinstance(module, nn.Conv2d):
            total.append(2 * output.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1])
        elif isinstance(module, nn.Linear):
            total.append(2 * output.numel() * module.in_features)
        elif isinstance(module, ddpm.Attention):  # its 1x1 convolutions are never called as modules
            total.append(4 * pixels * pixels * output.shape[1] + 8 * pixels * output.shape[1] ** 2)

    for module in net.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, channels, side, side), torch.zeros(1))
    return sum(total)


def relative(a, b):
    """|a - b| / |b| over all tensors of two dictionaries."""
    far = sum((a[k].double() - b[k].double()).pow(2).sum().item() for k in b)
    size = sum(b[k].double().pow(2).sum().item() for k in b)
    return math.sqrt(far / size) if size > 0 and math.isfinite(far) else math.inf


def clock(work, runs, device):
    """Milliseconds of `runs` calls: each between two events of the device with no pause between calls, and each by
    the wall clock with a wait after it."""
    walls, events = [], []
    for _ in range(3):
        work()
    for _ in range(runs):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        walls.append((time.perf_counter() - start) * 1e3)
    if device != "cuda":
        return walls, walls
    for _ in range(runs):
        pair = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        pair[0].record()
        work()
        pair[1].record()
        events.append(pair)
    torch.cuda.synchronize()
    return [start.elapsed_time(end) for start, end in events], walls


def measured(work, runs, device, forward_flop, batch):
    """The lines of one object of Training or Sampling, one for each of its works."""
    lines = []
    for what, call, passes in work:
        times, walls = clock(call, runs, device)
        median, least = statistics.median(times), min(times)
        gflops = passes * forward_flop * batch / median * 1e-6
        lines.append({"what": what, "runs": runs, "ms_median": round(median, 5), "ms_min": round(least, 5),
                      "ms_wall": round(statistics.median(walls), 5), "images_per_s": round(1e3 * batch / median, 3),
                      "gflops": round(gflops, 3), "tflops": round(gflops * 1e-3, 4)})
    return lines
