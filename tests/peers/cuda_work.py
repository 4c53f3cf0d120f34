"""cuda_work.py: the work that cuda.py measures: a training step, a forward pass and a DDIM chain of the DDPM UNet, in
one of many settings of PyTorch.

A setting has a name, PRECISION/LAYOUT/COMPILE and then +WORD for every extra:
    fp32, tf32   weights and sums in fp32; with tf32 products are rounded to 10 bits
    bf16         autocast: fp32 weights, products in bf16
    bf16w        weights and activations in bf16; a training keeps fp32 masters of the weights
    nchw, cl     memory layout: channels first, or channels last
    eager, default, autotune   torch.compile: none, its default mode, "max-autotune-no-cudagraphs"
    autotune-own, reduce       "max-autotune" and "reduce-overhead", which make graphs of their own
    +graph       the whole step is recorded once as a CUDA graph and replayed
    +merged      the linear layers that tell the blocks the time are one
    +foreach     the optimizer that is not fused into one kernel
    +tuned       more of the compiler's switches: 1x1 convolutions as matrix products, coordinate descent
"""
import contextlib
import math
import zlib

import torch
from torch.nn import functional as F

import ddpm

LEVELS, CHANNELS = 1000, 3
COMPILE = {"eager": None, "default": "default", "reduce": "reduce-overhead", "autotune": "max-autotune-no-cudagraphs",
           "autotune-own": "max-autotune"}
TUNED = {"conv_1x1_as_mm": True, "coordinate_descent_tuning": True, "coordinate_descent_check_all_directions": True}


class Setting:
    def __init__(self, name):
        main, *self.extras = name.split("+")
        self.name = name
        self.precision, self.layout, self.mode = main.split("/")
        unknown = set(self.extras) - {"graph", "merged", "foreach", "tuned"}
        if (self.precision not in ("fp32", "tf32", "bf16", "bf16w") or self.layout not in ("nchw", "cl")
                or self.mode not in COMPILE or unknown):
            raise ValueError(f"'{name}' is no setting; see the top of cuda_work.py")
        self.format = torch.channels_last if self.layout == "cl" else torch.contiguous_format

    def __contains__(self, extra):
        return extra in self.extras


