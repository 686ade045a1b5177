# SPDX-License-Identifier: MIT
"""The daemon goes on for long: a hundred jobs that end and are replaced, every
nineteenth answer a fault. Memory must not grow, and neither descriptors nor
threads become more.

FC_SOAK_CYCLES read cycles of 0.1 s; "make soak" makes 8,640. A short run checks
threads, and that descriptors stay below what its hundreds of faults would have
taken: memory, and the number of connections at a time, take a while to settle.

What counts of memory is the least RSS of each minute: above it is what was
needed for a moment, as the daemon's queue of values while the machine was busy,
and glibc keeps that for a while. One arena without caches for each thread, or
each would keep its own."""

import os
import random
import statistics
import time

from harness import SystemTest
from turnover import JOBS, Told, Turnover

CYCLE_SECONDS = 0.1
WARM_UP = 0.1  # of all cycles
SETTLED = 0.25  # the same, for the least RSS of each minute
MALLOC = ("glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:"
          "glibc.malloc.trim_threshold=4096:glibc.malloc.top_pad=4096")
LIFE_SECONDS = (10, 50)
SLOPE_MAX = 1.0  # KiB per 1,000 cycles
CYCLES_TO_SETTLE = 5000
FAULT_SECONDS = 5
DESCRIPTORS_MAX = 64

# To every 19th request: 5 % of them, and never the same jobs in step.
FAULTS = [
    "500", "502 body=\"<html>\"", "200 body=\"{\"", "200 cut=20", "408",
    "200 body=\"{\\\"status\\\":7}\"", "503 header=\"Retry-After: 0\"",
    "200 data=100000 cut=50000", "429 header=\"Retry-After: 0\"", "204",
    "302 header=\"Location: file:///etc/passwd\"", "200 never",
]

PLUGIN = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    JobFile "%s"
    Interval 0.1
    Timeout 1000
    MaxRequestsPerMinute 0
    NotifyCompleted true
    ForgetAfter 10
  </Instance>
"""


def slope(points):
    """Of the straight line with the least squares."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    return (sum((x - mean_x) * (y - mean_y) for x, y in points) /
            sum((x - mean_x) ** 2 for x, _ in points))


def floor(samples):
    """The slope of the least RSS of each minute: the median of the slopes
    between any two minutes, on which a single step has no weight."""
    least = {}
    for sample in samples:
        minute = int(sample.cycle * CYCLE_SECONDS / 60)
        least[minute] = min(sample.rss, least.get(minute, sample.rss))
    cycles = 60 / CYCLE_SECONDS / 1000
    slopes = [(least[b] - least[a]) / ((b - a) * cycles)
              for a in least for b in least if a < b]
    return statistics.median(slopes) if slopes else 0


class Sample:
    def __init__(self, pid, cycle, heap_path):
        self.cycle = cycle
        self.heap = 0
        if os.path.exists(heap_path):
            with open(heap_path) as file:
                self.heap = int(file.read() or 0) / 1024
        self.descriptors = len(os.listdir("/proc/%d/fd" % pid))
        self.threads = len(os.listdir("/proc/%d/task" % pid))
        with open("/proc/%d/smaps_rollup" % pid) as file:
            words = {line.split()[0]: line.split()[1] for line in file}
        self.rss = int(words["Rss:"])


class Soak(SystemTest):
    def setUp(self):
        super().setUp()
        self.server = self.fake("# more as jobs begin\n")
        path = os.path.join(self.directory("jobs"), "jobs")
        self.daemon = self.configured(PLUGIN % (
            self.server.url, self.key_file(), path), interval=CYCLE_SECONDS)
        self.daemon.without("exec")
        self.daemon.more_environment["GLIBC_TUNABLES"] = MALLOC
        self.turnover = Turnover(
            self.server, path, Told(self.daemon.scratch + "/sink"),
            random.Random(1), LIFE_SECONDS)
        self.turnover.replace()

    def run_for(self, cycles):
        """One sample each second."""
        started = time.monotonic()
        samples = []
        cycle = 0
        while cycle < cycles:
            fault = FAULTS[len(samples) // FAULT_SECONDS % len(FAULTS)]
            self.server.script("answer %s every=19\n" % fault)
            self.turnover.replace()
            time.sleep(1 - (time.monotonic() - started) % 1)
            cycle = (time.monotonic() - started) / CYCLE_SECONDS
            samples.append(Sample(self.daemon.process.pid, cycle,
                                  self.daemon.scratch + "/sink.heap"))
        return [sample for sample in samples
                if sample.cycle >= WARM_UP * cycles]

    def report(self, cycles, samples):
        figures = {name: slope([(sample.cycle / 1000, getattr(sample, name))
                                for sample in samples])
                   for name in ("rss", "heap")}
        figures["floor"] = floor([sample for sample in samples
                                  if sample.cycle >= SETTLED * cycles])
        errors = sum(value for key, value in self.daemon.metrics().items()
                     if key[0] == "errors_total")
        print("# %d cycles, %d requests, %d errors, %d jobs ended: RSS %d KiB "
              "(%+.2f KiB per 1,000 cycles, its least %+.2f), allocated %d KiB "
              "(%+.2f), descriptors %d to %d, threads %s" % (
                  cycles, self.daemon.metric("total_requests_total"), errors,
                  self.turnover.begun - JOBS, samples[-1].rss, figures["rss"],
                  figures["floor"], samples[-1].heap, figures["heap"],
                  min(sample.descriptors for sample in samples),
                  max(sample.descriptors for sample in samples),
                  sorted({sample.threads for sample in samples})), flush=True)
        return figures["floor"]

    def test_nothing_grows(self):
        cycles = int(os.environ.get("FC_SOAK_CYCLES", "50"))
        self.daemon.start()
        samples = self.run_for(cycles)
        growth = self.report(cycles, samples)
        self.assertEqual(len({sample.threads for sample in samples}), 1)
        self.assertLessEqual(max(sample.descriptors for sample in samples),
                             DESCRIPTORS_MAX)
        if cycles >= CYCLES_TO_SETTLE:
            # A fault may cost a connection, which comes back.
            half = len(samples) // 2
            self.assertLessEqual(
                min(sample.descriptors for sample in samples[half:]),
                min(sample.descriptors for sample in samples[:half]) + 1)
            self.assertLessEqual(growth, SLOPE_MAX)
        self.server.script("answer off\n")
