# SPDX-License-Identifier: MIT
"""What the rows of the fault rig have in common: a fault that comes and goes,
what the daemon must say of it, and the invariants that hold after every row.

The invariants: the daemon and its other plugins go on in time, the state file
is whole and has every job, no event is told twice, the key and no reply's body
is anywhere, descriptors, threads and memory come back, a SIGTERM ends it soon,
and when the fault ends the instance recovers without a restart.

FC_ALL=1 (make faults) runs what takes too long for every day."""

import collections
import glob
import os
import re
import sqlite3
import unittest

from harness import (KEY, PATIENCE, PRELOAD, SystemTest, wait_for,
                     wait_until_empty)
from raw_server import SECRET, RawServer, says, reply

ALL = bool(os.environ.get("FC_ALL"))
PATIENCE_SECONDS = 30  # until trouble is a problem
PAUSE_SECONDS = 301  # the longest pause after a failure is over
SHUTDOWN_SECONDS = 2.0
TIMEOUT_MS = 1000 * PATIENCE
LINES_MAX = 4  # about one instance while a fault lasts; a slow host times out
# A fault's own first costs, such as TLS and error texts, stay.
RSS_GROWTH_KIB = 8 * 1024

NEIGHBOUR = """
LoadPlugin load
LoadPlugin csv
<Plugin csv>
  DataDir "%s"
</Plugin>
"""

INSTANCE = """
  <Instance "%(name)s">
    URL "%(url)s"
    APIKeyFile "%(key)s"
    Timeout %(timeout)d
    MaxBodySize 1048576
    %(more)s
  </Instance>
"""

Footprint = collections.namedtuple("Footprint", "descriptors threads kib")


def figures(row, name):
    """For t/faults, which counts them."""
    print("# row %s %s passed" % (row, name), flush=True)


def footprint(daemon):
    path = "/proc/%d/" % daemon.process.pid
    return Footprint(len(os.listdir(path + "fd")),
                     len(os.listdir(path + "task")),
                     daemon.status_field("VmRSS"))


def lines_of(daemon):
    """{instance: what the log says of it}"""
    lines = collections.defaultdict(list)
    for line in daemon.log_text().splitlines():
        _, _, said = line.partition("firecrawl plugin: ")
        lines[said.partition(":")[0]].append(line)
    return lines


