# SPDX-License-Identifier: MIT
"""The fault rig's rows about a disk that takes its time, and about a JobFile
that does: no poll is late, no request times out for it, and neither holds up
the end of the daemon."""

import os
import struct
import time
import unittest

from faults import FaultTest, wait_for
from harness import BUILD, PATIENCE
from test_faults_replies import RUNNING, Course

SYNC_MS = 6000
SECONDS = 7         # such a fault lasts
FILE_SECONDS = 4    # a JobFile is touched all the time
INTERVAL = 1        # the daemon's
LATENESS_MAX = 0.5  # seconds that a poll may come too late
MIB = 1 << 20


class Disk:
    """Makes the syncs of a daemon slow while it runs: t/fake/disk_shim.c."""

    LIBRARY = BUILD + "/t/fake/.libs/disk_shim.so"

    def __init__(self, path):
        self.path = path
        self.take(0)

    def take(self, milliseconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb",
                  buffering=0) as file:
            file.write(struct.pack("=q", milliseconds))

    def of(self, daemon):
        daemon.preload = self.LIBRARY
        daemon.more_environment["FC_DISK"] = self.path
        return daemon


class Slow(FaultTest):
    """Two instances, of which one has the trouble."""

    NAMES = ("troubled", "neighbour")

    def setUp(self):
        super().setUp()
        self.servers = {}
        for name in self.NAMES:
            self.servers[name] = Course([RUNNING])
            self.addCleanup(self.servers[name].stop)

    def two(self, more, **options):
        """More options of the troubled one."""
        return self.faulty([self.block(
            name, "http://127.0.0.1:%d" % server.port,
            'Extract "job-%s"\nMaxRequestsPerMinute 0\n%s' % (
                name, more if name == "troubled" else ""))
            for name, server in self.servers.items()], **options)

    def well(self, daemon):
        metrics = self.metrics(daemon)
        return all(metrics.get((name, "api_up", "")) == 1
                   for name in self.NAMES)

    def lateness(self, name, since):
        """Of the polls of the configured job, at most; that of the next one
        counts, too."""
        times = [at for at, request in self.servers[name].requests
                 if at > since and b"/job-" in request.split(b"\n")[0]]
        times.append(max(time.monotonic() - INTERVAL, times[-1])
                     if times else time.monotonic())
        before = [since] + times
        return max(b - a for a, b in zip(before, times)) - INTERVAL

    def check_unmoved(self, daemon, since):
        """No poll was late and no request failed."""
        found = {name: self.lateness(name, since) for name in self.NAMES}
        print("# polls at most %.3f s late" % max(found.values()), flush=True)
        errors = {key: value for key, value in self.metrics(daemon).items()
                  if key[1] == "errors_total" and value}
        self.assertEqual(errors, {})
        for name in self.NAMES:
            self.assertLessEqual(found[name], LATENESS_MAX * PATIENCE, name)

    def last_for(self, seconds, action, every):
        deadline = time.monotonic() + seconds
        number = 0
        while time.monotonic() < deadline:
            action(number)
            number += 1
            time.sleep(every)


class SlowDisk(Slow):
    def test_a_disk_that_takes_seconds_to_sync(self):
        disk = Disk(os.path.join(self.directory("disk"), "disk"))
        daemon = disk.of(self.two("AcceptRegistrations true")).start()
        wait_for(lambda: self.well(daemon), "both are polled")
        disk.take(SYNC_MS)
        since = time.monotonic()

        def register(number):  # something to be saved at once
            reply = daemon.ask(
                "PUTNOTIF severity=okay time=%d plugin=firecrawl "
                'plugin_instance=troubled type=extract type_instance=new-%d '
                'message="new-%d"' % (time.time(), number, number))
            self.assertIn("Success", reply[0])
        self.last_for(SECONDS, register, 0.5)
        self.check_unmoved(daemon, since)
        self.check_cadence(daemon)
        self.end(daemon, [("S8", "sync-takes-6-s")])
        self.assertIn("the disk does not answer", daemon.log_text())
        disk.take(0)
        daemon.start()
        wait_for(lambda: self.well(daemon), "the next start is well")
        daemon.wait_metric("jobs", "processing", lambda value: value > 1)
        self.check_state(daemon, {(name, "job-" + name)
                                  for name in self.NAMES})
        self.end(daemon)


class LargeJobFile(Slow):
    def write(self, path, mib):
        with open(path, "wb") as file:
            for _ in range(mib):
                file.write(b"!\n" * (MIB // 2))

    def touched(self, mib, max_jobs, says, row):
        path = os.path.join(self.directory("jobs"), "jobs")
        self.write(path, mib)
        daemon = self.two('JobFile "%s"\nMaxJobs %d' % (path, max_jobs))
        daemon.start()
        wait_for(lambda: self.well(daemon), "both are polled")
        wait_for(lambda: says in daemon.log_text(), "the file is read", 60)
        since = time.monotonic()
        self.last_for(FILE_SECONDS, lambda _: os.utime(path), 0.2)
        self.check_unmoved(daemon, since)
        self.check_cadence(daemon)
        self.end(daemon, [row])
        return daemon

    def test_64_mib_of_refused_lines(self):
        daemon = self.touched(64, 10000, "is larger than 16777216 bytes",
                              ("ID2", "refused-64-mib"))
        self.assertEqual(daemon.log_text().count("is larger than"), 1)

    def test_as_many_refused_lines_as_are_read(self):
        """The daemon ends while they are."""
        self.touched(16, 10000000, "is not a job ID",
                     ("ID2", "refused-16-mib"))


class Hangs(Slow):
    def test_files_whose_file_server_is_gone(self):
        for name in ("jobs", "key"):
            with self.subTest(row="ID4", name="hangs-" + name):
                self.hang(name)

    def hang(self, name):
        """The JobFile or the key file changes, and cannot be read any more."""
        path = (self.key_file() if name == "key" else
                os.path.join(self.directory("jobs"), "jobs"))
        if name == "jobs":
            with open(path, "w") as file:
                file.write("a\n")
        disk = Disk(os.path.join(self.directory("disk"), "disk"))
        daemon = disk.of(self.two('JobFile "%s"' % path if name == "jobs"
                                  else "", name="collectd-" + name))
        daemon.more_environment["FC_DISK_FILE"] = path
        daemon.start()
        wait_for(lambda: self.well(daemon), "both are polled")
        disk.take(SYNC_MS)
        since = time.monotonic()
        self.last_for(SECONDS, lambda _: os.utime(path), 2.5)
        self.check_unmoved(daemon, since)
        self.end(daemon)
        self.assertIn("the disk does not answer", daemon.log_text())


if __name__ == "__main__":
    unittest.main()
