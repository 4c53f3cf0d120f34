"""cuda_same.py: are the numbers of a GPU executor as good as PyTorch's in the same precision?

    build/tests/dump_unet.cuda DIR 32 3 ddpm 4 fast && python3 tests/peers/cuda_same.py DIR 32 3 ddpm fast

The truth is the twin with our weights in double precision.  `fast` computes in bf16 and is judged by PyTorch's own bf16
autocast, `plain` in fp32 and is judged by PyTorch's fp32.  An error is |a - b| / |b| over all numbers of a result; ours
may be 1.5 times PyTorch's.  A wrong index in one small tensor would not show in a sum over all of them, so each tensor
has a limit too, a wider one because a single error is a matter of luck.  Ends with exit 1 when one is passed.

Prints a JSON line for us and one for PyTorch, which cuda_table.py puts beside the times.  With the word `faults` after
the executor our numbers are spoiled in several ways, and each must be refused.
"""
import contextlib
import copy
import json
import statistics
import sys

import torch

import ddpm
import same

ALL, ONE = 1.5, 4.0  # how often PyTorch's error ours may be: of a whole result, of one tensor
FLOOR = {"fast": 0, "plain": 2e-5}  # errors below are those of fp32 sums in any order


def run(net, ours, picture, precision, device):
    """F(x), the gradients of all parameters by name, and of the image, in double on this machine."""
    kind = torch.float64 if precision == "double" else torch.float32
    torch.set_default_dtype(kind)
    net = copy.deepcopy(net).to(device, kind)
    there = {name: value.to(device, kind) for name, value in ours.items() if name not in ("p", "g")}
    x = picture(there["x"]).contiguous().requires_grad_()
    scale = [there[name].view(-1, 1, 1, 1) for name in ("alpha", "sigma")]
    with torch.autocast(device, dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
        out = net(x, there["t"][:, 0]).to(kind)
    y = scale[1] * x + scale[0] * out
    y.backward(picture(there["dy"]))
    back = {name: value.grad.double().cpu() for name, value in net.named_parameters()}
    torch.set_default_dtype(torch.float64)
    return y.detach().double().cpu(), back, x.grad.double().cpu()


def error(pairs):
    """|a - b| / |b| of several pairs together."""
    far = sum((a - b).pow(2).sum().item() for a, b in pairs)
    size = sum(b.pow(2).sum().item() for _, b in pairs)
    return (far / size) ** 0.5 if size > 0 and far == far else float("inf")


class Judge:
    """The truth, PyTorch's results and ours, and what is wrong with ours."""

    def __init__(self, folder, side, channels, which, executor):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        net, ours, places, self.used = same.twin_of(folder, channels, which)
        self.same_size = self.used == sum(p.numel() for p in net.parameters())
        rows, g = len(ours["t"]), ours["g"][0]
        picture = lambda v: v.view(rows, side, side, channels).permute(0, 3, 1, 2)
        self.precision, self.floor = {"fast": "bf16", "plain": "fp32"}[executor], FLOOR[executor]
        self.truth, self.theirs = (run(net, ours, picture, kind, device) for kind in ("double", self.precision))
        name_of = {id(p): name for name, p in net.named_parameters()}
        mine = {}
        for _, twin, weight_of, bias in places:
            mine[name_of[id(twin.weight)]], mine[name_of[id(twin.bias)]] = weight_of(g).clone(), g[bias].clone()
        for name in [name for name in mine if name.endswith("qkv.bias")]:
            # adding to every key changes no softmax: the true gradient of the second third is zero
            third = len(mine[name]) // 3
            for one in (mine, self.theirs[1], self.truth[1]):
                one[name] = torch.cat([one[name][:third], one[name][2 * third:]])
        self.skip = ours["sigma"].view(-1, 1, 1, 1) * picture(ours["x"])
        self.mine = picture(ours["y"]).clone(), mine, picture(ours["dx"]).clone()
        self.rows, self.device = rows, device
        self.usual = statistics.median(error([(self.theirs[1][k], v)]) for k, v in self.truth[1].items())

    def results(self, r):
        """Pairs of the numbers of r and the true ones; of the prediction only alpha F is the network's."""
        return {"prediction": [(r[0] - self.skip, self.truth[0] - self.skip)],
                "gradient": [(r[1][k], v) for k, v in self.truth[1].items()],
                "input_gradient": [(r[2], self.truth[2])]}

    def report(self):
        """{result: (our error, PyTorch's)}, {tensor: the ratio of the two}, and what is wrong."""
        bad, report, ratios = [], {}, {}
        if not self.same_size:
            bad.append("the twin has another number of parameters")
        theirs = self.results(self.theirs)
        for what, pairs in self.results(self.mine).items():
            us, them = report[what] = error(pairs), error(theirs[what])
            if not us <= max(ALL * them, self.floor):
                bad.append(f"{what}: error {us:.2g}, PyTorch's {them:.2g}")
        for k, v in self.truth[1].items():
            us, them = error([(self.mine[1][k], v)]), max(error([(self.theirs[1][k], v)]), self.usual)
            ratios[k] = us / them
            if not us <= max(ONE * them, self.floor):
                bad.append(f"gradient of {k}: error {us:.2g}, PyTorch's {them:.2g}")
        return report, ratios, bad


def spoil(fault, y, g, dx):
    if fault == "a bias without a gradient":
        g["parts.out_conv.bias"].zero_()
    elif fault == "taps in the wrong order":
        g["parts.mid_0.conv1.weight"].copy_(g["parts.mid_0.conv1.weight"].flip(2, 3).clone())
    elif fault == "one gain of many":
        g["parts.out_norm.weight"][0] *= 1.5
    elif fault == "predictions 2 % too large":
        y *= 1.02
    elif fault == "a pixel that nobody wrote":
        y[0, 0, 0, 0] = float("nan")
    elif fault == "no gradient at all":
        for value in g.values():
            value.zero_()
    elif fault == "the image gradients of two rows swapped":
        dx.copy_(dx.flip(0).clone())


FAULTS = ["a bias without a gradient", "taps in the wrong order", "one gain of many", "predictions 2 % too large",
          "a pixel that nobody wrote", "no gradient at all", "the image gradients of two rows swapped"]


def faults(judge):
    sound, missed = judge.mine, 0
    for fault in FAULTS:
        judge.mine = copy.deepcopy(sound)
        spoil(fault, *judge.mine)
        bad = judge.report()[2]
        missed += not bad
        print(f"  {fault}: {bad[0] if bad else 'NOT NOTICED'}")
    return 1 if missed else 0


def main():
    folder, (side, channels), which, executor = sys.argv[1], map(int, sys.argv[2:4]), sys.argv[4], sys.argv[5]
    judge = Judge(folder, side, channels, which, executor)
    if sys.argv[6:] == ["faults"]:
        return faults(judge)
    report, ratios, bad = judge.report()
    for line in bad:
        print(f"cuda_same.py: {which} on {executor}: {line}", file=sys.stderr)
    width, _, blocks = ddpm.NETS[which][:3]
    network = f"{which} {side}x{side}x{channels}-{width}x{blocks}, {judge.used} parameters"
    for program, number in (("tilt", 0), ("pytorch", 1)):
        print(json.dumps({"program": program, "what": "error", "network": network, "executor": executor,
                          "batch": judge.rows, "precision": judge.precision, "device": judge.device,
                          **{f"{what}_error": float(f"{pair[number]:.3g}") for what, pair in report.items()}}))
    worst = max(ratios, key=ratios.get)
    print(f"{which} {side}x{side}x{channels} on {executor}: " + ", ".join(
        f"{what} {us:.1e} (PyTorch {judge.precision} {them:.1e})" for what, (us, them) in report.items())
        + f"; the worst tensor {ratios[worst]:.1f} times ({worst})", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
