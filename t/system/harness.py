# SPDX-License-Identifier: MIT
"""Real daemons for whole-system tests: a scratch directory, free ports, and
nothing left behind.

Each test starts what it needs, waits for conditions with a deadline, and ends
what it started by process ID. contrib/test says in the environment where
things are:

    builddir, srcdir     the build and source trees
    COLLECTD             the daemon
    COLLECTD_PLUGINDIR   its own plugins
    COLLECTD_TYPESDB     its types.db
    FC_PRELOAD           libraries to preload into it (sanitizers); may be ""

FC_KEEP=1 keeps the scratch directories, FC_PATIENCE=N multiplies deadlines.
"""

import contextlib
import glob
import grp
import os
import pwd
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BUILD = os.environ.get("builddir", ".")
SOURCE = os.environ.get("srcdir", ".")
COLLECTD = os.environ.get("COLLECTD", "/usr/sbin/collectd")
PLUGINDIR = os.environ.get("COLLECTD_PLUGINDIR", "/usr/lib/collectd")
TYPESDB = os.environ.get("COLLECTD_TYPESDB", "/usr/share/collectd/types.db")
PRELOAD = os.environ.get("FC_PRELOAD", "")

KEY = "fc-0123456789abcdef"
# Sanitizers and valgrind slow everything down; conditions still hold.
PATIENCE = float(os.environ.get("FC_PATIENCE", "1"))


def wait_for(condition, what, seconds=15.0):
    """Waits until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.05)


def wait_until_empty(find, what, seconds=15.0):
    """Waits until find() finds nothing more; an error names what is left."""
    left = []

    def is_empty():
        left[:] = find()
        return not left
    try:
        wait_for(is_empty, what, seconds)
    except AssertionError as error:
        raise AssertionError("%s; left:\n%s" % (
            error, "\n".join(map(str, left)))) from None


def free_port():
    """Below the range from which the system takes ports of its own choice: one of
    those may be anybody's by the time it is listened on."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first = max(int(file.read().split()[0]), 2048)
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(first // 2, first)))
            return probe.getsockname()[1]


def http_get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        return reply.read().decode()


class Fake:
    """The fake Firecrawl server (t/fake/fake_firecrawl) with a script."""

    def __init__(self, scratch, script, key=KEY, port=0, more=(), clock=None):
        self.scratch = scratch
        path = os.path.join(scratch, "fake.script")
        port_file = os.path.join(scratch, "fake.port")
        with open(path, "w") as file:
            file.write(script)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(port_file)
        command = [BUILD + "/t/fake/fake_firecrawl", "--port-file", port_file,
                   "--port", str(port)]
        if key:
            command += ["--key", key]
        command += more
        self.log = open(os.path.join(scratch, "fake.log"), "ab")
        self.process = subprocess.Popen(
            command + [path], stdout=self.log, stderr=self.log,
            cwd=SOURCE, env={**os.environ, "LD_PRELOAD": "",
                             **(clock.environment() if clock else {})})
        wait_for(lambda: os.path.exists(port_file) or
                 self.process.poll() is not None, "the fake server listens")
        if self.process.poll() is not None:
            raise AssertionError("the fake server ended: " + self.log_text())
        with open(port_file) as file:
            self.port = int(file.read())
        self.url = "http://127.0.0.1:%d" % self.port

    def log_text(self):
        with open(os.path.join(self.scratch, "fake.log")) as file:
            return file.read()

    def script(self, text):
        request = urllib.request.Request(self.url + "/_fake/script",
                                         data=text.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=5) as reply:
            reply.read()

    def requests(self):
        """{job ID: (count, first ms, last ms)}"""
        jobs = {}
        for line in http_get(self.url + "/_fake/requests").splitlines():
            words = line.split()
            if len(words) == 4 and all(w.isdigit() for w in words[1:]):
                jobs[words[0]] = tuple(int(w) for w in words[1:])
        return jobs

    def rejected(self):
        """Requests with a wrong token or none."""
        return int(re.search(r"^rejected (\d+)$", http_get(
            self.url + "/_fake/requests"), re.M).group(1))

    def count(self, job):
        return self.requests().get(job, (0, 0, 0))[0]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Listener:
    """A TCP server on loopback; handle() has a thread for each connection."""

    address = "127.0.0.1"

    def __init__(self, listening=True):
        self.socket = socket.socket()
        self.socket.bind((self.address, 0))
        self.port = self.socket.getsockname()[1]
        if listening:
            self.listen()

    def listen(self):
        self.socket.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(connection,),
                             daemon=True).start()

    def handle(self, connection):
        raise NotImplementedError

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Receiver(Listener):
    """Keeps all lines it is sent: carbon's plaintext port."""

    def __init__(self):
        self.lines = []
        super().__init__()

    def handle(self, connection):
        with connection, connection.makefile(errors="replace") as file:
            with contextlib.suppress(OSError):
                for line in file:
                    self.lines.append(line.strip())


