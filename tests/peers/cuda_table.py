"""cuda_table.py: JSON lines of our GPU program and of PyTorch as a table with ratios.

    python3 tests/peers/cuda_table.py build/cuda.jsonl

A row is one kind of work of one network at one batch.  median: the median over the rounds of the medians of a round;
min: the smallest time of all.  Of PyTorch's settings the one with the lowest median counts.  ratio: PyTorch / ours, so
more than 1 means that ours is faster.  error: of the gradient (of the prediction where nothing is trained) against
higher precision; ours and PyTorch's bf16 autocast from cuda_same.py with equal weights, the setting's own from its run.
tried: settings that were measured, those that failed, and whether a compiled one is among them; without one the ratio
is no comparison with PyTorch's best.  Rows whose networks have different numbers of parameters are refused: exit 1.
"""
import json
import re
import statistics
import sys


def number_of_parameters(line):
    found = re.search(r"(\d+) parameters", line["network"])
    return line.get("parameters") or (int(found.group(1)) if found else None)


def collect(path):
    """Times {(size, what, batch): {(program, executor or setting): [line, ...]}}, errors {(size, program, executor)},
    failures {(size, kind, batch): number}."""
    times, errors, failures = {}, {}, {}
    with open(path, encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            if "network" not in line:
                continue
            size = line["network"].split(",")[0].split()[-1]  # '32x32x3-128x2'
            if line["what"] == "error":
                errors[size, line["program"], line["executor"]] = line
            elif "error" in line:
                key = size, "train" if line["what"] == "train" else "sample", line["batch"]
                failures[key] = failures.get(key, 0) + 1
            else:
                who = line["program"], line.get("variant") or line.get("executor", "cpu")
                times.setdefault((size, line["what"], line["batch"]), {}).setdefault(who, []).append(line)
    return times, errors, failures


def summary(lines):
    return statistics.median(line["ms_median"] for line in lines), min(line["ms_min"] for line in lines)


def shown(value):
    return f"{value:.1e}" if value is not None else "-"


def main():
    times, errors, failures = collect(sys.argv[1])
    bad = 0
    print(f"{'what':<9} {'network':<15} {'batch':>5} {'on':<12} {'ours ms':>9} {'(min)':>9} {'torch ms':>9} "
          f"{'(min)':>9} {'ratio':>6} {'(min)':>6} {'error ours':>10} {'bf16 torch':>10} {'setting':>8}  tried  "
          "setting of torch")
    for (size, what, batch), rows in sorted(times.items()):
        theirs = {name: lines for (program, name), lines in rows.items() if program == "pytorch"}
        ours = {name: lines for (program, name), lines in rows.items() if program == "tilt"}
        best = min(theirs, key=lambda name: summary(theirs[name])) if theirs else None
        kind = "gradient_error" if what == "train" else "prediction_error"
        failed = failures.get((size, "train" if what == "train" else "sample", batch), 0)
        compiled = any(name.split("+")[0].split("/")[2] != "eager" for name in theirs)
        tried = f"{len(theirs)}" + (f"-{failed}" if failed else "") + ("" if compiled else " eager only")
        for executor in sorted(ours) or [None]:
            counts = {number_of_parameters(line) for line in ours.get(executor, []) + theirs.get(best, [])}
            if len(counts) > 1:
                both = " and ".join(map(str, sorted(counts)))
                print(f"{what:<9} {size:<15} {batch:>5} {executor:<12}  refused: {both} parameters are two networks")
                bad = 1
                continue
            us = summary(ours[executor]) if executor else None
            them = summary(theirs[best]) if best else None
            mine = errors.get((size, "tilt", executor), {}).get(kind)
            twin = errors.get((size, "pytorch", executor), {}).get(kind)
            cells = [f"{v:>9.3f}" if v else f"{'-':>9}" for v in (us or (None, None)) + (them or (None, None))]
            ratio = [f"{t / o:>6.2f}" if t and o else f"{'-':>6}" for o, t in zip(us or (0, 0), them or (0, 0))]
            print(f"{what:<9} {size:<15} {batch:>5} {executor or '-':<12} {' '.join(cells)} {' '.join(ratio)} "
                  f"{shown(mine):>10} {shown(twin):>10} {shown(theirs[best][0].get(kind) if best else None):>8}  "
                  f"{tried if best else '-':<6} {best or ''}")
    if not times:
        print("cuda_table.py: no line with a time", file=sys.stderr)
        bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
