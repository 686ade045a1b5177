# SPDX-License-Identifier: MIT
"""FLUSH of the unixsock plugin, and what else calls the flush callbacks of a
daemon: what it is not about polls nothing, and no number of them is a flood."""

import time

from harness import PATIENCE, SystemTest, wait_for

JOB = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11"
SCRIPT = f"job extract {JOB}\n  state processing\n"

NOT_OURS = ["identifier=h1/load/load",
            "identifier=testhost/load/load",
            "identifier=testhost/firecrawl-other/jobs-failed",
            "identifier=h1/firecrawl-prod/job_status-nightly",
            "identifier=testhost/firecrawl2-prod/job_status-nightly",
            "plugin=firecrawl identifier=testhost/load/load",
            "plugin=firecrawl timeout=3600",
            "timeout=3600"]
OURS = ["plugin=firecrawl",
        "identifier=testhost/firecrawl/jobs",
        "identifier=testhost/firecrawl-prod/job_status-nightly",
        "identifier=h1/load/load identifier=testhost/firecrawl-prod/api_up",
        "timeout=1"]


class Flush(SystemTest):
    def started(self, budget=400, more=""):
        self.server = self.fake(SCRIPT)
        daemon = self.collectd(
            f'<Instance "prod">\nURL "{self.server.url}"\n'
            f'APIKeyFile "{self.key_file()}"\nExtract "{JOB}" "nightly"\n'
            f"Interval 3600\nMaxRequestsPerMinute {budget}\n</Instance>",
            more=more)
        wait_for(lambda: self.polls() >= 1, "the first poll")
        return daemon

    def polls(self):
        return self.server.count(JOB)

    @staticmethod
    def pause(seconds):
        end = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() > end, "a pause", seconds + 15)

    def flush(self, daemon, words):
        self.assertRegex(daemon.ask("FLUSH " + words)[0], "^0 ")

    def test_what_is_not_about_us_polls_nothing(self):
        daemon = self.started()
        for words in NOT_OURS:
            for _ in range(20):
                self.flush(daemon, words)
        self.pause(2)
        self.assertEqual(self.polls(), 1)

    def test_what_is_about_us_polls_once(self):
        daemon = self.started()
        for i, words in enumerate(OURS):
            self.pause(1.5)  # "timeout=1" is of what is older
            self.flush(daemon, words)
            wait_for(lambda: self.polls() > i + 1, words)
            self.assertEqual(self.polls(), i + 2, words)

    def test_a_loop_without_a_budget_is_a_round_a_second(self):
        daemon = self.started(budget=0)
        started = time.monotonic()
        flushes = 0
        while time.monotonic() < started + 4:
            self.flush(daemon, "plugin=firecrawl")
            flushes += 1
        self.assertGreater(flushes, 20)
        self.pause(1.5)
        self.assertGreaterEqual(self.polls(), 4)
        self.assertLessEqual(self.polls() - 1,
                             time.monotonic() - started + 1)

    def flushed_by_interval(self, timeout):
        self.started(budget=0, more=(
            "<LoadPlugin firecrawl>\nFlushInterval 1\n%s</LoadPlugin>\n" %
            timeout))
        before, started = self.polls(), time.monotonic()
        self.pause(5)
        return self.polls() - before, time.monotonic() - started

    def test_flush_interval_alone_is_a_round_a_second_at_most(self):
        polls, seconds = self.flushed_by_interval("")
        self.assertGreaterEqual(polls, 2 / PATIENCE)
        self.assertLessEqual(polls, seconds + 2)

    def test_flush_timeout_is_heeded(self):
        self.assertEqual(self.flushed_by_interval("FlushTimeout 600\n")[0], 0)
