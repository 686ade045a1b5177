# SPDX-License-Identifier: MIT
"""What others write, or have set, steers nothing and floods nobody: the
environment, programs that inherit descriptors, a server that knows secrets, and
senders that write as fast as they can.

FC_FLOOD_SECONDS is how long those write; what is told in a minute is told in
the first seconds of it."""

import base64
import collections
import contextlib
import json
import os
import random
import re
import subprocess
import threading
import time
import urllib.parse

from faults import FaultTest
from harness import BUILD, KEY, PATIENCE, PRELOAD, SystemTest, wait_for
from raw_server import RawServer, listens, read_request, reply
from test_faults_tls import Certificates

FLOOD_SECONDS = float(os.environ.get("FC_FLOOD_SECONDS", "10"))
LINES_MAX = 60  # of the log, in a minute
NOTIFICATIONS_MAX = 10
CLOSE_ON_EXEC = 0o2000000

TLS = """
  <Instance "%s">
    URL "https://127.0.0.1:%d"
    APIKeyFile "%s"
    Extract "job"
    Interval 0.2
    %s
  </Instance>
"""


PLUGIN = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    JobFile "%s"
    AcceptRegistrations true
    Interval 0.1
    MaxRequestsPerMinute 0
    %s
  </Instance>
"""


class Environment(SystemTest):
    def test_it_changes_nothing(self):
        ours = Certificates(self.directory("ours"))
        theirs = Certificates(self.directory("theirs"))
        servers = [RawServer(listens, authority.context(authority.make("server")))
                   for authority in (ours, theirs)]
        trap = RawServer(listens)
        for server in (*servers, trap):
            self.addCleanup(server.stop)
        for server in servers:
            server.heal()
        home = self.directory("home")
        for name, text in ((".netrc", "machine 127.0.0.1 login a password b\n"),
                           (".curlrc", "proxy = 127.0.0.1:%d\n" % trap.port)):
            with open(os.path.join(home, name), "w") as file:
                file.write(text)
        daemon = self.configured(
            TLS % ("ours", servers[0].port, self.key_file(),
                   'CACert "%s.pem"' % ours.ca) +
            TLS % ("theirs", servers[1].port, self.key_file(), ""))
        proxy = "http://127.0.0.1:%d" % trap.port
        key_log = os.path.join(home, "key.log")
        daemon.more_environment.update({
            "HOME": home, "CURL_HOME": home, "NETRC": home + "/.netrc",
            "SSLKEYLOGFILE": key_log, "SSL_CERT_FILE": theirs.ca + ".pem",
            "SSL_CERT_DIR": theirs.directory,
            "CURL_CA_BUNDLE": theirs.ca + ".pem",
            **{name: proxy for name in ("http_proxy", "https_proxy",
                                        "HTTPS_PROXY", "ALL_PROXY")}})
        daemon.start()
        wait_for(lambda: daemon.instance_metrics().get(
            ("ours", "job_status", "job")) == 1, "the job behind our CA")
        wait_for(lambda: daemon.instance_metrics().get(
            ("theirs", "errors_total", "tls")), "theirs is not trusted")
        self.assertEqual(servers[1].requests, [])
        self.assertEqual(trap.connections, 0)
        self.assertFalse(os.path.exists(key_log))
        for _, head in servers[0].requests:
            self.assertIn(b"Authorization: Bearer " + KEY.encode(), head)
            self.assertNotIn(b"Basic", head)
        with open("/proc/%d/environ" % daemon.process.pid, "rb") as file:
            self.assertIn(b"\0SSLKEYLOGFILE=" + key_log.encode(), file.read())


class Descriptors(SystemTest):
    @staticmethod
    def inheritable(daemon):
        """What a program gets that the daemon starts, by what it is."""
        found = collections.Counter()
        folder = "/proc/%d/fdinfo/" % daemon.process.pid
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                with open(folder + number) as file:
                    flags = re.search(r"^flags:\s*(\d+)$", file.read(), re.M)
                target = os.readlink(folder.replace("fdinfo", "fd") + number)
                if not int(flags.group(1), 8) & CLOSE_ON_EXEC:
                    found[re.sub(r"\[\d+\]", "", target)] += 1
        return found

    def test_each_is_closed_on_exec(self):
        jobs = os.path.join(self.directory("jobs"), "jobs")
        with open(jobs, "w") as file:
            file.write("".join("job-%d\n" % i for i in range(20)))
        server = self.fake("".join("job extract job-%d\n  state processing\n" % i
                                   for i in range(20)))
        without = self.configured("", name="without")
        without.without_firecrawl()
        without.start()
        daemon = self.collectd(PLUGIN % (server.url, self.key_file(), jobs,
                                         ""))
        daemon.wait_metric("jobs", "processing", 20)
        wait_for(lambda: server.count("job-0") > 3, "polls")
        names = [os.readlink("/proc/%d/fd/%s" % (daemon.process.pid, number))
                 for number in os.listdir("/proc/%d/fd" % daemon.process.pid)]
        self.assertTrue(any("firecrawl.db" in name for name in names), names)
        mine, others = self.inheritable(daemon), self.inheritable(without)
        for each in (daemon, without):
            for name in list(mine):
                mine[name.replace(each.scratch, "")] = mine.pop(name)
            for name in list(others):
                others[name.replace(each.scratch, "")] = others.pop(name)
        self.assertEqual(mine - others, collections.Counter())


class Secrets(FaultTest):
    """A proxy that sees the requests, and repeats all that it should not."""

    TOKEN = "tok/en+0123456789"
    PASSWORD = "pa/ss%word"

    def said(self):
        both = base64.b64encode(b"user:" + self.PASSWORD.encode()).decode()
        return " ".join((
            "Bearer " + KEY, urllib.parse.quote(KEY.replace("-", "%2D"), "%"),
            self.TOKEN, urllib.parse.quote(self.TOKEN, ""), self.PASSWORD,
            urllib.parse.quote(self.PASSWORD, ""), both))

    def answers(self, connection, server):
        while server.read_request(connection):
            said = self.said()
            connection.sendall(reply(
                server.code, json.dumps({
                    "status": server.status or said, "error": {"a": [said]},
                    "stopReason": said, "replacement": said}).encode(),
                ["Link: </%s>; rel=\"successor-version\"" % said,
                 "Sunset: Fri, 01 Jan 2999 00:00:00 GMT"]))

    def secrets(self):
        return [word.encode() for word in self.said().split() if
                word != "Bearer"]

    def proxy(self, code, status):
        server = RawServer(self.answers)
        self.addCleanup(server.stop)
        server.code, server.status = code, status
        return server

    def options(self, server):
        return ("http://user:%s@127.0.0.1:%d" % (
            urllib.parse.quote(self.PASSWORD, ""), server.port),
                "X-Token: " + self.TOKEN)

    def test_the_plugin_repeats_none(self):
        blocks = []
        for code, status in ((200, "failed"), (200, ""), (404, "x"),
                             (410, "x"), (500, "x"), (401, "x")):
            proxy, header = self.options(self.proxy(code, status))
            blocks.append(self.block(
                "at-%d%s" % (code, status), "http://api.example",
                'Extract "job-%d%s"\nProxy "%s"\nHeader "%s"\n'
                "Interval 0.2" % (code, status, proxy, header)))
        daemon = self.faulty_daemon(blocks)
        daemon.wait_notification("job-200failed) failed: ", seconds=30)
        daemon.wait_notification("endpoint gone", seconds=30)
        wait_for(lambda: daemon.log_text().count("[secret]") > 4, "the others")
        self.check_nothing_leaked(daemon, [
            secret for secret in self.secrets() if secret != b"user:"])
        self.assertIn("[secret]", daemon.log_text())

    def test_the_tool_repeats_none(self):
        for code, status in ((200, "failed"), (200, ""), (404, "x"),
                             (500, "x")):
            proxy, header = self.options(self.proxy(code, status))
            for command in (["status"], ["status", "--json"], ["check"],
                            ["watch", "--interval", "0.1"]):
                done = subprocess.run(
                    ["timeout", "%g" % (2 * PATIENCE), BUILD + "/src/ctl/firecrawlctl", *command,
                     "--url",
                     "http://api.example", "--key-file", self.key_file(),
                     "--proxy", proxy, "--header", header, "job"],
                    capture_output=True, timeout=60, check=False,
                    env={**os.environ, "LD_PRELOAD": PRELOAD})
                said = done.stdout + done.stderr
                for secret in self.secrets():
                    self.assertNotIn(secret, said)
                if command[0] != "watch" and status:
                    self.assertIn(b"[secret]", said, (command, code))


class Floods(SystemTest):
    def setUp(self):
        super().setUp()
        self.dice = random.Random(1)
        self.over = threading.Event()
        self.jobs = os.path.join(self.directory("jobs"), "jobs")
        self.write_jobs("# none\n")
        self.server = RawServer(self.answers)
        self.addCleanup(self.server.stop)
        self.wild = False

    def write_jobs(self, text):
        with open(self.jobs + ".new", "w") as file:
            file.write(text)
        os.rename(self.jobs + ".new", self.jobs)

    def answers(self, connection, server):
        """All that a server can change its mind about."""
        del server
        while read_request(connection):
            code = self.dice.choice((200, 200, 200, 404, 410, 500, 429, 401, 403,
                                     400)) if self.wild else 200
            status = self.dice.choice(("processing", "word-%d" %
                                       self.dice.randrange(10**9)))
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(
                time.time() + self.dice.randrange(10**6, 10**8)))
            connection.sendall(reply(code, json.dumps({
                "success": code == 200, "error": "x %d" % self.dice.random(),
                "status": status if self.wild else "processing"}).encode(),
                ["Sunset: " + date, "Retry-After: 0"] if self.wild else []))

    def serve_wildly(self):
        self.wild = True
        self.over.wait()

    def write_wildly(self):
        """Good and bad lines in turn."""
        turn = 0
        while not self.over.wait(0.5):
            turn += 1
            self.write_jobs("".join("/bad %d\n" % i for i in range(200))
                            if turn // 2 % 2 else "# %d\n" % turn)

    def register_wildly(self):
        """Two of three are refused, and the third is taken or forgotten."""
        turn = 0
        while not self.over.is_set():
            turn += 1
            fields = ("type=extract type_instance=../%d severity=okay" % turn,
                      "type=pizza type_instance=x severity=okay",
                      "type=extract type_instance=r severity=%s" % (
                          "warning" if turn % 2 else "okay"))
            for words in fields:
                self.daemon.ask('PUTNOTIF %s time=%d plugin=firecrawl '
                                'plugin_instance=prod message="n%d"' % (
                                    words, time.time(), turn))

    def flood(self, *senders, lines_max=LINES_MAX, until=""):
        """At least so long, and until a line of the log says so."""
        self.daemon = self.configured(
            PLUGIN % ("http://127.0.0.1:%d" % self.server.port,
                      self.key_file(), self.jobs, 'Extract "e1"'),
            interval=0.1).start()
        self.daemon.wait_metric("jobs", "processing", 1)
        before = len(self.daemon.log_text().splitlines())
        threads = [threading.Thread(target=sender) for sender in senders]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            self.over.wait(FLOOD_SECONDS)
            wait_for(lambda: re.search(until, self.daemon.log_text()),
                     "the log says " + until, 40)
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        after = self.daemon.log_text().splitlines()[before:]
        lines = [line for line in after if "] firecrawl plugin: " in line]
        # What the logfile plugin says of registrations is not ours.
        told = [line for line in after if re.search(
            r"\] Notification: .* type = (job_status|api_up)", line)]
        print("# %s: %d lines and %d notifications in %.0f s" % (
            ", ".join(sender.__name__ for sender in senders), len(lines),
            len(told), time.monotonic() - started), flush=True)
        self.assertLessEqual(len(lines), lines_max, "\n".join(lines))
        self.assertLessEqual(len(told), NOTIFICATIONS_MAX, "\n".join(told))
        # It goes on, and says what it has kept to itself.
        self.assertIn(("prod", "api_up", ""), self.daemon.instance_metrics())

    def test_a_server(self):
        self.flood(self.serve_wildly)

    def test_a_job_file(self):
        self.flood(self.write_wildly, lines_max=25,
                   until="further changes are not told")

    def test_registrations(self):
        self.flood(self.register_wildly,
                   until="more (registrations )?were refused")

    def test_all_of_them(self):
        self.flood(self.serve_wildly, self.write_wildly, self.register_wildly)
