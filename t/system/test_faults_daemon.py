# SPDX-License-Identifier: MIT
"""The rows of the fault rig about the daemon around the plugin: handlers and
writers that are slow, settings that are odd, plugins beside it, descriptors
that run out, starting and stopping."""

import glob
import os
import random
import re
import resource
import shutil
import subprocess
import time
import unittest

from faults import ALL, FaultTest, footprint, lines_of, wait_for
from harness import PATIENCE, PLUGINDIR, PRELOAD, Listener
from raw_server import RawServer, says, silent
from test_faults_replies import CANCELLED, FAILED, RUNNING, Course

SLOW_HANDLER_SECONDS = 30 if ALL else 4
CYCLES = 200 if ALL else 8


class Mute(Listener):
    """Takes connections and what comes on them, and says nothing."""

    def handle(self, connection):
        with connection:
            while connection.recv(65536):
                pass


class HostTest(FaultTest):
    def course(self, replies, name="host", more=""):
        server = Course(replies)
        self.addCleanup(server.stop)
        return server, self.block(name, "http://127.0.0.1:%d" % server.port,
                                  more)

    def environment(self, **variables):
        return ["env"] + ["%s=%s" % pair for pair in variables.items()]

    def wait_asked(self, server, count, seconds=15):
        before = len(server.requests)
        wait_for(lambda: len(server.requests) >= before + count,
                 "it goes on asking", seconds)


class Handlers(HostTest):
    def test_a_slow_handler_holds_up_no_request(self):
        ending, end_block = self.course([RUNNING, FAILED], "ending")
        going, block = self.course([RUNNING])
        daemon = self.faulty_daemon(
            [end_block, block], wrapper=self.environment(
                FC_SINK_SECONDS=SLOW_HANDLER_SECONDS))
        wait_for(lambda: len(ending.requests) == 2, "the job has ended")
        started = time.monotonic()
        self.wait_asked(going, SLOW_HANDLER_SECONDS - 1,
                        SLOW_HANDLER_SECONDS + 1)
        self.assertLess(time.monotonic() - started,
                        (SLOW_HANDLER_SECONDS + 1) * PATIENCE)
        wait_for(daemon.sunk, "the slow handler has it",
                 SLOW_HANDLER_SECONDS + 10)
        self.wait_asked(going, 2)
        self.check_invariants(daemon, {("host", "job-host")})
        self.end(daemon, [("D1", "handler-slow")])

    def test_a_handler_that_fails_is_told_of_once(self):
        _, block = self.course([RUNNING, FAILED])
        daemon = self.faulty_daemon([block], wrapper=self.environment(
            FC_SINK_FAILS=1))
        daemon.wait_notification("boom", "FAILURE")
        daemon.wait_metric("job_status", "job-host", 3)
        self.check_invariants(daemon, {("host", "job-host")})
        self.assertEqual(len(daemon.sunk()), 1)
        self.end(daemon, [("D1", "handler-fails")])

    def test_without_a_handler_it_goes_on(self):
        _, ending = self.course([RUNNING, CANCELLED], "ending")
        going, block = self.course([RUNNING])
        daemon = self.configured(ending + block)
        self.without_handlers(daemon, "exec", "sink")
        daemon.start()
        wait_for(lambda: daemon.instance_metrics().get(
            ("ending", "job_status", "job-ending")) == 2, "the job has ended")
        self.wait_asked(going, 3)
        self.assertEqual(len([line for line in lines_of(daemon)["ending"]
                              if "cancelled" in line]), 1)
        self.check_state(daemon, {("ending", "job-ending")})
        self.end(daemon, [("D1", "no-handler")])