def fill(net):
    """Numbers that depend on a parameter's name alone, so that every setting begins alike; none of them zero."""
    with torch.no_grad():
        for name, p in net.named().items():
            values = torch.randn(p.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            if p.dim() > 1 and name != "table":
                values /= math.sqrt(values[0].numel())
            elif "norm" in name and name.endswith("weight"):
                values = 1 + 0.1 * values
            else:
                values *= 0.05
            p.copy_(values)


def precision(name):
    """The switches of PyTorch that are the same for the whole program."""
    tf32 = name != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # tries cuDNN's algorithms and keeps the fastest


def compiled(function, setting):
    if COMPILE[setting.mode] is None:
        return function
    import torch._dynamo
    import torch._inductor.config as switches
    torch._dynamo.reset()
    for name, value in TUNED.items():
        if hasattr(switches, name):
            setattr(switches, name, value if "tuned" in setting else False)
    return torch.compile(function, mode=COMPILE[setting.mode], dynamic=False)


class Work:
    """What training and sampling share: eps = sigma x + alpha F(x, t, words), the network F in a setting."""

    def __init__(self, setting, network, side, batch, words, device):
        self.setting, self.device, self.batch = setting, device, batch
        precision(setting.precision)
        net = ddpm.UNet(network, CHANNELS, words, "merged" in setting)
        fill(net)
        self.net = net.to(device).to(memory_format=setting.format)
        beta = torch.linspace(1e-4, 2e-2, LEVELS, dtype=torch.float64)
        kept = torch.cumprod(1 - beta, 0)
        self.alpha, self.sigma = kept.sqrt().float().to(device), (1 - kept).sqrt().float().to(device)
        random = torch.Generator().manual_seed(7)
        shape = batch, CHANNELS, side, side
        self.x0 = self.to_device(torch.randn(shape, generator=random).clamp(-1, 1))
        self.noise = self.to_device(torch.randn(shape, generator=random))
        self.level = torch.randint(LEVELS, (batch,), generator=random).to(device)
        self.words = None
        if words:  # three words a prompt
            picks = torch.randint(words, (batch, 3), generator=random)
            self.words = F.one_hot(picks, words).sum(1).float().to(device)
        self.stream = torch.cuda.Stream() if device == "cuda" else None

    def to_device(self, images):
        return images.to(self.device).contiguous(memory_format=self.setting.format)

    def eps(self, x, level):
        wide = self.setting.precision == "bf16"
        with torch.autocast(self.device, dtype=torch.bfloat16) if wide else contextlib.nullcontext():
            told = x.to(torch.bfloat16) if self.setting.precision == "bf16w" else x
            out = self.net(told, level.float(), self.words)
        return self.sigma[level].view(-1, 1, 1, 1) * x + self.alpha[level].view(-1, 1, 1, 1) * out.float()

    @contextlib.contextmanager
    def on_stream(self):
        """On a stream of its own, as recording wants it from the first backward pass on."""
        if self.stream is None:
            yield
            return
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.synchronize()

    def recorded(self, step):
        """step() itself, or its CUDA graph.  The runs before recording also compile and choose algorithms."""
        if "graph" not in self.setting:
            return step
        with self.on_stream():
            for _ in range(4):
                step()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            step()
        return graph.replay


class Training(Work):
    """q_sample with noise drawn on the device, forward, mean squared error, backward, AdamW, running average."""

    def __init__(self, setting, network, side, batch, words, device):
        super().__init__(setting, network, side, batch, words, device)
        self.masters = None
        if setting.precision == "bf16w":
            self.masters = [p.detach().clone().requires_grad_() for p in self.net.parameters()]
            for p in self.masters:
                p.grad = torch.zeros_like(p)
            self.net.to(torch.bfloat16)
        learned = self.masters or list(self.net.parameters())
        options = {"lr": 2e-4, "weight_decay": 0.01}
        fused = device == "cuda" and "foreach" not in setting
        options.update({"fused": True} if fused else {"foreach": True})
        if device == "cuda":
            options["capturable"] = True  # its counter lies on the device, as a graph needs
        self.adam = torch.optim.AdamW(learned, **options)
        self.average = [p.detach().clone() for p in learned]
        self.loss = torch.zeros((), device=device)
        self.loss_of = compiled(self.loss_of_noise, setting)

    def loss_of_noise(self, noise):
        level = self.level
        x = self.alpha[level].view(-1, 1, 1, 1) * self.x0 + self.sigma[level].view(-1, 1, 1, 1) * noise
        return F.mse_loss(self.eps(x, level), noise)

    def step(self):
        weights = list(self.net.parameters())
        for p in weights:
            p.grad = None
        loss = self.loss_of(torch.randn_like(self.noise))
        loss.backward()
        with torch.no_grad():
            if self.masters:
                copy([p.grad for p in self.masters], [p.grad for p in weights])
            self.adam.step()
            if self.masters:
                copy(weights, self.masters)
            learned = self.masters or weights
            if hasattr(torch, "_foreach_lerp_"):
                torch._foreach_lerp_(self.average, learned, 1e-4)
            else:
                torch._foreach_mul_(self.average, 1 - 1e-4)
                torch._foreach_add_(self.average, learned, alpha=1e-4)
            self.loss.copy_(loss.detach())

    def gradient(self):
        """{name: gradient} for fixed noise."""
        with self.on_stream():
            for p in self.net.parameters():
                p.grad = None
            self.loss_of(self.noise).backward()
            return self.net.named(lambda p: p.grad.detach().float())

    def works(self, steps):
        return [("train", self.recorded(self.step), 3)]


def copy(to, source):
    if hasattr(torch, "_foreach_copy_"):
        torch._foreach_copy_(to, source)
        return
    for a, b in zip(to, source):
        a.copy_(b)


class Sampling(Work):
    """A forward pass, and a DDIM chain without noise whose level counts down on the device."""

    def __init__(self, setting, network, side, batch, words, device):
        super().__init__(setting, network, side, batch, words, device)
        self.net.requires_grad_(False)
        if setting.precision == "bf16w":
            self.net.to(torch.bfloat16)
        self.x, self.out = self.noise.clone(), torch.empty_like(self.noise)
        self.stride = torch.ones((), dtype=torch.long, device=device)
        self.predict = compiled(self.eps, setting)

    def forward(self):
        with torch.no_grad():
            self.out.copy_(self.predict(self.noise, self.level))

    def step(self):
        """x_next = alpha' x0 + sigma' eps with x0 = (x - sigma eps) / alpha; level -1 is the clean end."""
        with torch.no_grad():
            level, eps = self.level, self.predict(self.x, self.level)
            after, end = (level - self.stride).clamp(min=-1), level < self.stride
            keep = self.alpha[after].masked_fill(end, 1.0).view(-1, 1, 1, 1)
            spread = self.sigma[after].masked_fill(end, 0.0).view(-1, 1, 1, 1)
            clean = (self.x - self.sigma[level].view(-1, 1, 1, 1) * eps) / self.alpha[level].view(-1, 1, 1, 1)
            self.x.copy_(keep * clean + spread * eps)
            self.level.copy_(after.clamp(min=0))

    def prediction(self):
        with self.on_stream(), torch.no_grad():
            return {"eps": self.predict(self.noise, self.level)}

    def works(self, steps):
        forward, step = self.recorded(self.forward), self.recorded(self.step)

        def chain():
            self.x.copy_(self.noise)
            self.level.fill_(LEVELS - 1)
            self.stride.fill_(LEVELS // steps)
            for _ in range(steps):
                step()

        return [("forward", forward, 1), (f"ddim-{steps}", chain, steps)]
