"""cuda.py: the DDPM UNet in PyTorch on a GPU, in every setting that may be the fastest, beside ours.

    python3 tests/peers/cuda.py --net ddpm --works sample8,train128 --budget 300 --out build/cuda.jsonl
    python3 tests/peers/cuda.py --tiny                       does everything work?  on the CPU, in a minute
    python3 tests/peers/cuda.py --ours 'sh tests/cuda.sh ours fast ddpm'      ours in turn with PyTorch's best

One JSON line for every setting and every kind of work (train; forward and ddim-K of one batch), with the keys of our
own lines.  A setting that fails costs a line with the key "error".  The cheap settings of all works come first, then
compiled ones, which take a minute or more each, then those that try every kernel.  After --budget SECONDS nothing new
is tried, and what is being tried is given up.  Whenever a setting beats all before it, ours and it are measured in
turn, --rounds times.

The measuring is done by a process of its own (`--worker`), because a setting may hang or leave the GPU unusable.
"""
import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time

import torch

import cuda_clock
import cuda_work
import peer

# In the order of trying.  Every later list needs more time for a setting.
TRAIN = [["bf16w/cl/eager+graph", "bf16/cl/eager+graph", "bf16w/cl/eager+graph+merged", "bf16w/cl/eager+graph+foreach"],
         ["bf16w/cl/default+graph", "bf16/cl/default+graph"],
         ["bf16w/cl/autotune+graph+tuned", "bf16w/cl/autotune+graph+merged", "bf16/cl/autotune+graph"],
         ["bf16w/nchw/default+graph", "bf16w/cl/reduce", "bf16w/cl/autotune-own", "tf32/cl/default+graph",
          "bf16/cl/eager", "bf16/nchw/eager", "tf32/nchw/eager", "fp32/nchw/eager"]]
SAMPLE = [["bf16w/cl/eager+graph", "bf16w/cl/eager+graph+merged", "bf16w/nchw/eager+graph"],
          ["bf16w/cl/default+graph", "bf16w/cl/default+graph+merged"],
          ["bf16w/cl/autotune+graph+tuned", "bf16w/cl/autotune+graph+merged"],
          ["bf16w/nchw/default+graph", "bf16w/cl/reduce", "bf16w/cl/autotune-own", "bf16/cl/default+graph",
           "tf32/cl/default+graph", "bf16w/cl/eager", "bf16/cl/eager", "tf32/nchw/eager", "fp32/nchw/eager"]]
# Without a GPU: the last one needs PyTorch 2 and a compiler, so it may show how a failure looks.
DRY = [["fp32/cl/eager", "bf16/cl/eager", "bf16w/cl/eager+merged"], ["fp32/nchw/eager", "fp32/cl/default"]]


# ---- the process that measures ---------------------------------------------------------------------------------------

