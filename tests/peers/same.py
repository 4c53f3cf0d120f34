"""same.py: is our UNet the network of unet.py, or of ddpm.py?  Our weights, the same input, both in double precision.

    build/tests/dump_unet.double DIR 16 1 1 3 && python3 tests/peers/same.py DIR 16 1 1
    build/tests/dump_unet.double DIR 8 3 tiny 3 && python3 tests/peers/same.py DIR 8 3 tiny

Compares the prediction, the gradient of every parameter and of the input; ends with exit 1 when one differs.
"""
import sys

import numpy
import torch

import ddpm
import unet

LIMIT = 1e-9  # of the largest number; Winograd's sums differ from PyTorch's by about 1e-14


def module_of(net, name, blocks, levels=3):
    """'down1.0.conv2' of our list of layers as the module of unet.UNet."""
    where, *rest = name.split(".")
    if where == "time":
        return {"linear1": net.time1, "linear2": net.time2}[rest[0]]
    if where == "in":
        return net.first
    if where == "out":
        return {"norm": net.norm, "conv": net.last}[rest[0]]
    if where == "mid":
        return getattr({"0": net.middle1, "attn": net.attention, "1": net.middle2}[rest[0]], rest[1])
    level = int(where[-1])
    if where.startswith("down"):
        return net.shrink[level] if rest[0] == "halve" else getattr(net.down[level * blocks + int(rest[0])], rest[1])
    level = levels - 1 - level
    return net.grow[level] if rest[0] == "conv" else getattr(net.up[level * blocks + int(rest[0])], rest[1])


def twin_of(folder, channels, which):
    """The twin with our weights, in double precision; our numbers; (name, module, weight of a flat vector, biases) of
    every layer; and how many parameters our list has."""
    torch.set_default_dtype(torch.float64)
    ours = {name: torch.from_numpy(numpy.load(f"{folder}/{name}.npy").astype("f8"))
            for name in "p g x dy y dx t alpha sigma".split()}
    p = ours["p"][0]
    if which in ddpm.NETS:
        net = ddpm.UNet(which, channels)
        module = net.layer
    else:
        net = unet.UNet(channels, int(which))
        module = lambda name: module_of(net, name, int(which))
    places, used = [], 0
    with open(f"{folder}/layers.txt", encoding="ascii") as lines:
        for line in lines:
            name, kind, *numbers = line.split()
            k, inside, outside, w, b = map(int, numbers)
            twin, size = module(name), k * k * inside * outside if kind == "conv" else inside
            bias = outside if kind == "conv" else inside

            def weight_of(flat, kind=kind, k=k, inside=inside, outside=outside, w=w, size=size, like=twin.weight.shape):
                part = flat[w:w + size]
                if kind == "conv":  # ours: kernel row, kernel column, in, out
                    part = part.view(k, k, inside, outside).permute(3, 2, 0, 1)
                return part.reshape(like)

            with torch.no_grad():
                twin.weight.copy_(weight_of(p))
                twin.bias.copy_(p[b:b + bias])
            places.append((name, twin, weight_of, slice(b, b + bias)))
            used += size + bias
    return net, ours, places, used


def main():
    folder, (side, channels), which = sys.argv[1], map(int, sys.argv[2:4]), sys.argv[4]
    net, ours, places, used = twin_of(folder, channels, which)
    g, rows = ours["g"][0], len(ours["t"])
    parameters = sum(q.numel() for q in net.parameters())
    picture = lambda v: v.view(rows, side, side, channels).permute(0, 3, 1, 2)
    x = picture(ours["x"]).clone().requires_grad_()
    alpha, sigma = ours["alpha"].view(rows, 1, 1, 1), ours["sigma"].view(rows, 1, 1, 1)
    y = sigma * x + alpha * net(x, ours["t"][:, 0])
    y.backward(picture(ours["dy"]))

    def miss(mine, theirs):
        return ((mine - theirs).abs().max() / theirs.abs().max()).item()

    worst = {"prediction": miss(picture(ours["y"]), y.detach()), "input gradient": miss(picture(ours["dx"]), x.grad)}
    for name, twin, weight_of, bias in places:
        worst[f"gradient of {name}.weight"] = miss(weight_of(g), twin.weight.grad)
        worst[f"gradient of {name}.bias"] = miss(g[bias], twin.bias.grad)
    bad = {what: error for what, error in worst.items() if not error < LIMIT}
    for what, error in bad.items():
        print(f"same.py: {what} differs by {error:.2g} of its largest number")
    if used != parameters:
        print(f"same.py: our list has {used} parameters, the twin {parameters}")
    largest = max(worst, key=worst.get)
    kind = which if which in ddpm.NETS else f"{which} blocks"
    print(f"unet {side}x{side}x{channels}, {kind}: {parameters} parameters, {len(worst)} comparisons, "
          f"the largest difference {worst[largest]:.1g} ({largest})")
    return 1 if bad or used != parameters else 0


if __name__ == "__main__":
    sys.exit(main())
