"""table.py: JSON lines of our programs and of PyTorch as a table with ratios.

    python3 tests/peers/table.py build/peers.jsonl

A row is one network, one kind of work and one number of threads.  median: the median over the rounds of the medians of
a round; min: the smallest time of all.  ratio: PyTorch / ours, so more than 1 means that ours is faster.
"""
import json
import statistics
import sys


def collect(path):
    """{(what, network, threads): {(program, setup): [line, ...]}}"""
    rows = {}
    with open(path, encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            key = line["what"], line["network"], line["threads"]
            setup = line["flags"] if line["program"] == "torch" else ""
            rows.setdefault(key, {}).setdefault((line["program"], setup), []).append(line)
    return rows


def main():
    rows = collect(sys.argv[1])
    print(f"{'what':<12} {'network':<54} {'threads':>7} {'ours ms':>9} {'(min)':>9} {'torch ms':>9} {'(min)':>9} "
          f"{'ratio':>6} {'(min)':>6} {'of peak':>8}  layout of torch")
    missing = 0
    for (what, network, threads), programs in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1], row[0][2])):
        median, least, peak, layout = {}, {}, 0, ""
        for (program, setup), lines in programs.items():
            middle = statistics.median(line["ms_median"] for line in lines)
            if program not in median or middle < median[program]:  # the better layout counts
                median[program] = middle
                least[program] = min(line["ms_min"] for line in lines)
                layout = setup if program == "torch" else layout
            if program == "tilt":
                peak = statistics.median(line.get("share_of_peak", 0) for line in lines)
        if len(median) < 2:
            print(f"{what:<12} {network:<54} {threads:>7}  only {', '.join(median)}: are the two networks the same?")
            missing += 1
            continue
        print(f"{what:<12} {network:<54} {threads:>7} {median['tilt']:>9.3f} {least['tilt']:>9.3f} "
              f"{median['torch']:>9.3f} {least['torch']:>9.3f} {median['torch'] / median['tilt']:>6.2f} "
              f"{least['torch'] / least['tilt']:>6.2f} {100 * peak:>7.0f}%  {layout}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
