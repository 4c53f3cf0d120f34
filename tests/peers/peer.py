"""peer.py: what the PyTorch twins share: options, the clock, and JSON lines as ref/show/bench.h prints them."""
import json
import math
import os
import statistics
import time

import torch


def sinusoids(t, width):
    """Sines and cosines of t (n) at the frequencies 10000^(-i / (width/2)): n x width."""
    half = width // 2
    angle = t.to(torch.get_default_dtype())[:, None] * torch.exp(-math.log(10000.0) / half * torch.arange(half))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def common_options(options):
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--runs", type=int, default=9, help="times measured; the median and the minimum are printed")


def machine():
    """The processor's name, where Linux tells."""
    try:
        with open("/proc/cpuinfo", encoding="ascii") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return "unknown"


def measure(what, network, setup, flop, work, chosen, inner=1):
    """Prints the line of work(), called `inner` times a run; one more run before warms up."""
    times = []
    for run in range(chosen.runs + 1):
        start = time.perf_counter()
        for _ in range(inner):
            work()
        if run > 0:
            times.append((time.perf_counter() - start) * 1e3 / inner)
    median, least = statistics.median(times), min(times)
    print(json.dumps({"machine": machine(), "cores": os.cpu_count(), "program": "torch", "compiler": torch.__version__,
                      "flags": setup, "threads": torch.get_num_threads(), "what": what, "network": network,
                      "runs": chosen.runs, "ms_median": round(median, 4), "ms_min": round(least, 4),
                      "gflops": round(flop / median * 1e-6, 2), "gflops_best": round(flop / least * 1e-6, 2)}),
          flush=True)
