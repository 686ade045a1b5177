# SPDX-License-Identifier: MIT
"""The fault rig's rows K, T and M: signals, crashes, clocks, time zones, and a
host that has no memory, thread or descriptor left."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

import harness
from harness import PATIENCE, SystemTest, wait_for

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365.25 * 86400
INTERVAL = 0.2
MARGIN = 600
SHUTDOWN_SECONDS = 2.0

PLUGIN = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    Interval 0.2
    MaxRequestsPerMinute 0
    AcceptRegistrations true
    Extract "lasting" "lasting"
    Extract "ending" "ending"
  </Instance>
"""

# (row, name, wall-clock seconds)
STEPS = [
    ("T1", "back-an-hour", -HOUR),
    ("T1", "back-ten-years", -10 * YEAR),
    ("T1", "forward-an-hour", HOUR),
    ("T1", "forward-thirty-years", 30 * YEAR),
]

# (row, name, the first reply after a restart)
STRANGERS = [
    ("T3", "gateway-ahead", 'answer 502 body="<html>" date=+%d' % (2 * DAY)),
    ("T3", "gateway-behind", 'answer 502 body="<html>" date=-%d' % (20 * YEAR)),
    ("T3", "answer-ahead", "answer 200 body="
     '"{\\"success\\":true,\\"status\\":\\"processing\\"}" date=+%d' % (2 * DAY)),
]

# (row, what fails, where it was called from); which of the last three libcurl
# calls depends on its version
FAILING = [
    ("M5", "pthread_create", "firecrawl.so"),
    ("M5", "getrandom", "firecrawl.so"),
    ("M5", "socketpair", "libcurl"),
    ("M5", "pipe", "libcurl"),
    ("M5", "eventfd", "libcurl"),
]


