"""cuda_same.py: are the numbers of a GPU executor as good as PyTorch's in the same precision?

    build/tests/dump_unet.cuda DIR 32 3 ddpm 4 fast && python3 tests/peers/cuda_same.py DIR 32 3 ddpm fast

The truth is the twin with our weights in double precision.  `fast` computes in bf16 and is judged by PyTorch's own bf16
autocast, `plain` in fp32 and is judged by PyTorch's fp32.  An error is |a - b| / |b| over all numbers of a result; ours
may be 1.5 times PyTorch's.  A wrong index in one small tensor would not show in a sum over all of them, so each tensor
has a limit too, a wider one because a single error is a matter of luck.  Ends with exit 1 when one is passed.

Prints a JSON line for us and one for PyTorch, which cuda_table.py puts beside the times.
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


def main():
    folder, (side, channels), which, executor = sys.argv[1], map(int, sys.argv[2:4]), sys.argv[4], sys.argv[5]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    net, ours, places, used = same.twin_of(folder, channels, which)
    rows, g = len(ours["t"]), ours["g"][0]
    picture = lambda v: v.view(rows, side, side, channels).permute(0, 3, 1, 2)
    precision = {"fast": "bf16", "plain": "fp32"}[executor]
    truth, theirs = (run(net, ours, picture, kind, device) for kind in ("double", precision))
    name_of = {id(p): name for name, p in net.named_parameters()}
    mine = {}
    for _, twin, weight_of, bias in places:
        mine[name_of[id(twin.weight)]], mine[name_of[id(twin.bias)]] = weight_of(g), g[bias]
        if "qkv" in name_of[id(twin.bias)]:  # adding to every key changes no softmax: the true gradient is zero
            third = len(g[bias]) // 3
            for one in (mine, theirs[1], truth[1]):
                one[name_of[id(twin.bias)]] = torch.cat([one[name_of[id(twin.bias)]][:third],
                                                         one[name_of[id(twin.bias)]][2 * third:]])
    skip = ours["sigma"].view(-1, 1, 1, 1) * picture(ours["x"])  # of the prediction only alpha F is the network's
    mine = picture(ours["y"]), mine, picture(ours["dx"])
    bad = [] if used == sum(p.numel() for p in net.parameters()) else ["the twin has another number of parameters"]
    report = {}
    for what, pairs in (("prediction", lambda r: [(r[0] - skip, truth[0] - skip)]),
                        ("gradient", lambda r: [(r[1][k], truth[1][k]) for k in truth[1]]),
                        ("input_gradient", lambda r: [(r[2], truth[2])])):
        us, them = error(pairs(mine)), error(pairs(theirs))
        report[what] = us, them
        if not us <= max(ALL * them, FLOOR[executor]):
            bad.append(f"{what}: error {us:.2g}, PyTorch's {them:.2g}")
    usual = statistics.median(error([(theirs[1][k], v)]) for k, v in truth[1].items())
    ratios = {}
    for k, v in truth[1].items():
        us, them = error([(mine[1][k], v)]), max(error([(theirs[1][k], v)]), usual)
        ratios[k] = us / them
        if not us <= max(ONE * them, FLOOR[executor]):
            bad.append(f"gradient of {k}: error {us:.2g}, PyTorch's {them:.2g}")
    for line in bad:
        print(f"cuda_same.py: {which} on {executor}: {line}", file=sys.stderr)
    width, _, blocks = ddpm.NETS[which][:3]
    network = f"{which} {side}x{side}x{channels}-{width}x{blocks}, {used} parameters"
    for program, number in (("tilt", 0), ("pytorch", 1)):
        print(json.dumps({"program": program, "what": "error", "network": network, "executor": executor, "batch": rows,
                          "precision": precision, "device": device,
                          **{f"{what}_error": float(f"{pair[number]:.3g}") for what, pair in report.items()}}))
    worst = max(ratios, key=ratios.get)
    print(f"{which} {side}x{side}x{channels} on {executor}: " + ", ".join(
        f"{what} {us:.1e} (PyTorch {precision} {them:.1e})" for what, (us, them) in report.items())
        + f"; the worst tensor {ratios[worst]:.1f} times ({worst})", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
