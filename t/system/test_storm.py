# SPDX-License-Identifier: MIT
"""Crash storms: the daemon is killed, or restarted in good order, again and
again while a hundred jobs end and are replaced by new ones.

Nothing may be lost: each job that ends is told of. After a kill something may
be told of twice, then with the same dedup_key and marked; after a clean restart
nothing is.

FC_KILLS and FC_RESTARTS say how often; "make storm" makes a real storm."""

import os
import random
import time

import turnover
from harness import PATIENCE, SystemTest, wait_for
from turnover import Told, Turnover

LIFE_SECONDS = (0.1, 4.0)  # the fake server takes 0 for ever

PLUGIN = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    JobFile "%s"
    MaxRequestsPerMinute 0
    NotifyCompleted true
  </Instance>
"""


class Storm(SystemTest):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("FC_SEED", random.randrange(1 << 32)))
        print("# seed %d" % seed)
        self.chance = random.Random(seed)
        self.server = self.fake("# more as jobs begin\n")
        self.path = os.path.join(self.directory("jobs"), "jobs")
        self.daemon = self.configured(PLUGIN % (
            self.server.url, self.key_file(), self.path), interval=0.1)
        self.daemon.without("exec")
        self.told = Told(self.daemon.scratch + "/sink")
        self.turnover = Turnover(self.server, self.path, self.told,
                                 self.chance, LIFE_SECONDS)
        self.turnover.replace()

    def check(self, what, repeats_max):
        untold = self.turnover.untold
        self.daemon.start()
        try:
            wait_for(lambda: not untold(), "all are told of", 60)
        finally:
            print("# %s: %d jobs, %d lost, %d told of again, %d of these "
                  "unmarked, %d with two keys" % (
                      what, self.turnover.begun, len(untold()),
                      self.told.repeated(),
                      self.told.unmarked(), self.told.of_two_keys()),
                  flush=True)
        self.assertEqual(self.told.unmarked(), 0)
        self.assertEqual(self.told.of_two_keys(), 0)
        self.assertLessEqual(self.told.repeated(), repeats_max)
        self.assertNotIn("set aside", self.daemon.log_text())

    def size(self):
        return os.path.getsize(self.told.path) if os.path.exists(
            self.told.path) else 0

    def until_something_is_told(self, seconds):
        """The moment in which a kill may lead to a repeat."""
        size = self.size()
        deadline = time.monotonic() + seconds
        while self.size() == size and time.monotonic() < deadline:
            time.sleep(0.0002)

    def test_kills_lose_nothing_and_mark_what_is_repeated(self):
        kills = int(os.environ.get("FC_KILLS", "12"))
        for i in range(kills):
            self.daemon.spawn()
            # What is being tested is that any moment will do.
            time.sleep(self.chance.uniform(0, 1.2) * PATIENCE)
            if i % 3 == 0:
                self.until_something_is_told(1)
            self.assertIsNone(self.daemon.process.poll())
            self.daemon.stop(kill=True)
            self.turnover.replace()
        self.check("%d kills" % kills, kills * turnover.JOBS)

    def test_clean_restarts_lose_and_repeat_nothing(self):
        restarts = int(os.environ.get("FC_RESTARTS", "8"))
        slowest = 0
        for _ in range(restarts):
            self.daemon.start()
            time.sleep(self.chance.uniform(0, 0.8) * PATIENCE)
            status, seconds = self.daemon.stop()
            self.assertEqual(status, 0)
            slowest = max(slowest, seconds)
            self.turnover.replace()
        self.check("%d clean restarts, the slowest end took %.2f s" %
                   (restarts, slowest), 0)
        self.assertLess(slowest, 2 * PATIENCE)