class FaultTest(SystemTest):
    """A test of faults. Proxies in the daemon's environment lead to a trap."""

    def setUp(self):
        super().setUp()
        self.trap = RawServer(says(reply()))
        self.addCleanup(self.trap.stop)

    def block(self, name, url, more=""):
        return INSTANCE % {"name": name, "url": url, "key": self.key_file(),
                           "timeout": TIMEOUT_MS,
                           "more": more or 'Extract "job-%s"' % name}

    def faulty(self, blocks, more="", **options):
        proxy = "http://127.0.0.1:%d" % self.trap.port
        wrapper = ["env"] + ["%s=%s" % (name, proxy) for name in (
            "http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")]
        options.setdefault("wrapper", wrapper)
        return self.configured("".join(blocks), more=NEIGHBOUR %
                               (self.directory("collectd") + "/csv") + more,
                               **options)

    def faulty_daemon(self, blocks, more="", **options):
        return self.faulty(blocks, more, **options).start()

    def metrics(self, daemon):
        return daemon.instance_metrics()

    @staticmethod
    def without_handlers(daemon, *names):
        """Takes plugins that receive notifications out of the configuration."""
        path = daemon.scratch + "/collectd.conf"
        with open(path) as file:
            text = file.read()
        for name in names:
            text = re.sub(r"LoadPlugin %s\n(<Plugin %s>.*?</Plugin>\n)?" % (
                name, name), "", text, flags=re.S)
        with open(path, "w") as file:
            file.write(text)

    def texts(self, daemon):
        """All that the daemon lets out."""
        yield daemon.output_text().encode()
        for name in ("environ", "cmdline"):
            with open("/proc/%d/%s" % (daemon.process.pid, name), "rb") as file:
                yield file.read()
        yield repr(self.metrics(daemon)).encode()
        for notification in daemon.notifications():
            yield repr((notification.message, notification.fields)).encode()
        yield repr(daemon.sunk()).encode()
        for path in glob.glob(daemon.scratch + "/firecrawl.db*"):
            with open(path, "rb") as file:
                yield file.read()

    def check_nothing_leaked(self, daemon, secrets=(KEY.encode(), SECRET)):
        for text in self.texts(daemon):
            for secret in secrets:
                self.assertNotIn(secret, text)

    def check_told_briefly(self, daemon, names):
        """A fault that lasts is told of once, and once more as API unusable."""
        lines = lines_of(daemon)
        for name in names:
            told = lines[name]
            self.assertLessEqual(len(told), LINES_MAX, "\n".join(told))

    def check_cadence(self, daemon, interval=1):
        """Another plugin's values came in time, whatever ours met."""
        def values():
            found = []
            for path in glob.glob(daemon.scratch + "/csv/testhost/load/load-*"):
                with open(path) as file:
                    found += [float(line.split(",")[0]) for line in
                              file.readlines()[1:] if line.endswith("\n")]
            return found
        wait_for(lambda: len(values()) > 3, "some values of another plugin")
        times = values()
        gaps = [after - before for before, after in zip(times, times[1:])]
        self.assertLessEqual(max(gaps), 1.5 * interval * PATIENCE)

    def check_state(self, daemon, jobs):
        """The state file is whole and has these {(instance, ID)}, in a moment:
        it is written beside the polls."""
        file = sqlite3.connect("file:%s/firecrawl.db?mode=ro" % daemon.scratch,
                               uri=True)
        try:
            self.assertEqual(file.execute("PRAGMA quick_check").fetchall(),
                             [("ok",)])
            wait_until_empty(lambda: jobs - set(file.execute(
                "SELECT instance, id FROM job")), "the jobs are in the file")
        finally:
            file.close()

    def check_events(self, daemon):
        """Each event was told once."""
        keys = collections.Counter(
            key for _, key, duplicate, *_ in daemon.sunk()
            if duplicate != "true")
        self.assertEqual([key for key, n in keys.items() if n > 1], [])

    def wait_footprint(self, daemon, before, connections=1):
        """Within a few polls it is as small as before the fault. How many of
        its idle connections libcurl keeps varies."""
        def larger():
            now = footprint(daemon)
            good = (now.descriptors <= before.descriptors + 2 + connections // 8
                    and now.threads <= before.threads and
                    (PRELOAD or now.kib <= before.kib + RSS_GROWTH_KIB))
            return [] if good else [(now, before)]
        wait_until_empty(larger, "descriptors, threads and memory come back",
                         20)

    def check_invariants(self, daemon, jobs, before=None):
        self.assertIsNone(daemon.process.poll())
        self.check_cadence(daemon)
        self.check_state(daemon, jobs)
        self.check_events(daemon)
        self.check_nothing_leaked(daemon)
        self.assertEqual(self.trap.connections, 0)
        if before:
            self.wait_footprint(daemon, before, len(jobs))

    def end(self, daemon, rows=()):
        """Ends the daemon; what came so far has then passed."""
        status, seconds = daemon.stop()
        self.assertEqual(status, 0)
        self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)
        print("# SIGTERM to exit %.3f s" % seconds, flush=True)
        for row, name in rows:
            figures(row, name)


class Row:
    """A fault at a server: how it shows, and how it is taken back."""

    def __init__(self, row, name, fault, counters, says_, told="unusable",
                 recovers=True):
        self.row, self.name, self.fault = row, name, fault
        self.counters, self.says, self.told = counters.split("|"), says_, told
        self.recovers = recovers
        self.server = None

    def counts(self, metrics):
        return any(metrics.get((self.name, "errors_total", counter), 0) > 0
                   for counter in self.counters)

    def shows(self, metrics, lines):
        return (self.counts(metrics)
                and (metrics.get((self.name, "api_up", "")) == 0) ==
                bool(self.told)
                and any(re.search(self.says, line)
                        for line in lines[self.name]))

    def is_well(self, metrics):
        return (metrics.get((self.name, "api_up", "")) == 1 and
                metrics.get((self.name, "job_status", "job-" + self.name)) == 1)

    def about(self, metrics, lines):
        """What there is of it, for an error message."""
        return self.name, [key for key, value in metrics.items()
                           if key[0] == self.name and value and key[1] in (
                               "errors_total", "api_up")], \
            lines[self.name]