class Clock:
    """Shifts a daemon's clocks while it runs: t/fake/clock_shim.c."""

    LIBRARY = BUILD + "/t/fake/.libs/clock_shim.so"

    def __init__(self, path):
        self.path = path
        self.file = open(path, "wb", buffering=0)
        self.wall = self.mono = 0
        self.step()

    def step(self, wall=0, mono=0):
        self.wall += wall
        self.mono += mono
        self.file.seek(0)
        self.file.write(struct.pack("=qq", int(self.wall * 1e9),
                                    int(self.mono * 1e9)))

    def environment(self):
        return {"LD_PRELOAD": " ".join((PRELOAD, self.LIBRARY)),
                "FC_CLOCK": self.path}

    def of(self, daemon):
        daemon.preload = self.LIBRARY
        daemon.more_environment["FC_CLOCK"] = self.path
        return daemon

    def stop(self):
        self.file.close()


NOTIFIER = """#!/bin/sh
# One file per notification: header lines, a blank line, the message.
cat >'%(dir)s/'"$$.part" && mv '%(dir)s/'"$$.part" '%(dir)s/'"$$.txt"
"""

BASE_CONFIG = """\
Hostname "testhost"
FQDNLookup false
BaseDir "%(scratch)s"
PIDFile "%(scratch)s/collectd.pid"
PluginDir "%(scratch)s/plugins"
TypesDB "%(typesdb)s"
Interval %(interval)s
ReadThreads 2
WriteThreads 2

LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "%(scratch)s/collectd.log"
  Timestamp true
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "%(scratch)s/unixsock"
  SocketGroup "%(group)s"
  SocketPerms "0700"
  DeleteSocket true
</Plugin>
LoadPlugin write_prometheus
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "%(prometheus)d"
</Plugin>
LoadPlugin exec
<Plugin exec>
  NotificationExec "%(user)s" "%(scratch)s/notifier"
</Plugin>
LoadPlugin sink
%(more)s
LoadPlugin firecrawl
<Plugin firecrawl>
%(plugin)s
</Plugin>
"""

STOCK_PLUGINS = ("logfile", "unixsock", "write_prometheus", "exec",
                 "write_graphite", "network", "csv", "threshold", "write_http",
                 "load")


def notifier_user():
    """exec refuses to run anything as root."""
    return ("nobody" if os.geteuid() == 0 else
            pwd.getpwuid(os.geteuid()).pw_name)


class Notification:
    def __init__(self, text):
        head, _, message = text.partition("\n\n")
        self.message = message.strip()
        self.fields = dict(line.split(": ", 1)
                           for line in head.splitlines() if ": " in line)

    def __getattr__(self, name):
        return self.fields.get(name)

    @property
    def severity(self):
        return self.fields["Severity"]

    def __repr__(self):
        return "%s %s" % (self.severity, self.message)


def parse_metrics(text):
    """What write_prometheus says of ours, as in Collectd.instance_metrics."""
    found = {}
    for match in re.finditer(
            r"^collectd_firecrawl_(\w+)\{([^}]*)\} (\S+)", text, re.M):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match.group(2)))
        found[labels["firecrawl"], match.group(1), labels.get("type", "")] = \
            float(match.group(3))
    return found