class Host(SystemTest):
    def setUp(self):
        super().setUp()
        self.server = self.fake(
            "job extract *\n  state processing expires=@%d\n" % HOUR)
        self.daemon = self.configured(
            PLUGIN % (self.server.url, self.key_file()), interval=INTERVAL)

    def ends(self):
        self.server.script(
            'job extract ending\n  state failed error="no"\n')

    def polled(self, more=3):
        before = self.server.count("lasting")
        wait_for(lambda: self.server.count("lasting") >= before + more,
                 "polling goes on")

    def told(self, text="failed: no"):
        return [entry for entry in self.daemon.sunk() if text in entry[4]]

    def check_cadence(self):
        """As many polls as intervals, neither a stop nor a burst."""
        before = self.server.count("lasting")
        started = time.monotonic()
        wait_for(lambda: self.server.count("lasting") >= before + 6, "polls")
        self.assertGreater(time.monotonic() - started, 4 * INTERVAL)

    def stops(self):
        status, seconds = self.daemon.stop()
        self.assertEqual(status, 0)
        self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)

    def test_the_wall_clock_steps(self):
        """When it goes back, the host's own reads stand still until it is where
        it was, and notifications come only then; polling goes on."""
        clock = self.clock()
        clock.of(self.daemon).start()
        self.daemon.wait_metric("job_status", "lasting", 1)
        expiry = self.daemon.wait_metric("job_expiry", "lasting",
                                         lambda value: value > 0)
        for row, name, seconds in STEPS:
            with self.subTest(row=row, name=name):
                clock.step(wall=seconds)
                self.check_cadence()
                if seconds < 0:
                    clock.step(wall=-seconds)
                self.daemon.wait_metric(
                    "job_expiry", "lasting",
                    lambda value: abs(value - expiry) < 120)
        self.ends()
        wait_for(self.told, "the end is told of")
        self.assertEqual(len(self.daemon.sunk()), 1, self.daemon.sunk())
        self.stops()

    def test_the_clock_steps_between_two_runs(self):
        clock = self.clock()
        clock.of(self.daemon)
        self.ends()
        self.daemon.start()
        wait_for(self.told, "the end is told of")
        for row, name, seconds in STEPS:
            with self.subTest(row=row.replace("1", "2"), name=name):
                self.stops()
                clock.step(wall=seconds)
                self.daemon.start()
                self.polled()
                self.stops()
                clock.step(wall=-seconds)
                self.daemon.start()
                self.polled()
        self.assertEqual(len(self.told()), 1)
        self.assertEqual(self.server.count("ending"), 1)

    def saved(self):
        """{ID: what the state file has of it} of the jobs that have ended."""
        with contextlib.closing(sqlite3.connect(
                self.daemon.scratch + "/firecrawl.db")) as file:
            return {row[0]: row[1:] for row in file.execute(
                "SELECT id, status, sources, first_seen, processing_since, ended,"
                " notified FROM job WHERE ended IS NOT NULL")}

    def register_failed(self):
        self.daemon.ask("PUTNOTIF severity=okay time=%d plugin=firecrawl "
                        "plugin_instance=prod type=extract type_instance=once "
                        'message="once"' % time.time())
        wait_for(lambda: self.told("extract once (once) failed"),
                 "the registered job's end is told of")

    def test_the_first_date_after_a_restart_ends_nothing(self):
        self.ends()
        self.server.script(
            'job extract once\n  state processing for 2 requests\n'
            '  state failed error="no"\n')
        self.daemon.start()
        self.register_failed()
        wait_for(lambda: self.told("extract ending (ending) failed"), "an end")
        self.stops()
        before = self.saved()
        self.assertEqual(sorted(before), ["ending", "once"])
        for row, name, answer in STRANGERS:
            with self.subTest(row=row, name=name):
                self.server.script(answer + "\n")
                self.daemon.start()
                self.polled(2)
                for job in before:
                    self.daemon.wait_metric("job_status", job, 3)
                self.server.script("answer off\n")
                duration = self.daemon.wait_metric(
                    "duration_seconds", "lasting", lambda value: value >= 0)
                self.assertLess(duration, HOUR)
                self.assertEqual(self.daemon.metric("jobs", "stalled"), 0)
                self.stops()
                self.assertEqual(self.saved(), before)
        self.assertEqual(len(self.told()), 2, self.daemon.sunk())

    def test_time_zone_and_locale_change_nothing(self):
        self.daemon.more_environment = {
            "TZ": "Pacific/Apia", "LC_ALL": "de_DE.UTF-8",
            "LC_NUMERIC": "de_DE.UTF-8"}
        self.daemon.start()
        self.daemon.wait_metric("job_status", "lasting", 1)
        self.assertAlmostEqual(self.daemon.metric("job_expiry", "lasting"),
                               HOUR, delta=60 * PATIENCE)
        self.assertEqual([key for key, value in self.daemon.metrics().items()
                          if key[0] == "errors_total" and value], [])

    def test_signals(self):
        """Storms of those that a daemon is sent; SIGHUP ends collectd."""
        self.daemon.start()
        self.polled()
        for _ in range(300):
            for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGCONT,
                           signal.SIGWINCH, signal.SIGURG, signal.SIGUSR1):
                self.daemon.process.send_signal(number)
        self.polled()
        self.check_cadence()
        self.ends()
        wait_for(self.told, "the end is told of")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.process.wait(10 * PATIENCE)
        self.daemon.stop()
        self.daemon.start()
        self.polled()
        self.daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(self.daemon.process.wait(
            SHUTDOWN_SECONDS * PATIENCE), 0)
        self.daemon.stop()
        self.daemon.start()
        self.polled()
        self.assertLessEqual(len(self.told()), 2)
        self.assertEqual([entry[2] for entry in self.told()[1:]],
                         ["true"] * (len(self.told()) - 1))

    def test_an_hour_asleep_is_one_poll_and_not_thousands(self):
        clock = self.clock()
        clock.of(self.daemon).start()
        self.polled()
        self.daemon.process.send_signal(signal.SIGSTOP)
        before = self.server.count("lasting")
        # The server has not slept, and is not believed at once: it must be less
        # than StallTimeout.
        clock.step(wall=HOUR - MARGIN, mono=HOUR - MARGIN)
        self.daemon.process.send_signal(signal.SIGCONT)
        self.polled()
        self.check_cadence()
        self.assertLess(self.server.count("lasting") - before, 30)
        self.ends()
        wait_for(self.told, "the end is told of")
        self.assertEqual(len(self.daemon.sunk()), 1, self.daemon.sunk())

    def test_a_crash_while_handing_over_repeats_it_marked(self):
        """In the handler of another plugin, which had it already."""
        crash = self.daemon.scratch + "/sink.crash"
        with open(crash, "w"):
            self.daemon.start()
        self.ends()
        wait_for(lambda: self.daemon.process.poll() is not None,
                 "the daemon crashes")
        self.assertEqual(self.daemon.stop()[0], -signal.SIGABRT)
        os.unlink(crash)
        for _ in range(2):
            self.daemon.start()
            self.polled()
            self.stops()
        self.assertEqual([entry[2] for entry in self.told()], ["-", "true"])
        self.assertEqual(len({entry[1] for entry in self.told()}), 1)

    @unittest.skipIf(harness.PRELOAD, "the sanitizers' libraries come first")
    def test_calls_of_the_start_fail(self):
        """Then the plugin is off with an error, or does without; the daemon
        runs on."""
        self.daemon.without("exec")
        failed = set()
        for row, call, where in FAILING:
            with self.subTest(row=row, call=call, where=where):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.daemon.scratch + "/collectd.log")
                self.daemon.preload = harness.Clock.LIBRARY
                self.daemon.more_environment = {"FC_FAIL": call,
                                                "FC_FAIL_IN": where}
                self.daemon.start()
                wait_for(lambda: "entering read-loop" in
                         self.daemon.log_text(), "it has started")
                off = "nothing is watched" in self.daemon.log_text()
                if "clock_shim: %s fails" % call in self.daemon.output_text():
                    failed.add(call)
                print("# %s in %s: %s" % (call, where, "off" if off else
                                          "does without"))
                if off:
                    self.assertNotIn("Initialization of plugin",
                                     self.daemon.log_text())
                else:
                    self.polled()
                self.assertRegex(self.daemon.ask("FLUSH timeout=1")[0], "^0 ")
                status, seconds = self.daemon.stop()
                self.assertEqual(status, 0)
                self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)
        self.assertLessEqual({"pthread_create", "getrandom"}, failed)
        self.assertTrue(failed & {"socketpair", "pipe", "eventfd"}, failed)
        self.daemon.more_environment = {}
        self.daemon.start()
        self.polled()

    @unittest.skipUnless(shutil.which("prlimit"), "no prlimit")
    @unittest.skipIf(harness.PRELOAD, "sanitizers need more")
    def test_a_small_stack(self):
        """The limit is that of each new thread, the poller's too."""
        self.daemon.wrapper = ["prlimit", "--stack=%d" % (64 * 1024)]
        self.ends()
        self.daemon.start()
        wait_for(self.told, "the end is told of")
        self.polled()
        self.stops()

    @unittest.skipUnless(shutil.which("prlimit"), "no prlimit")
    @unittest.skipIf(harness.PRELOAD, "sanitizers map what they like")
    def test_no_more_address_space(self):
        # glibc ends a process whose thread wants to end and has no memory for
        # libgcc; exec has such threads.
        self.daemon.without("exec")
        self.daemon.start()
        self.daemon.wait_metric("job_status", "lasting", 1)
        size = self.daemon.status_field("VmSize") * 1024
        pid = str(self.daemon.process.pid)
        subprocess.run(["prlimit", "--pid", pid, "--as=%d:" % size], check=True)
        self.server.script("job extract lasting\n  state processing "
                           "data=3000000\n")
        self.polled(10)
        self.ends()
        wait_for(self.told, "the end is told of")
        subprocess.run(["prlimit", "--pid", pid, "--as=unlimited:"], check=True)
        self.polled()
        self.daemon.wait_metric("job_status", "lasting", 1)
        self.stops()


if __name__ == "__main__":
    unittest.main()