class Writers(HostTest):
    CONFIG = """
CollectInternalStats true
WriteQueueLimitHigh 200
WriteQueueLimitLow 200
LoadPlugin write_http
<Plugin write_http>
  <Node "mute">
    URL "http://127.0.0.1:%d/"
    BufferSize 1024
    Timeout 500
  </Node>
</Plugin>
"""

    def test_a_writer_that_is_stuck_holds_up_no_request(self):
        mute = Mute()
        self.addCleanup(mute.stop)
        going, block = self.course([RUNNING])
        daemon = self.faulty_daemon([block], more=self.CONFIG % mute.port)
        self.wait_asked(going, 3)
        before = footprint(daemon)
        self.wait_asked(going, 8, 20)
        if not PRELOAD:
            self.assertLess(footprint(daemon).kib, before.kib + 2048)
        self.end(daemon, [("D2", "writer-stuck")])


class Settings(HostTest):
    ODD = """
Interval 0.1
ReadThreads 1
WriteThreads 1
<LoadPlugin firecrawl>
  Globals true
</LoadPlugin>
LoadPlugin firecrawl
<Plugin firecrawl>
  NoSuchOption true
  <Instance "more">
    URL "http://127.0.0.1:%d"
    APIKeyFile "%s"
    Extract "job-more"
    NoSuchOption 1
  </Instance>
  <Instance "bad">
    Timeout "soon"
    Extract "x"
  </Instance>
</Plugin>
<Plugin firecrawl>
</Plugin>
"""

    def test_odd_settings_have_a_documented_result(self):
        going, block = self.course([RUNNING])
        daemon = self.faulty_daemon(
            [block], interval=0.1, more=self.ODD % (going.port,
                                                    self.key_file()))
        self.wait_asked(going, 20)
        log = daemon.log_text()
        self.assertRegex(log, 'Instance "bad".*this instance is disabled')
        self.assertRegex(log, "NoSuchOption")
        metrics = daemon.instance_metrics()
        for name in ("host", "more"):
            self.assertEqual(metrics[name, "job_status", "job-" + name], 1)
        self.assertNotIn(("bad", "api_up", ""), metrics)
        self.check_state(daemon, {("more", "job-more")})
        self.end(daemon, [("D3", name) for name in (
            "interval-0.1", "one-thread", "loaded-twice", "globals",
            "two-instances", "empty-block", "unknown-option")])

    def test_one_read_thread_keeps_its_cadence_in_an_outage(self):
        """The read callback waits for nobody."""
        servers = [RawServer(silent) for _ in range(5)]
        for server in servers:
            self.addCleanup(server.stop)
        daemon = self.faulty_daemon([self.block(
            "mute-%d" % i, "http://127.0.0.1:%d" % server.port)
            for i, server in enumerate(servers)], more="ReadThreads 1\n")
        wait_for(lambda: len(glob.glob(
            daemon.scratch + "/csv/testhost/load/load-*")) and all(
                server.requests for server in servers), "it is at work")
        time_out = time.monotonic() + 6
        wait_for(lambda: time.monotonic() > time_out, "some intervals", 10)
        self.check_invariants(daemon, {("mute-0", "job-mute-0")})
        self.end(daemon, [("D3", "read-threads-1")])