class Collectd:
    """A real collectd with the plugin and everything needed to look at it."""

    def __init__(self, scratch, plugin, more="", interval=1, wrapper=()):
        self.scratch = scratch
        self.prometheus = free_port()
        self.wrapper = list(wrapper)
        self.notifications_dir = os.path.join(scratch, "notifications")
        self._make_files(plugin, more, interval)
        self.process = None
        self.preload = ""
        self.more_environment = {}

    def _make_files(self, plugin, more, interval):
        os.makedirs(self.scratch + "/plugins", exist_ok=True)
        os.makedirs(self.notifications_dir, exist_ok=True)
        os.chmod(self.scratch, 0o755)
        os.chmod(self.notifications_dir, 0o777)
        # A plugin must be a regular file: the daemon refuses links.
        for name in STOCK_PLUGINS:
            shutil.copy("%s/%s.so" % (PLUGINDIR, name),
                        self.scratch + "/plugins/")
        shutil.copy(BUILD + "/plugin/.libs/firecrawl.so",
                    self.scratch + "/plugins/")
        shutil.copy(BUILD + "/t/fake/.libs/sink.so", self.scratch + "/plugins/")
        self._write("notifier", NOTIFIER % {"dir": self.notifications_dir})
        os.chmod(self.scratch + "/notifier", 0o755)
        self._write("collectd.conf", BASE_CONFIG % {
            "scratch": self.scratch, "typesdb": TYPESDB, "interval": interval,
            "prometheus": self.prometheus, "user": notifier_user(),
            # An unknown one has glibc load libraries while plugins start.
            "group": grp.getgrgid(os.getegid()).gr_name,
            "plugin": plugin, "more": more})

    def without_firecrawl(self):
        """For a daemon that only sends: the plugin is not loaded."""
        path = self.scratch + "/collectd.conf"
        with open(path) as file:
            text = file.read()
        self._write("collectd.conf", text[:text.index("LoadPlugin firecrawl")])

    def _write(self, name, text):
        with open(os.path.join(self.scratch, name), "w") as file:
            file.write(text)

    def environment(self):
        environment = dict(os.environ)
        environment["FC_SINK"] = self.scratch + "/sink"
        environment.update(self.more_environment)
        if PRELOAD or self.preload:
            environment["LD_PRELOAD"] = " ".join((PRELOAD, self.preload))
        if PRELOAD:
            # The daemon itself and libraries are not ours to judge.
            environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        return environment

    def command(self, *arguments):
        return self.wrapper + [COLLECTD, "-C",
                               self.scratch + "/collectd.conf", *arguments]

    def without(self, plugin):
        """Takes a stock plugin out of the configuration."""
        path = self.scratch + "/collectd.conf"
        with open(path) as file:
            text = file.read()
        self._write("collectd.conf", re.sub(
            r"LoadPlugin %s\n<Plugin %s>\n.*?</Plugin>\n" % (plugin, plugin),
            "", text, flags=re.S))

    def spawn(self):
        """Starts it and does not wait until it is up."""
        self.output = open(self.scratch + "/collectd.out", "ab")
        self.process = subprocess.Popen(
            self.command("-f"), stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.output, cwd=self.scratch, env=self.environment())
        return self

    def start(self):
        self.spawn()
        wait_for(lambda: os.path.exists(self.scratch + "/unixsock") or
                 self.process.poll() is not None, "collectd is up", 30)
        if self.process.poll() is not None:
            raise AssertionError("collectd ended: " + self.output_text())
        return self

    def stop(self, kill=False):
        """Ends the daemon; returns (exit status, seconds it took)."""
        if self.process is None:
            return None
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else
                                     signal.SIGTERM)
        try:
            self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        seconds = time.monotonic() - started
        status = self.process.returncode
        self.process = None
        self.output.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.scratch + "/unixsock")
        return status, seconds

    def _read(self, name):
        try:
            with open(os.path.join(self.scratch, name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_text(self):
        return self._read("collectd.log")

    def output_text(self):
        return self._read("collectd.out") + self.log_text()

    def files_with_key(self):
        """Of what it wrote; there must be none."""
        found = []
        for path in glob.glob(self.scratch + "/*"):
            name = os.path.basename(path)
            if name.startswith(("collectd.log", "collectd.out", "sink",
                                "firecrawl.db")) and os.path.isfile(path):
                with open(path, "rb") as file:
                    if KEY.encode() in file.read():
                        found.append(path)
        return found

    def connects(self, client):
        """Not yet between the daemon's bind() and its listen()."""
        return client.connect_ex(self.scratch + "/unixsock") == 0

    def ask(self, line):
        """One command to the unixsock plugin; returns the reply's lines."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10 * PATIENCE)
            wait_for(lambda: self.connects(client), "the socket is listened on")
            client.sendall(line.encode() + b"\n")
            with client.makefile() as file:
                status = file.readline().strip()
                count = max(0, int(status.split()[0]))
                return [status] + [file.readline().strip()
                                   for _ in range(count)]

    def exposition(self):
        """What Prometheus would scrape; "" while nobody answers."""
        try:
            return http_get("http://127.0.0.1:%d/metrics" % self.prometheus)
        except (urllib.error.URLError, OSError):
            return ""

    def instance_metrics(self):
        """{(plugin instance, metric, type instance): value} as Prometheus would
        scrape it."""
        return parse_metrics(self.exposition())

    def metrics(self):
        """{(metric, type instance): value} of all instances."""
        return {key[1:]: value
                for key, value in self.instance_metrics().items()}

    def metric(self, name, instance=""):
        return self.metrics().get((name, instance))

    def wait_metric(self, name, instance, wanted, seconds=15.0):
        check = wanted if callable(wanted) else lambda value: value == wanted
        last = []

        def condition():
            last[:] = [self.metric(name, instance)]
            return last[0] is not None and check(last[0])

        try:
            wait_for(condition, "%s of %s" % (name, instance), seconds)
        except AssertionError as error:
            raise AssertionError("%s (it is %s)" % (error, last)) from None
        return last[0]

    def notifications(self):
        """What the plugin had to say; registrations come by as well."""
        paths = sorted(glob.glob(self.notifications_dir + "/*.txt"),
                       key=os.path.getmtime)
        found = []
        for path in paths:
            with open(path) as file:
                found.append(Notification(file.read()))
        return [notification for notification in found
                if notification.Type in ("job_status", "api_up")]

    def sunk(self):
        """What the sink plugin was handed of ours, in order:
        [(severity, dedup_key, possible_duplicate, type, message)]"""
        rows = [line.split("\t") for line in self._read("sink").splitlines()]
        return [row for row in rows if len(row) > 4 and
                row[3] in ("job_status", "api_up")]

    def wait_notification(self, text, severity=None, seconds=15.0):
        def find():
            for notification in self.notifications():
                if text in notification.message and severity in (
                        None, notification.severity):
                    return notification
            return None
        return wait_for(find, "a notification with %r" % text, seconds)

    def status_field(self, name):
        """A number of /proc/PID/status, such as VmHWM (KiB)."""
        with open("/proc/%d/status" % self.process.pid) as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        return None


class SystemTest(unittest.TestCase):
    """A test with a scratch directory and daemons that end with it."""

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="fc-system-")
        if not os.environ.get("FC_KEEP"):
            self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.daemons = []

    def tearDown(self):
        failed = any(error for _, error in
                     getattr(self._outcome, "errors", [])) or any(
            test is self for test, _ in
            getattr(getattr(self._outcome, "result", None), "failures", []) +
            getattr(getattr(self._outcome, "result", None), "errors", []))
        for daemon in reversed(self.daemons):
            daemon.stop()
            if failed and isinstance(daemon, Collectd):
                print("# " + daemon.output_text()[-4000:].replace("\n", "\n# "))
        self.assertEqual([path for daemon in self.daemons
                          if isinstance(daemon, Collectd)
                          for path in daemon.files_with_key()], [])

    def directory(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(self.scratch, 0o755)
        return path

    def fake(self, script, name="fake", **options):
        server = Fake(self.directory(name), script, **options)
        self.daemons.append(server)
        return server

    def key_file(self, key=KEY):
        path = os.path.join(self.directory("keys"), "key")
        with open(path, "w") as file:
            file.write(key + "\n")
        os.chmod(path, 0o600)
        return path

    def configured(self, plugin, name="collectd", **options):
        daemon = Collectd(self.directory(name), plugin, **options)
        self.daemons.append(daemon)
        return daemon

    def collectd(self, plugin, name="collectd", **options):
        return self.configured(plugin, name, **options).start()

    def clock(self, name="clock"):
        clock = Clock(os.path.join(self.directory("clocks"), name))
        self.daemons.append(clock)
        return clock

    def receiver(self):
        server = Receiver()
        self.daemons.append(server)
        return server
