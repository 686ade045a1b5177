# SPDX-License-Identifier: MIT
"""make bench: what the plugin costs beside what else one could run.

Starts nginx (with its own configuration, on free ports of the loopback) and
runs t/bench/bench and the other tools against it in turns, several rounds in one run.
Prints one table of medians and ends with status 1 where a figure is missed.

Needs nginx; NGINX names it, else PATH, else build-aux/root where contrib/bench
puts it. Tools that are not there (collectd, curl, jq, blackbox_exporter) are
left out of the table and said so.
"""

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
import harness  # noqa: E402 (found by the path above)

BENCH = os.path.join(harness.BUILD, "t", "bench", "bench")
ROOT = os.path.join(harness.SOURCE, "build-aux", "root")
TICKS = os.sysconf("SC_CLK_TCK")
JOBS = 10000
JOB_PATH = "/v1/extract/0199d3a2-6c1e-7f3a-9a51-%012d"  # as t/bench/bench.h's
REPLY = ('{"success":true,"data":[],"status":"%s",'
         '"expiresAt":"2036-11-25T05:00:00.000Z","tokensUsed":12}')

NGINX = """daemon off;
worker_processes 1;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 100000000;
  keepalive_timeout 300;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl http2;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    location = /count {{ stub_status; }}
    location / {{ return 200 '{processing}'; }}
    location /ended/ {{ return 200 '{completed}'; }}
  }}
}}
"""


def find(name, variable=None):
    """The path of a program, or None."""
    paths = [os.environ.get(variable or "", "")]
    paths.append(shutil.which(name) or "")
    for folder in ("/usr/sbin", ROOT + "/usr/sbin", ROOT + "/usr/bin"):
        paths.append(os.path.join(folder, name))
    return next((p for p in paths if p and os.access(p, os.X_OK)), None)


