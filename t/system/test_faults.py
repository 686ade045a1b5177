"""The fault rig: one row per fault. All rows run at once, each in an instance
of its own in one daemon, so that they must not disturb each other either.

A row says how the fault is made, which error counter it moves, and what the log
must say about it. After every row the same invariants hold: the daemon and its
other plugins go on, the key and no reply's body is anywhere, a SIGTERM ends it
soon, and when the fault ends the instance recovers without a restart."""

import glob
import os
import re
import ssl
import subprocess
import urllib.request

from harness import KEY, PATIENCE, SystemTest, wait_for, wait_until_empty
from raw_server import (HEALTHY, RawServer, drips, endless, listens, reply,
                        resets, says, silent)

# A word of the faulty replies that must not come out anywhere.
SECRET = b"5ecret-b0dy"
STATUS = b'"success":true,"status":"processing"'
SHUTDOWN_SECONDS = 2.0
LINES_MAX = 3

NEIGHBOUR = """
LoadPlugin load
LoadPlugin csv
<Plugin csv>
  DataDir "%s"
</Plugin>
"""


def plain_text(connection, server):
    """To a TLS handshake, which has no end of a request."""
    del server
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
    connection.recv(65536)


def body(data):
    return says(reply(body=data))


def code(number, data=b'{"success":false,"x":"' + SECRET + b'"}', **more):
    return says(reply(number, data, **more))


def redirect(number, location=None):
    """To another server, if not to that location."""
    def fault(connection, server):
        target = location or server.elsewhere + "/v1/extract/a"
        code(number, headers=["Location: " + target])(connection, server)
    return fault


def chunked(data):
    return says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)


# (row of faults.md, name, fault, error counter, what the log says)
ROWS = [
    ("N4", "refused", None, "connect", "onnect"),
    ("N6", "reset-at-once", resets(b"", read=False), "connect", ""),
    ("N6", "reset-mid-header", resets(b"HTTP/1.1 200 OK\r\nDa"), "connect", ""),
    ("N6", "reset-mid-body", resets(reply(length=5000)), "connect", ""),
    ("N8", "drip-header", drips(reply()), "timeout", "time"),
    ("N8", "drip-body", drips(reply()[60:] * 9), "http|timeout", ""),
    ("N9", "silent", silent, "timeout", "time"),
    ("L3", "plain-on-tls", plain_text, "tls", ""),
    ("H3", "status-number", body(b'{"success":true,"status":7}'), "body", ""),
    ("H3", "status-null", body(b'{"status":null}'), "body", "status"),
    ("H3", "status-missing", body(b'{"success":true}'), "body", "status"),
    ("H6", "code-400", code(400), "http", "400"),
    ("H6", "code-405", code(405), "http", "405"),
    ("H6", "code-422", code(422), "http", "422"),
    ("H7", "code-401", code(401), "auth", "401"),
    ("H7", "code-403", code(403), "auth", "403"),
    ("H8", "code-402", code(402), "http", "402"),
    ("H9", "html-404", code(404, b"<html>" + SECRET), "http", "404"),
    ("H10", "code-408", code(408), "http", "408"),
    ("H10", "code-409", code(409), "http", "409"),
    ("H10", "code-425", code(425), "http", "425"),
    ("H11", "rate-limit", code(429, headers=["Retry-After: 2"]), "rate_limit",
     "429"),
    ("H11", "rate-limit-odd", code(429, headers=["Retry-After: -1",
                                                 "Retry-After: abc"]),
     "rate_limit", "429"),
    ("H12", "code-500", code(500), "http", "500"),
    ("H12", "html-502", code(502, b"<html>" + SECRET + b"</html>"), "http",
     "502"),
    ("H12", "code-503", code(503, headers=["Retry-After: 1"]), "http", "503"),
    ("H12", "code-504", code(504, b""), "http", "504"),
    ("H12", "code-520", code(520), "http", "520"),
    ("H13", "code-204", says(b"HTTP/1.1 204 No\r\n\r\n"), "http", "204"),
    ("H13", "code-206", code(206, HEALTHY), "http", "206"),
    ("H13", "code-304", says(b"HTTP/1.1 304 Not\r\n\r\n"), "http", "304"),
    ("H13", "code-999", code(999, HEALTHY), "http", "999"),
    ("H13", "http-09", says(HEALTHY), "http", ""),
    ("H13", "http-37", says(reply(version="HTTP/3.7")), "http", ""),
    ("H13", "interim-flood",
     endless(b"", b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * 50), "http",
     "headers"),
    *[("H14", "redirect-%d" % number, redirect(number), "http", str(number)) for number in (301, 302, 303, 307, 308)],
    ("H14", "redirect-file", redirect(302, "file:///etc/passwd"), "http", "302"),
    ("H15", "header-line-1mb", code(200, HEALTHY,
                                    headers=["X: " + "y" * 1000000]),
     "http", ""),
    ("H15", "headers-100000", code(200, HEALTHY, headers=["X: y"] * 100000),
     "http", "headers"),
    ("H15", "length-negative", says(reply(length="-5")), "http|connect", ""),
    ("H15", "length-word", says(reply(length="abc")), "http|connect|body", ""),
    ("H15", "chunk-huge", chunked(b"ffffffffffffffffff\r\nx"),
     "body|http|connect", ""),
    ("H15", "chunk-word", chunked(b"zz\r\n" + HEALTHY), "body|http|connect",
     ""),
    ("H17", "gzip", code(200, b"\x1f\x8b\x08" + SECRET,
                         headers=["Content-Encoding: gzip"]), "body", ""),
    ("H18", "endless-body",
     endless(b"HTTP/1.1 200 OK\r\n\r\n{" + STATUS + b',"data":"',
             b"x" * 65536), "body", "MaxBodySize"),
    ("H18", "body-cut", says(reply(length=len(HEALTHY) + 9)), "body", ""),
    ("H18", "body-empty", body(b""), "body", ""),
    ("H19", "html", body(b"<html>" + SECRET + b"</html>"), "body", ""),
    ("H19", "byte-order-mark", body(b"\xef\xbb\xbf" + HEALTHY), "body", ""),
    ("J1", "cut-json", body(HEALTHY[:-1]), "body", ""),
    ("J2", "deep", body(b'{"data":' + b"[" * 100000), "body", ""),
    ("J3", "bad-utf8", body(b'{"x":"\xc0\xaf",' + STATUS + b"}"), "body", ""),
    ("J3", "nul", body(b'{"x":"\0",' + STATUS + b"}"), "body", ""),
    ("J4", "two-statuses", body(b'{"status":"completed",' + STATUS + b"}"),
     "body", ""),
    ("J4", "escaped-status",
     body(b'{"st\\u0061tus":"failed",' + STATUS + b"}"), "body", ""),
    ("J5", "nan", body(b'{"tokensUsed":NaN,' + STATUS + b"}"), "body", ""),
    ("J6", "comment", body(b"/**/{" + STATUS + b"}"), "body", ""),
    ("J6", "two-documents", body(HEALTHY + HEALTHY), "body", ""),
    ("J6", "array", body(b"[" + HEALTHY + b"]"), "body", ""),
]

