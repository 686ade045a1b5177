# SPDX-License-Identifier: MIT
"""Prometheus, Alertmanager, carbon and graphite-web for the tests of what
contrib/ ships. contrib/packages.sh's packages_graphs says in the environment
where they are. graphite-web and carbon run under Debian's own Python."""

import glob
import json
import os
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import wait_for

CONTRIB = harness.SOURCE + "/contrib"
DEBIAN_PYTHON = "/usr/bin/python3"

only_plain = unittest.skipIf(harness.PRELOAD, "shipped files need no sanitizer")


def tool(name):
    """The path of PROMETHEUS, PROMTOOL, ALERTMANAGER, AMTOOL, ..."""
    path = os.environ.get(name)
    if not path:
        raise AssertionError(
            "%s is not set: see packages_graphs in contrib/packages.sh" % name)
    return path


def shipped(path):
    with open(os.path.join(CONTRIB, path)) as file:
        return file.read()


def all_text_files():
    """What is shipped beside the code and speaks of metrics."""
    found = [harness.SOURCE + "/README.md"]
    for folder in ("grafana", "prometheus", "alertmanager", "graphite",
                   "examples"):
        found += glob.glob(os.path.join(CONTRIB, folder, "**"), recursive=True)
    return [path for path in found
            if os.path.isfile(path) and not path.endswith(".png")]


def get_json(url, **parameters):
    """GET; an error of the server is an AssertionError with what it said."""
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters, doseq=True)
    try:
        return json.loads(harness.http_get(url, timeout=20 * harness.PATIENCE))
    except urllib.error.HTTPError as error:
        raise AssertionError("%s: %s" % (url, error.read().decode())) from None


def answers(url):
    try:
        harness.http_get(url)
    except OSError:
        return False
    return True