@contextlib.contextmanager
def running(command, ready, **options):
    """A server until the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **options)
    try:
        harness.wait_for(ready, command[0])
        yield process
    finally:
        process.terminate()
        process.wait(20)


def answers(url):
    def ready():
        try:
            return bool(harness.http_get(url, timeout=2))
        except OSError:
            return False
    return ready


@contextlib.contextmanager
def web_server(scratch):
    nginx = find("nginx", "NGINX")
    if not nginx:
        sys.exit("make bench needs nginx: run contrib/bench, or name it in NGINX")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out",
         "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1"],
        cwd=scratch, check=True, stderr=subprocess.DEVNULL)
    port, tls_port = harness.free_port(), harness.free_port()
    with open(scratch + "/nginx.conf", "w") as file:
        file.write(NGINX.format(dir=scratch, port=port, tls_port=tls_port,
                                processing=REPLY % "processing",
                                completed=REPLY % "completed"))
    url = "http://127.0.0.1:%d" % port
    with running([nginx, "-p", scratch, "-c", scratch + "/nginx.conf",
                  "-e", scratch + "/error.log"], answers(url)):
        yield url, "https://127.0.0.1:%d" % tls_port


def bench(*arguments):
    """Runs a part; its figures by name."""
    result = subprocess.run([BENCH] + [str(a) for a in arguments], text=True,
                            stdout=subprocess.PIPE, check=True)
    pairs = (line.split() for line in result.stdout.splitlines())
    return {name: float(value) for name, value in pairs}


def plugin(scratch, url, jobs, rounds, certificate="-"):
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return bench("plugin", url, jobs, rounds, 32, certificate,
                     folder + "/state.db")


def in_turns(rounds, *measures):
    """Runs each in turn, so that all see the same machine; lists of results."""
    results = [[] for _ in measures]
    for _ in range(rounds):
        for result, measure in zip(results, measures):
            result.append(measure())
    return results


def median(results, name):
    return statistics.median(r[name] for r in results)


def ratio(results, others, name):
    return statistics.median(a[name] / b[name]
                             for a, b in zip(results, others))


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children_cpu_us(count, run):
    def total():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    before = total()
    run()
    return (total() - before) / count * 1e6


def curl_parallel(scratch, url):
    count = 3000
    path = scratch + "/curl.conf"
    with open(path, "w") as file:
        for i in range(count):
            file.write('url = "%s"\noutput = /dev/null\n'
                       % (url + JOB_PATH % i))
    command = ["curl", "-s", "--no-progress-meter", "-Z", "--parallel-max",
               "32", "-H", "Authorization: Bearer " + harness.KEY, "-K", path]
    return children_cpu_us(count, lambda: subprocess.run(command, check=True))


def curl_and_jq(scratch, url):
    del scratch
    count = 40
    command = "curl -s %s | jq -r .status" % (url + JOB_PATH % 1)
    return children_cpu_us(count, lambda: [
        subprocess.run(["sh", "-c", command], check=True,
                       stdout=subprocess.DEVNULL) for _ in range(count)])


def python_urllib(scratch, url):
    del scratch
    count = 500
    before = time.process_time()
    for i in range(count):
        reply = urllib.request.urlopen(url + JOB_PATH % i)
        assert json.load(reply)["status"] == "processing"
    return (time.process_time() - before) / count * 1e6


def blackbox(scratch, url):
    count = 400
    path, port = scratch + "/blackbox.yml", harness.free_port()
    with open(path, "w") as file:
        file.write("modules:\n  status:\n    prober: http\n    http:\n"
                   "      preferred_ip_protocol: ip4\n"
                   "      fail_if_body_not_matches_regexp: [processing]\n")
    base = "http://127.0.0.1:%d" % port
    probe = base + "/probe?module=status&target=" + url + JOB_PATH % 1
    with running([find("prometheus-blackbox-exporter"), "--config.file=" + path,
                  "--web.listen-address=127.0.0.1:%d" % port],
                 answers(base + "/metrics")) as process:
        before = cpu_seconds(process.pid)
        for _ in range(count):
            text = urllib.request.urlopen(probe).read().decode()
            assert "probe_success 1" in text
        return (cpu_seconds(process.pid) - before) / count * 1e6


def requests_seen(url):
    """How many requests nginx has had; this one is among them."""
    return int(harness.http_get(url + "/count").splitlines()[2].split()[2])


def curl_json_jobs():
    """As many as its descriptors allow."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit == resource.RLIM_INFINITY:
        return JOBS
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return min(JOBS, (limit - 1000) // 3)


def curl_json(scratch, url):
    """collectd with one <URL> of curl_json per job; it reads tokensUsed, since
    it cannot read a status. Nothing writes the values, as with the plugin's
    figure. It keeps three descriptors per job."""
    jobs, cycles = curl_json_jobs(), 4
    folder = tempfile.mkdtemp(dir=scratch)
    urls = "".join('<URL "%s">\nInstance "j%d"\n'
                   '<Key "tokensUsed">\nType "gauge"\n</Key>\n</URL>\n'
                   % (url + JOB_PATH % i, i) for i in range(jobs))
    with open(folder + "/collectd.conf", "w") as file:
        file.write('BaseDir "%s"\nPIDFile "%s/pid"\nPluginDir "%s"\n'
                   'TypesDB "%s"\nInterval 5\nReadThreads 5\n'
                   'LoadPlugin curl_json\n<Plugin curl_json>\n%s</Plugin>\n'
                   % (folder, folder, harness.PLUGINDIR, harness.TYPESDB,
                      urls))
    start = requests_seen(url)

    def polls():
        return requests_seen(url) - start

    command = [harness.COLLECTD, "-f", "-C", folder + "/collectd.conf"]
    with running(command, lambda: polls() >= 2 * jobs) as process:
        before, first = cpu_seconds(process.pid), polls()
        harness.wait_for(lambda: polls() >= first + cycles * jobs,
                         "curl_json's requests", 120)
        return (cpu_seconds(process.pid) - before) / (polls() - first) * 1e6


OTHERS = [
    ("curl --parallel, no parsing", curl_parallel, lambda: shutil.which("curl")),
    ("Python urllib and json", python_urllib, lambda: True),
    ("blackbox_exporter", blackbox,
     lambda: find("prometheus-blackbox-exporter")),
    ("curl and jq in a shell", curl_and_jq,
     lambda: shutil.which("curl") and shutil.which("jq")),
]


class Table:
    def __init__(self):
        self.rows, self.missed = [], 0

    def add(self, name, value, target="", holds=True):
        self.missed += not holds
        self.rows.append((name, value, target, "" if holds else "MISSED"))

    def at_most(self, name, value, limit, unit=""):
        self.add(name, "%.4g%s" % (value, unit), "<= %.4g%s" % (limit, unit),
                 value <= limit)

    def at_least(self, name, value, limit, unit=""):
        self.add(name, "%.4g%s" % (value, unit), ">= %.4g%s" % (limit, unit),
                 value >= limit)

    def print(self):
        print("| figure | measured | target | |\n|---|---|---|---|")
        for row in self.rows:
            print("| %s | %s | %s | %s |" % row)
        print("\n%d figures, %d missed" % (len(self.rows), self.missed))


def polls(table, scratch, url, tls_url):
    certificate = scratch + "/cert.pem"
    bare, ours, bare_tls, ours_tls = in_turns(
        7,
        lambda: bench("bare", url, JOBS, 3, 32, "-"),
        lambda: plugin(scratch, url, JOBS, 3),
        lambda: bench("bare", tls_url, JOBS, 3, 32, certificate),
        lambda: plugin(scratch, tls_url, JOBS, 3, certificate))
    name = "cpu_us_per_poll"
    table.add("bare libcurl loop, CPU per poll",
              "%.1f us" % median(bare, name))
    table.add("plugin, CPU per poll", "%.1f us" % median(ours, name))
    table.at_most("plugin : bare loop, CPU per poll, HTTP/1.1",
                  ratio(ours, bare, name), 1.25)
    table.at_most("plugin : bare loop, CPU per poll, TLS and HTTP/2",
                  ratio(ours_tls, bare_tls, name), 1.25)
    table.at_least("plugin : bare loop, polls per second",
                   ratio(ours, bare, "polls_per_second"), 0.75)
    table.at_most("connections, HTTP/1.1",
                  max(r["connections"] for r in ours), 32)
    table.at_most("connections, HTTP/2",
                  max(r["connections"] for r in ours_tls), 2)
    return median(ours, name)


def others(table, scratch, url, ours_us):
    for name, measure, available in OTHERS:
        if not available():
            table.add(name + ", CPU per poll", "not installed")
            continue
        us = statistics.median(measure(scratch, url) for _ in range(3))
        table.add(name + ", CPU per poll",
                  "%.0f us, %.1f x the plugin" % (us, us / ours_us))


def beside_curl_json(table, scratch, url):
    name = "collectd's curl_json, a number only : plugin, CPU per poll"
    if not os.path.exists(harness.PLUGINDIR + "/curl_json.so"):
        table.add(name, "not installed")
        return
    ours, theirs = in_turns(
        5,
        lambda: plugin(scratch, url, JOBS, 3)["cpu_us_per_poll"],
        lambda: curl_json(scratch, url))
    table.at_least("%s (%.0f us, %d jobs)" % (
        name, statistics.median(theirs), curl_json_jobs()),
                   statistics.median(b / a for a, b in zip(ours, theirs)), 3)


def scale(table, scratch, url):
    few, small, large = in_turns(
        3,
        lambda: plugin(scratch, url, 10, 1),
        lambda: plugin(scratch, url, 1000, 100),
        lambda: plugin(scratch, url, 100000, 1))
    table.at_most("CPU per poll, 100,000 jobs : 1,000",
                  ratio(large, small, "cpu_us_per_poll"), 1.2)
    table.at_most("memory per job, 10 to 100,000 jobs",
                  (median(large, "resident") - median(few, "resident"))
                  / 99990, 448, " bytes")


def bodies(table):
    ours, tree, yajl = in_turns(
        3, *(lambda name=name: bench("body", name, 10)
             for name in ("filter", "json-c", "yajl")))
    name = "mb_per_second"
    table.add("response path, 10 MB of small values",
              "%.0f MB/s" % median(ours, name))
    table.at_least("... : json-c's tree", ratio(ours, tree, name), 10)
    table.at_least("... : yajl with empty callbacks", ratio(ours, yajl, name),
                   2)
    large = bench("body", "filter", 100)
    table.at_most("... peak memory, 10 and 100 MB",
                  max(r["peak_growth"] for r in ours + [large]) / 1024, 256,
                  " KiB")


def times(table, scratch, url):
    read = bench("read", url, JOBS, 200, scratch)
    table.at_most("read callback, %d values, p99" % read["values"],
                  read["p99_us"] / 1000, read["allowed_us"] / 1000, " ms")
    idle = bench("idle", url + "/ended", JOBS, scratch + "/idle.db", 10)
    table.at_most("10,000 final jobs: requests", idle["requests"], 0)
    table.at_most("10,000 final jobs: of a core", idle["core_percent"], 0.1,
                  " %")
    alert = bench("alert")
    table.at_most("a failure until its notification, latest of 1,000",
                  alert["latest_ms"] / 1000, alert["allowed_ms"] / 1000, " s")
    day = bench("day")
    table.at_most("requests of a day while processing : needed",
                  day["processing_ratio"], 1.02)
    table.add("... with the one that sees the end",
              "%.4g" % day["all_ratio"])
    fair = bench("fair")
    table.at_most("longest wait with a tenth of the budget",
                  fair["wait_max_ms"] / 1000, fair["allowed_ms"] / 1000, " s")


def main():
    table = Table()
    with tempfile.TemporaryDirectory(prefix="fc-bench-") as scratch, \
            web_server(scratch) as (url, tls_url):
        ours_us = polls(table, scratch, url, tls_url)
        beside_curl_json(table, scratch, url)
        others(table, scratch, url, ours_us)
        scale(table, scratch, url)
        bodies(table)
        times(table, scratch, url)
    table.print()
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