CERTIFICATES = [
    # (row, name, whom it is for, days, trusted)
    ("L1", "unknown-ca", "IP:127.0.0.1", 1, False),
    ("L2", "expired", "IP:127.0.0.1", -1, True),
    ("L2", "wrong-host", "DNS:example.org", 1, True),
]

INSTANCE = """
  <Instance "%(name)s">
    URL "%(url)s"
    APIKeyFile "%(key)s"
    Timeout 1000
    MaxBodySize 1048576
    %(more)s
    Extract "job-%(name)s"
  </Instance>
"""


class Faults(SystemTest):
    def setUp(self):
        super().setUp()
        self.servers = {}
        self.blocks = []
        self.elsewhere = RawServer(says(reply()))
        self.addCleanup(self.elsewhere.stop)
        for _, name, fault, *_ in ROWS:
            if fault is None:
                self._closed_port(name)
            else:
                server = self._server(name, fault)
                self._block(name, "https" if "tls" in name else "http",
                            server.port)
        for _, name, subject, days, trusted in CERTIFICATES:
            self._tls_row(name, subject, days, trusted)

    def _server(self, name, fault, tls=None):
        server = RawServer(fault, tls)
        server.elsewhere = "http://127.0.0.1:%d" % self.elsewhere.port
        self.addCleanup(server.stop)
        self.servers[name] = server
        return server

    def _block(self, name, scheme, port, more=""):
        self.blocks.append(INSTANCE % {
            "name": name, "url": "%s://127.0.0.1:%d" % (scheme, port),
            "key": self.key_file(), "more": more})

    def _closed_port(self, name):
        """A port that nothing listens on until it is healed."""
        self.refused = RawServer(None, listening=False)
        self.addCleanup(self.refused.stop)
        self._block(name, "http", self.refused.port)

    def _tls_row(self, name, subject, days, trusted):
        path = os.path.join(self.directory("tls"), name)
        for command in (
                ["req", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
                 "-addext", "subjectAltName=" + subject,
                 "-keyout", path + ".key", "-out", path + ".csr"],
                ["x509", "-req", "-in", path + ".csr", "-signkey",
                 path + ".key", "-days", str(days), "-copy_extensions", "copy",
                 "-out", path + ".pem"]):
            subprocess.run(["openssl", *command], check=True,
                           capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path + ".pem", path + ".key")
        self._server(name, listens, context)
        self._block(name, "https", self.servers[name].port,
                    'CACert "%s.pem"' % path if trusted else "")

    def _every_row(self):
        rows = [(name, counters, text)
                for _, name, _, counters, text in ROWS]
        return rows + [(name, "tls", "ertificate|SSL|subject")
                       for _, name, *_ in CERTIFICATES]

    def _missing(self, daemon):
        """Rows whose counter has not moved or that the log does not explain."""
        metrics = daemon.instance_metrics()
        log = daemon.log_text()
        missing = []
        for name, counters, text in self._every_row():
            moved = [counter for counter in counters.split("|") if
                     metrics.get((name, "errors_total", counter), 0) > 0]
            line = re.search(r"firecrawl plugin: %s: .*(?:%s)"
                             % (re.escape(name), text), log)
            if not moved or not line or \
                    metrics.get((name, "api_up", "")) != 0:
                missing.append((name, [
                    key[2] for key, value in metrics.items()
                    if key[:2] == (name, "errors_total") and value], re.findall(
                        r".*firecrawl plugin: %s: .*" % re.escape(name), log)))
        return missing

    def _wait_faults(self, daemon):
        wait_until_empty(lambda: self._missing(daemon),
                         "every fault counts and is explained", 40)

    def _heal(self):
        for name, server in self.servers.items():
            server.healed = name not in [row[1] for row in CERTIFICATES]
        self.refused.healed = True
        self.refused.listen()

    def _not_recovered(self, daemon):
        metrics = daemon.instance_metrics()
        return [name for name, *_ in self._every_row()
                if name not in [row[1] for row in CERTIFICATES]
                and name != "plain-on-tls"
                and (metrics.get((name, "api_up", "")) != 1 or metrics.get(
                    (name, "job_status", "job-" + name)) != 1)]

    def _check_nothing_leaked(self, daemon):
        pid = daemon.process.pid
        texts = [daemon.log_text().encode()]
        for name in ("environ", "cmdline"):
            with open("/proc/%d/%s" % (pid, name), "rb") as file:
                texts.append(file.read())
        texts.append(urllib.request.urlopen(
            "http://127.0.0.1:%d/metrics" % daemon.prometheus).read())
        texts += [repr((n.message, n.fields)).encode()
                  for n in daemon.notifications()]
        for name in os.listdir(daemon.scratch):
            if name.startswith("firecrawl.db"):
                with open(os.path.join(daemon.scratch, name), "rb") as file:
                    texts.append(file.read())
        for text in texts:
            self.assertNotIn(KEY.encode(), text)
            self.assertNotIn(SECRET, text)

    def _check_told_briefly(self, daemon):
        """A fault that lasts is told of once, and once more as API unusable."""
        log = daemon.log_text()
        for name, *_ in self._every_row():
            told = re.findall(r".*firecrawl plugin: %s: .*" % re.escape(name),
                              log)
            self.assertLessEqual(len(told), LINES_MAX, "\n".join(told))

    def _check_cadence(self, daemon):
        """Another plugin's values came in time, whatever ours met."""
        times = []
        for path in glob.glob(daemon.scratch + "/csv/testhost/load/load-*"):
            with open(path) as file:
                times += [float(line.split(",")[0])
                          for line in file.readlines()[1:]]
        self.assertGreater(len(times), 5)
        gaps = [after - before for before, after in zip(times, times[1:])]
        self.assertLessEqual(max(gaps), 1.5 * PATIENCE)

    def test_every_fault_is_told_and_recovered_from(self):
        daemon = self.collectd("".join(self.blocks), more=NEIGHBOUR %
                               (self.directory("collectd") + "/csv"))
        self._wait_faults(daemon)
        self._check_told_briefly(daemon)
        self._check_nothing_leaked(daemon)
        self.assertEqual(self.elsewhere.connections, 0)
        self._heal()
        wait_until_empty(lambda: self._not_recovered(daemon),
                         "every row recovers", 90)
        for _, name, *_ in CERTIFICATES:
            self.assertGreater(self.servers[name].connections, 0)
            self.assertEqual(self.servers[name].received, b"", name)
        self._check_nothing_leaked(daemon)
        self._check_cadence(daemon)
        status, seconds = daemon.stop()
        self.assertEqual(status, 0)
        self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)

    def test_it_ends_soon_in_the_middle_of_every_fault(self):
        daemon = self.collectd("".join(self.blocks))
        wait_for(lambda: sum(
            value > 0 for key, value in daemon.instance_metrics().items()
            if key[1] == "errors_total") > len(ROWS) / 2, "faults", 40)
        status, seconds = daemon.stop()
        self.assertEqual(status, 0)
        self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)