class Rig(FaultTest):
    """Rows at work: all are well, all fail, all are well again. All notify at
    once, so the exec plugin and its processes are left out."""

    def setUp(self):
        super().setUp()
        self.rows = []
        self.blocks = []

    def faulty(self, blocks, more="", **options):
        daemon = super().faulty(blocks, more, **options)
        self.without_handlers(daemon, "exec")
        self.clock_ = self.clock()
        return self.clock_.of(daemon)

    def add(self, row, server, url=None, more=""):
        self.rows.append(row)
        row.server = server
        self.addCleanup(server.stop)
        self.blocks.append(self.block(
            row.name, url or "http://127.0.0.1:%d" % server.port,
            '%s\n    Extract "job-%s"' % (more, row.name)))

    def start(self):
        for row in self.rows:
            row.server.healed = True
        daemon = self.faulty_daemon(self.blocks)
        self.wait_well(daemon, "every row is well at first", 30)
        return daemon

    def wait_well(self, daemon, what, seconds):
        def ill():
            metrics, lines = self.metrics(daemon), lines_of(daemon)
            return [row.about(metrics, lines) for row in self.rows
                    if row.recovers and not row.is_well(metrics)]
        wait_until_empty(ill, what, seconds)

    def break_all(self):
        for row in self.rows:
            row.server.broken()

    def heal_all(self):
        for row in self.rows:
            row.server.heal()

    def wait_faults(self, daemon):
        """What fails is trouble at once, and a problem after half a minute; it
        is asked for again after at most five."""
        def unseen():
            metrics, lines = self.metrics(daemon), lines_of(daemon)
            return [row.about(metrics, lines) for row in self.rows
                    if not row.counts(metrics)]
        wait_until_empty(unseen, "every fault counts", 40)
        self.clock_.step(mono=PATIENCE_SECONDS + 1)

        def hidden():
            metrics, lines = self.metrics(daemon), lines_of(daemon)
            return [row.about(metrics, lines) for row in self.rows
                    if not row.shows(metrics, lines)]
        wait_until_empty(hidden, "every fault counts and is explained", 40)

    def wait_told(self, daemon, texts):
        """One notification for each row, by {name: text}; from the log, where
        every notification is, for there are many."""
        def untold():
            lines = lines_of(daemon)
            return [(row.name, texts(row)) for row in self.rows
                    if texts(row) and not any(
                        re.search(texts(row), line)
                        for line in lines[row.name])]
        wait_until_empty(untold, "every row notifies", 40)

    def jobs(self):
        return {(row.name, "job-" + row.name) for row in self.rows}

    def come_and_go(self):
        daemon = self.start()
        before = footprint(daemon)
        self.break_all()
        self.go(daemon)
        self.check_invariants(daemon, self.jobs(), before)
        return daemon

    def go(self, daemon):
        """From faults to health."""
        self.wait_faults(daemon)
        self.wait_told(daemon, lambda row: row.told)
        self.check_told_briefly(daemon, [row.name for row in self.rows])
        self.check_nothing_leaked(daemon)
        self.heal_all()
        self.clock_.step(mono=PAUSE_SECONDS)
        self.wait_well(daemon, "every row recovers", 90)
        self.wait_told(daemon, lambda row: row.recovers and row.told and
                       "API usable again")

    def passed(self):
        return [(row.row, row.name) for row in self.rows]


def needs_all(test):
    return unittest.skipUnless(ALL, "long: make faults")(test)


__all__ = ["ALL", "FaultTest", "Rig", "Row", "footprint", "lines_of",
           "needs_all", "wait_for", "wait_until_empty"]