class Service:
    """A daemon in a directory of its own, with its output in DIRECTORY/out."""

    def __init__(self, directory, command, ready, environment=None):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        with open(directory + "/out", "ab") as output:
            self.process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
                env={**os.environ, "LD_PRELOAD": "", **(environment or {})})
        try:
            wait_for(lambda: ready() or self.process.poll() is not None,
                     "%s is up" % command[0], 60)
        except AssertionError:
            self.stop()
            raise
        if self.process.poll() is not None:
            raise AssertionError("%s ended:\n%s" % (command[0], self.said()))

    def said(self):
        with open(self.directory + "/out", errors="replace") as file:
            return file.read()[-4000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Prometheus(Service):
    def __init__(self, directory, config):
        os.makedirs(directory, exist_ok=True)
        path = directory + "/prometheus.yml"
        with open(path, "w") as file:
            file.write(config)
        port = harness.free_port()
        self.url = "http://127.0.0.1:%d" % port
        super().__init__(
            directory,
            [tool("PROMETHEUS"), "--config.file=" + path,
             "--storage.tsdb.path=" + directory + "/data",
             "--web.listen-address=127.0.0.1:%d" % port],
            lambda: answers(self.url + "/-/ready"))

    def query(self, expression):
        return get_json(self.url + "/api/v1/query",
                        query=expression)["data"]["result"]

    def query_range(self, expression, start, end, step):
        return get_json(self.url + "/api/v1/query_range", query=expression,
                        start=start, end=end, step=step)["data"]["result"]

    def label_values(self, label, match):
        return get_json("%s/api/v1/label/%s/values" % (self.url, label),
                        **{"match[]": match})["data"]

    def names(self):
        return self.label_values("__name__", '{__name__=~"collectd_.+"}')

    def rules(self):
        """[(name, health, state or "recording")]"""
        groups = get_json(self.url + "/api/v1/rules")["data"]["groups"]
        return [(rule["name"], rule["health"], rule.get("state", "recording"))
                for group in groups for rule in group["rules"]]


# The path of its templates is built into Debian's Alertmanager. Where the
# package is only unpacked, it gets a /usr/share of its own.
OTHER_SHARE = 'mount --bind "$0" /usr/share && exec "$@"'


def of_its_own_share(path):
    """What to put before a program of that path; None if it cannot be had."""
    share = os.path.abspath(os.path.dirname(path) + "/../share")
    if share == "/usr/share":
        return []
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    wrapper = ["unshare", "--mount", *user, "sh", "-c", OTHER_SHARE, share]
    tried = subprocess.run(wrapper + ["true"], capture_output=True,
                           check=False)
    return wrapper if tried.returncode == 0 else None


class Alertmanager(Service):
    def __init__(self, directory, config):
        wrapper = of_its_own_share(tool("ALERTMANAGER"))
        if wrapper is None:
            raise unittest.SkipTest("no mount namespace for an Alertmanager "
                                    "that is not installed")
        os.makedirs(directory, exist_ok=True)
        path = directory + "/alertmanager.yml"
        with open(path, "w") as file:
            file.write(config)
        port = harness.free_port()
        self.address = "127.0.0.1:%d" % port
        self.url = "http://" + self.address
        super().__init__(
            directory,
            [*wrapper, tool("ALERTMANAGER"), "--config.file=" + path,
             "--storage.path=" + directory + "/data",
             "--cluster.listen-address=",
             "--web.listen-address=" + self.address],
            lambda: answers(self.url + "/-/ready"))

    def alerts(self, **labels):
        """The alerts with these labels, inhibited ones included."""
        return [alert for alert in get_json(self.url + "/api/v2/alerts")
                if all(alert["labels"].get(name) == value
                       for name, value in labels.items())]


CARBON_CONF = """\
[cache]
STORAGE_DIR = {dir}
CONF_DIR = {dir}
LOG_DIR = {dir}/log
PID_DIR = {dir}
LOCAL_DATA_DIR = {dir}/whisper
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
USE_FLOW_CONTROL = True
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
ENABLE_LOGROTATION = False
"""


def graphite_environment(**more):
    return {"PYTHONPATH": tool("GRAPHITE_PYTHONPATH"), **more}


class Carbon(Service):
    """carbon-cache; schemas and aggregation are the text of its files."""

    def __init__(self, directory, schemas, aggregation):
        os.makedirs(directory + "/log", exist_ok=True)
        self.port, pickle, self.query = (harness.free_port() for _ in range(3))
        for name, text in (
                ("carbon.conf", CARBON_CONF.format(
                    dir=directory, line=self.port, pickle=pickle,
                    query=self.query)),
                ("storage-schemas.conf", schemas),
                ("storage-aggregation.conf", aggregation)):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        self.whisper = directory + "/whisper"
        super().__init__(
            directory,
            [DEBIAN_PYTHON, tool("CARBON_CACHE"), "--nodaemon",
             "--config=" + directory + "/carbon.conf", "start"],
            lambda: listens(self.port) and listens(self.query),
            graphite_environment())

    def send(self, names):
        """One value for each name, now."""
        now = time.time()
        lines = "".join("%s 1 %d\n" % (name, now) for name in names)
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(lines.encode())


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


SETTINGS = """\
from graphite.settings import *
SECRET_KEY = "scratch"
ALLOWED_HOSTS = ["*"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3",
                         "NAME": "{dir}/graphite.db"}}}}
STORAGE_DIR = "{dir}"
WHISPER_DIR = "{whisper}"
STANDARD_DIRS = [WHISPER_DIR]
LOG_DIR = "{dir}"
INDEX_FILE = "{dir}/index"
CARBONLINK_HOSTS = ["127.0.0.1:{query}"]
TIME_ZONE = "UTC"
"""


class GraphiteWeb(Service):
    def __init__(self, directory, carbon):
        os.makedirs(directory, exist_ok=True)
        with open(directory + "/scratch_settings.py", "w") as file:
            file.write(SETTINGS.format(dir=directory, whisper=carbon.whisper,
                                       query=carbon.query))
        environment = graphite_environment(
            DJANGO_SETTINGS_MODULE="scratch_settings",
            PYTHONPATH=directory + ":" + tool("GRAPHITE_PYTHONPATH"))
        django = [DEBIAN_PYTHON, "-W", "ignore", "-m", "django"]
        run(*django, "migrate", "--run-syncdb", cwd=directory,
            env={**os.environ, **environment})
        port = harness.free_port()
        self.url = "http://127.0.0.1:%d" % port
        super().__init__(
            directory,
            django + ["runserver", "--noreload", "127.0.0.1:%d" % port],
            lambda: listens(port), environment)

    def render(self, target, span="-5min"):
        """[{"target": name, "datapoints": [[value or None, time], ...]}]"""
        return get_json(self.url + "/render", target=target, format="json",
                        **{"from": span, "noCache": "true"})

    def find(self, query):
        return [node["text"] for node in
                get_json(self.url + "/metrics/find", query=query)]


def run(*command, **options):
    """Runs a program to its end; what it said is in the error."""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise AssertionError("%s: status %d\n%s" % (
            " ".join(command), done.returncode, done.stdout))
    return done.stdout
