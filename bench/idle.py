"""What the product costs while nothing happens: memory by PSS, and processor time, over half a minute."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

from bench.stand import databases, stand

SECONDS = 30
KINDS = ("guard", "forkserver", "web", "control", "download", "probe", "qcluster", "manage.py up")
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    for database in databases():
        with stand(database) as (product, _):
            time.sleep(15)
            pids = product.pids()
            before = sum(ticks(pid) for pid in pids)
            time.sleep(SECONDS)
            spent = (sum(ticks(pid) for pid in pids) - before) / TICKS / SECONDS * 100
            shares: dict[str, float] = defaultdict(float)
            for pid, command in pids.items():
                shares[kind(command)] += pss(pid)
            print(f"{database}: {len(pids)} processes, {sum(shares.values()):.0f} MB PSS, {spent:.2f} % of a core idle")
            print("   " + ", ".join(f"{name} {size:.0f}" for name, size in sorted(shares.items())))


def kind(command: str) -> str:
    for word in KINDS:
        if word in command:
            return word.strip()
    return command[:30]


def ticks(pid: int) -> int:
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(facts[11]) + int(facts[12])


def pss(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(rollup.partition("\nPss:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