class Descriptors(HostTest):
    def test_no_more_descriptors(self):
        """The daemon itself can neither log nor answer meanwhile."""
        server = RawServer(says(RUNNING))  # a new connection each time
        self.addCleanup(server.stop)
        daemon = self.faulty_daemon([self.block(
            "host", "http://127.0.0.1:%d" % server.port)])
        daemon.wait_metric("api_up", "", 1)
        pid, before = daemon.process.pid, footprint(daemon)
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # No descriptor is free below the highest one in use.
        used = {int(name) for name in os.listdir("/proc/%d/fd" % pid)}
        free = next(n for n in range(len(used) + 1) if n not in used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            wait_for(lambda: not self._asked_lately(server),
                     "no request can be made", 30)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        daemon.wait_metric("api_up", "", 1, 60)
        daemon.wait_metric("errors_total", "connect", lambda n: n > 0)
        self.wait_asked(server, 2)
        self.check_state(daemon, {("host", "job-host")})
        self.wait_footprint(daemon, before)
        self.end(daemon, [("N13", "no-more-descriptors")])

    @staticmethod
    def _asked_lately(server):
        return server.requests[-1][0] > time.monotonic() - 3


class ComeAndGo(HostTest):
    def test_it_starts_and_stops_at_any_moment(self):
        """During connects, handshakes, replies, writes and notifications."""
        blocks = []
        for name, fault in (("mute", silent), ("well", says(RUNNING)),
                            ("fails", says(FAILED))):
            server = RawServer(fault)
            self.addCleanup(server.stop)
            for scheme in ("http", "https"):
                blocks.append(self.block(
                    name + scheme, "%s://127.0.0.1:%d" % (scheme,
                                                          server.port)))
        blocks.append(self.block("dns", "http://no-such-host.invalid"))
        random.seed(7)
        daemon = self.configured("".join(blocks))
        for _ in range(CYCLES):
            daemon.start()
            time.sleep(random.uniform(0, 0.5))
            self.end(daemon)
        self.assertLessEqual(len([row for row in daemon.sunk()
                                  if row[2] != "true" and "boom" in row[4]]),
                             1)
        self.end(daemon.start(), [("D4", "start-stop")])


class Beside(HostTest):
    PLUGINS = {
        "python": "",
        "perl": "",
        "capabilities": "",
        "curl": "",
        "curl_xml": "",
        "curl_json": """<Plugin curl_json>
  <URL "http://127.0.0.1:%(port)d/v1/extract/beside">
    Instance "beside"
    <Key "progress">
      Type "gauge"
    </Key>
  </URL>
</Plugin>
""",
        "write_http": """<Plugin write_http>
  <Node "sink">
    URL "http://127.0.0.1:%(port)d/"
  </Node>
</Plugin>
""",
        "network": """<Plugin network>
  Server "127.0.0.1" "25826"
</Plugin>
""",
    }
    OURS = {"curl_": "libcurl.so.4", "json_": "libjson-c.so.5",
            "sqlite3_": "libsqlite3.so.0"}

    @staticmethod
    def _usable(name):
        done = subprocess.run(["ldd", "%s/%s.so" % (PLUGINDIR, name)],
                              capture_output=True, text=True, check=False)
        return done.returncode == 0 and "not found" not in done.stdout

    def _config(self, names, port):
        return "".join(
            "LoadPlugin %s\n%s" % (name, self.PLUGINS[name] % {"port": port})
            for name in names)

    def check_bindings(self, daemon, debug):
        """Every symbol of our libraries that we use is bound to them."""
        bound = {}
        for path in glob.glob(debug + ".*"):
            with open(path, errors="replace") as file:
                for line in file:
                    match = re.search(
                        r"binding file \S*firecrawl\.so \[0\] to (\S+) \[0\]: "
                        r"normal symbol `(\w+)'", line)
                    if match:
                        bound[match.group(2)] = os.path.basename(
                            match.group(1))
        for prefix, library in self.OURS.items():
            symbols = [name for name in bound if name.startswith(prefix)]
            self.assertTrue(symbols, prefix)
            for name in symbols:
                self.assertEqual(bound[name], library, name)
        del daemon

    @unittest.skipIf(PRELOAD, "the sanitizers' libraries come first")
    def test_beside_plugins_with_other_libraries(self):
        names = [name for name in self.PLUGINS if self._usable(name)]
        for name in ("curl_json", "write_http", "network"):
            self.assertIn(name, names)
        server, block = self.course([RUNNING])
        debug = self.directory("debug") + "/bindings"
        os.chmod(os.path.dirname(debug), 0o777)
        daemon = self.configured(
            block, more=self._config(names, server.port),
            wrapper=self.environment(LD_DEBUG="bindings",
                                     LD_DEBUG_OUTPUT=debug))
        for name in names:
            shutil.copy("%s/%s.so" % (PLUGINDIR, name),
                        daemon.scratch + "/plugins/")
        daemon.start()
        daemon.wait_metric("job_status", "job-host", 1)
        self.wait_asked(server, 3)
        self.check_bindings(daemon, debug)
        print("# beside " + " ".join(names), flush=True)
        self.end(daemon, [("D5", "beside")])


