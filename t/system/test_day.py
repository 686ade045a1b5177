# SPDX-License-Identifier: MIT
"""A day of a quiet production in fast motion: a real collectd, a real server,
both on clocks that the test moves. Who is woken, and by what?"""

import os
import re
import time

from harness import KEY, SystemTest, wait_for

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

UUID = "0199d3a2-6c1e-7f3a-9a51-%012d"
NEXT_KEY = "fc-rotated-0123456789abcdef"

INSTANCE = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    Interval 60
    StallTimeout 0
    JobFile "%s"
  </Instance>
"""

# What an operator wants to hear of that day, and nothing else: collectd's number
# of the severity, and the message.
WANTED = [
    ("2", "agent typo (typo-1) lost: Invalid job ID format"),
    ("2", "agent research (%s) cancelled: Agent was cancelled" %
     (UUID % 90)),
    ("1", "API unusable: HTTP 503"),
    ("4", "API usable again"),
    ("1", "extract nightly (%s) failed: No engine" % (UUID % 91)),
]


class Day(SystemTest):
    def setUp(self):
        super().setUp()
        self.clock_ = self.clock()
        self.server_clock = self.clock("server")
        self.server = self.fake("# none\n", clock=self.server_clock)
        self.jobs = {}
        self.path = os.path.join(self.directory("jobs"), "jobs")
        self.write_jobs()
        self.key = self.key_file()
        self.daemon = self.clock_.of(self.configured(
            INSTANCE % (self.server.url, self.key, self.path)))
        self.daemon.start()
        self.passed = 0
        self.turns = 0

    def write_jobs(self):
        with open(self.path + ".new", "w") as file:
            for job, (kind, name) in self.jobs.items():
                file.write("%s %s %s\n" % (kind, job, name))
        os.rename(self.path + ".new", self.path)

    def job(self, number, kind, name, *states):
        job = number if isinstance(number, str) else UUID % number
        self.server.script("job %s %s\n%s\n" % (
            kind, job, "\n".join("  state " + state for state in states)))
        self.jobs[job] = (kind, name)
        self.write_jobs()

    def read_at(self):
        """The moment at which the plugin was last read, on its own clock."""
        found = re.search(r'^collectd_firecrawl_total_requests_total.* (\d+)$',
                          self.daemon.exposition(), re.M)
        return int(found.group(1)) / 1000 if found else 0

    def pass_time(self, seconds, step=30):
        """Lets it pass; each step once the plugin has been read in the last."""
        end = self.passed + seconds
        while self.passed < end:
            step = min(step, end - self.passed)
            self.passed += step
            self.turns += 1
            self.clock_.step(wall=step, mono=step)
            self.server_clock.step(wall=step, mono=step)
            wait_for(lambda: self.read_at() >= time.time() +
                     self.clock_.wall - 1.5, "the plugin is read")

    def wait_metric(self, *arguments):
        self.daemon.wait_metric(*arguments)

    def quiet(self):
        """Jobs come, run and complete; none of it is news."""
        self.job(80, "extract", "long", "processing expires=+86400")
        for number in range(6):
            self.job(number, "extract", "hourly",
                     "processing for 300s expires=+86400",
                     "completed expires=+86400 tokens=10")
            self.pass_time(30 * MINUTE, 60)
        self.wait_metric("jobs", "completed", 6)

    def rate_limits(self):
        for _ in range(3):
            self.server.script('answer 429 header="Retry-After: 23" body="{}"')
            self.pass_time(90)
            self.server.script("answer off")
            self.pass_time(10 * MINUTE)
        self.assertGreaterEqual(
            self.daemon.metric("http_response_codes_total", "429"), 3)

    def lagging_replica(self):
        """It does not know a job that another one knew."""
        job = 'job extract %s\n  state ' % (UUID % 80)
        self.server.script(
            job + 'x code=404 body="{\\"success\\":false,\\"error\\":'
            '\\"Extract job not found\\"}" for 1 requests\n'
            '  state processing expires=+86400')
        self.pass_time(10 * MINUTE)
        self.assertEqual(
            self.daemon.metric("http_response_codes_total", "404"), 1)
        self.wait_metric("job_status", "long", 1)

    def typo(self):
        self.job("typo-1", "agent", "typo", 'x code=400 body="{\\"success\\":'
                 'false,\\"error\\":\\"Invalid job ID format. Job ID must be a '
                 'valid UUID.\\"}"')
        self.pass_time(30 * MINUTE)
        self.wait_metric("job_status", "typo", 4)

    def cancelled_agent(self):
        self.job(90, "agent", "research", "processing for 120s",
                 'failed error="Agent was cancelled by the user"')
        self.pass_time(10 * MINUTE)
        self.wait_metric("job_status", "research", 2)

    def rotated_key(self):
        """The server's comes first, the file's a few seconds later."""
        self.server.script("key %s" % NEXT_KEY)
        before = self.server.rejected()
        for _ in range(24):
            if self.server.rejected() > before:
                break
            self.pass_time(5, 5)
        self.assertGreater(self.server.rejected(), before)
        with open(self.key, "w") as file:
            file.write(NEXT_KEY + "\n")
        self.pass_time(15, 1)
        self.pass_time(10 * MINUTE)
        self.wait_metric("api_up", "", 1)

    def brownout(self):
        self.server.script('answer 503 body="<html>"')
        self.pass_time(20 * MINUTE)
        self.wait_metric("api_up", "", 0)
        self.server.script("answer off")
        self.pass_time(15 * MINUTE)
        self.wait_metric("api_up", "", 1)

    def host_clock(self):
        """The host's is a day ahead for an hour; the server's is right."""
        lost = self.daemon.metric("jobs", "lost")
        self.clock_.step(wall=DAY)
        self.pass_time(HOUR, 60)
        self.assertEqual(self.daemon.metric("jobs", "lost"), lost)
        self.assertLess(abs(self.daemon.metric("job_expiry", "long") - DAY),
                        HOUR)
        self.clock_.step(wall=-DAY)
        self.restart()
        self.pass_time(10 * MINUTE)

    def restart(self):
        self.assertEqual(self.daemon.stop()[0], 0)
        self.daemon.start()

    def failure(self):
        self.job(91, "extract", "nightly", "processing for 120s",
                 'failed error="No engine"')
        self.pass_time(10 * MINUTE)
        self.wait_metric("job_status", "nightly", 3)

    def night(self):
        """The last jobs end, and the daemon restarts with nothing to do."""
        self.job(80, "extract", "long", "completed expires=+86400")
        for job in [job for job, (_, name) in self.jobs.items()
                    if name == "typo"]:
            del self.jobs[job]
        self.write_jobs()
        self.pass_time(10 * MINUTE)
        self.restart()
        requests = self.daemon.metric("total_requests_total") or 0
        self.pass_time(max(HOUR, DAY - self.passed), 5 * MINUTE)
        self.assertEqual(self.daemon.metric("total_requests_total"), requests)
        self.assertIsNone(self.daemon.metric("api_up"))

    def test_it_wakes_for_what_counts_and_for_nothing_else(self):
        for part in (self.quiet, self.rate_limits, self.lagging_replica,
                     self.typo, self.cancelled_agent, self.rotated_key,
                     self.brownout, self.host_clock, self.failure, self.night):
            part()
        told = [(severity, message) for severity, _, _, _, message in
                self.daemon.sunk()]
        for severity, message in told:
            print("# %s %s" % (severity, message))
        print("# %d hours in %d turns" % (self.passed // HOUR, self.turns))
        self.assertEqual(len(told), len(WANTED))
        for (severity, message), (wanted, text) in zip(told, WANTED):
            self.assertEqual(severity, wanted)
            self.assertIn(text, message)
        self.assertNotIn(KEY, self.daemon.log_text())