class Worker:
    """Answers one JSON line for each on its standard input."""

    def __init__(self, chosen):
        self.chosen, self.tried, self.held, self.truth = chosen, None, None, {}
        self.flop = cuda_clock.flops(chosen.net, chosen.side, cuda_work.CHANNELS)

    def make(self, setting, kind, batch):
        kinds = {"train": cuda_work.Training, "sample": cuda_work.Sampling}
        chosen = self.chosen
        return kinds[kind](setting, chosen.net, chosen.side, batch, chosen.words, chosen.device)

    def reference(self, kind, batch):
        """The gradient, or the prediction, in fp32 without a compiler; kept, for it is the same for all settings."""
        if (kind, batch) not in self.truth:
            work = self.make(cuda_work.Setting("fp32/nchw/eager"), kind, batch)
            torch.backends.cudnn.benchmark = False  # once is not worth a search; the next Work turns it on again
            values = work.gradient() if kind == "train" else work.prediction()
            self.truth = {(kind, batch): {name: value.clone() for name, value in values.items()}}
        return self.truth[kind, batch]

    def attempt(self, name, kind, batch):
        cuda = self.chosen.device == "cuda"
        self.tried = None
        truth = self.reference(kind, batch)
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        work = self.make(cuda_work.Setting(name), kind, batch)
        values = work.gradient() if kind == "train" else work.prediction()
        error = {"gradient_error" if kind == "train" else "prediction_error": cuda_clock.relative(values, truth)}
        del values, truth
        calls = work.works(self.chosen.steps)
        lines = cuda_clock.measured(calls, self.chosen.first_runs, self.chosen.device, self.flop, batch)
        same = {"variant": name, "batch": batch, "setup_s": round(time.perf_counter() - start, 1), **error}
        if cuda:
            same["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 3)
        if kind == "train":
            same["loss"] = round(work.loss.item(), 5)
        self.tried = work, calls, same
        return [{**line, **same} for line in lines]

    def again(self):
        work, calls, same = self.held
        lines = cuda_clock.measured(calls, self.chosen.runs, self.chosen.device, self.flop, work.batch)
        return [{**line, **same} for line in lines]

    def serve(self):
        answers = os.fdopen(os.dup(1), "w")  # compilers print; what they print goes to the log
        os.dup2(2, 1)
        for text in sys.stdin:
            ask, broken = json.loads(text), False
            try:
                if ask["do"] == "try":
                    lines = self.attempt(ask["variant"], ask["kind"], ask["batch"])
                elif ask["do"] == "hold":
                    self.held, self.tried, lines = self.tried, None, []
                else:
                    lines = self.again()
            except Exception as error:  # of any kind: it costs this setting, not the others
                lines = [{"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}]
                self.tried, error = None, None
                try:  # is the GPU still there?
                    torch.zeros(1, device=self.chosen.device).add_(1).item()
                except Exception:
                    broken = True
            print(json.dumps(lines), file=answers, flush=True)
            if broken:
                return


# ---- the process that asks -------------------------------------------------------------------------------------------

class Asker:
    def __init__(self, chosen):
        self.chosen, self.process, self.end = chosen, None, time.monotonic() + chosen.budget

    def left(self):
        return self.end - time.monotonic()

    def stop(self):
        """Ends the worker and what its compiler started: they are a group of processes of their own."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask(self, **question):
        if self.process is None:
            if question["do"] != "try":
                return [{"error": "the process that held it is gone"}]
            with open(self.chosen.log, "a", encoding="utf-8") as log:
                command = [sys.executable, os.path.abspath(__file__), "--worker", *sys.argv[1:]]
                self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                                start_new_session=True)
        limit = min(self.chosen.patience, max(self.left(), 1)) if question["do"] == "try" else self.chosen.patience
        try:
            self.process.stdin.write((json.dumps(question) + "\n").encode())
            self.process.stdin.flush()
            answer = b""
            stop = time.monotonic() + limit
            while not answer.endswith(b"\n"):
                if not select.select([self.process.stdout], [], [], max(stop - time.monotonic(), 0))[0]:
                    self.stop()
                    return [{"error": f"not ready after {limit:.0f} s"}]
                part = os.read(self.process.stdout.fileno(), 65536)
                if not part:
                    raise BrokenPipeError
                answer += part
            return json.loads(answer)
        except BrokenPipeError:
            self.stop()
            return [{"error": "the process that measures ended; see the log"}]


def driver():
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "none"


def about(chosen):
    """The front of every line."""
    base = sum(p.numel() for p in cuda_work.ddpm.UNet(chosen.net, cuda_work.CHANNELS, chosen.words).parameters())
    width, blocks = cuda_work.ddpm.NETS[chosen.net][0], cuda_work.ddpm.NETS[chosen.net][2]
    flop = cuda_clock.flops(chosen.net, chosen.side, cuda_work.CHANNELS)
    cuda = chosen.device == "cuda"
    return {"machine": peer.machine(), "cores": os.cpu_count(), "program": "pytorch",
            "compiler": f"torch {torch.__version__}", "cuda": torch.version.cuda or "none",
            "cudnn": torch.backends.cudnn.version() if cuda else 0, "driver": driver(),
            "device": torch.cuda.get_device_name() if cuda else "cpu", "clock": "events" if cuda else "wall",
            "network": f"{chosen.net} {chosen.side}x{chosen.side}x3-{width}x{blocks}, {base} parameters, "
                       f"{flop * 1e-6:.4g} MFLOP", "parameters": base}


def drive(chosen):
    lists = {"train": TRAIN, "sample": SAMPLE} if chosen.device == "cuda" else {"train": DRY, "sample": DRY}
    front, asker, best, started = about(chosen), Asker(chosen), {}, 0
    out = open(chosen.out, "a", encoding="utf-8") if chosen.out else sys.stdout

    def interrupted(*_):
        asker.stop()
        sys.exit(1)

    signal.signal(signal.SIGTERM, interrupted)

    def write(line):
        print(json.dumps(line), file=out, flush=True)

    def ours(kind, batch):
        if not chosen.ours:
            return
        command = [*chosen.ours.split(), kind, str(batch), str(chosen.runs)]
        try:
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=chosen.patience, check=True)
            for text in result.stdout.splitlines():
                write(json.loads(text))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            print(f"cuda.py: ours: {error}", file=sys.stderr)

    for number in range(max(map(len, lists.values()))):
        for kind, batch in chosen.works:
            found = None
            for name in lists[kind][number] if number < len(lists[kind]) else []:
                if chosen.only and not any(word in name for word in chosen.only.split(",")):
                    continue
                if asker.left() <= 0:
                    break
                started += 1
                lines = asker.ask(do="try", kind=kind, batch=batch, variant=name)
                for line in lines:
                    write({**front, "batch": batch, "variant": name, "what": kind, **line})
                took = lines[-1].get("ms_median")
                said = f"{took:.3f} ms" if took else lines[-1]["error"]
                print(f"  {front['network'].split(',')[0]} {kind} {batch} {name}: {said}", file=sys.stderr)
                if took and took < best.get((kind, batch), float("inf")):
                    best[kind, batch], found = took, name
                    asker.ask(do="hold")
            for _ in range(chosen.rounds if found else 0):
                ours(kind, batch)
                for line in asker.ask(do="again"):
                    write({**front, "batch": batch, "variant": found, "what": kind, **line})
    asker.stop()
    return 0 if best or not started else 1


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--net", default="ddpm", choices=list(cuda_work.ddpm.NETS))
    options.add_argument("--side", type=int, default=32)
    options.add_argument("--parameters", type=int, default=0, help="as many words of prompts as make this number")
    options.add_argument("--words", type=int, default=0, help="rows of the table of the prompts")
    options.add_argument("--works", default="sample8,sample128,train128,sample1,train64,train256,sample16")
    options.add_argument("--steps", type=int, default=50, help="of the DDIM chain")
    options.add_argument("--runs", type=int, default=17, help="times a round; 3 rounds of 17 are more than 50")
    options.add_argument("--first-runs", type=int, default=50, help="times a setting is measured when it is tried")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", help="settings whose name contains one of these words")
    options.add_argument("--budget", type=float, default=1e9, help="seconds after which nothing new is tried")
    options.add_argument("--patience", type=float, default=400, help="seconds for one setting")
    options.add_argument("--ours", default="", help="command that prints our lines; gets KIND BATCH RUNS")
    options.add_argument("--out", default="", help="lines are added to this file")
    options.add_argument("--log", default=os.devnull, help="what the compilers say")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--tiny", action="store_true", help="a small network, few runs: does everything work?")
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.net, chosen.side, chosen.works, chosen.steps = "tiny", 8, "train4,sample1", 5
        chosen.runs, chosen.first_runs, chosen.rounds = 5, 5, 2
    if not chosen.device.startswith("cuda") and not chosen.tiny and chosen.net in ("ddpm", "light"):
        options.error("no CUDA device; --tiny and --net small try everything on the CPU")
    try:
        works = [(w.rstrip("0123456789"), int(w[len(w.rstrip("0123456789")):])) for w in chosen.works.split(",")]
    except ValueError:
        works = []
    if not works or any(kind not in ("train", "sample") or batch < 1 for kind, batch in works):
        options.error(f"--works '{chosen.works}': a list such as sample8,train128")
    chosen.works = works
    if chosen.parameters:
        row = 4 * cuda_work.ddpm.NETS[chosen.net][0]
        bare = sum(p.numel() for p in cuda_work.ddpm.UNet(chosen.net, cuda_work.CHANNELS).parameters())
        chosen.words = (chosen.parameters - bare) // row
        if chosen.words < 0 or bare + chosen.words * row != chosen.parameters:
            options.error(f"{chosen.parameters} parameters: {chosen.net} has {bare}, and {row} for every word")
    if chosen.worker:
        Worker(chosen).serve()
        return 0
    return drive(chosen)


if __name__ == "__main__":
    sys.exit(main())
