# SPDX-License-Identifier: MIT
"""The fault rig: one row per fault. All rows run at once, each in an instance
of its own in one daemon, so that they must not disturb each other either."""

import gzip

from faults import FaultTest, Rig, Row, wait_for
from harness import PRELOAD
from raw_server import (HEALTHY, SECRET, Full, RawServer, Refused, drips,
                        endless, reply, resets, says, silent)

STATUS = b'"success":true,"status":"processing"'
BOMB = gzip.compress(b'{"x":"' + b"0" * (64 << 20) + b'",' + STATUS + b"}")


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


def to_itself(connection, server):
    redirect(302, "http://127.0.0.1:%d/v1/extract/a" % server.port)(
        connection, server)


def chunked(data):
    return says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)


def headers(*lines, data=HEALTHY):
    """A whole reply whose header has these lines as they are."""
    return says(b"\r\n".join((b"HTTP/1.1 200 OK",) + lines) + b"\r\n\r\n" +
                data)


def encoded(encoding, data=BOMB):
    return code(200, data, headers=["Content-Encoding: " + encoding])


# (row, name, fault, error counter, what the log says[, what it notifies])
ROWS = [
    ("N4", "refused", Refused, "connect", "onnect"),
    ("N6", "reset-at-once", resets(b"", read=False), "connect", ""),
    ("N6", "reset-mid-header", resets(b"HTTP/1.1 200 OK\r\nDa"), "connect", ""),
    ("N6", "reset-mid-body", resets(reply(length=5000)), "connect", ""),
    ("N8", "drip-header", drips(reply()), "timeout", "time"),
    ("N8", "drip-body", drips(reply()[60:] * 9), "http|timeout", ""),
    ("N9", "silent", silent, "timeout", "time"),
    ("N9", "backlog-full", Full, "timeout", "time"),
    ("H3", "status-number", body(b'{"success":true,"status":7}'), "body", ""),
    ("H3", "status-null", body(b'{"status":null}'), "body", "status"),
    ("H3", "status-missing", body(b'{"success":true}'), "body", "status"),
    ("H6", "code-400", code(400, b"<html>" + SECRET), "http", "400"),
    ("H6", "code-405", code(405), "http", "405"),
    ("H6", "code-422", code(422), "http", "422"),
    ("H7", "code-401", code(401), "auth", "401", "key rejected"),
    ("H7", "code-403", code(403), "auth", "403", "key rejected"),
    ("H8", "code-402", code(402), "http", "402"),
    ("H9", "html-404", code(404, b"<html>" + SECRET), "http", "404"),
    ("H10", "code-408", code(408), "http", "408"),
    ("H10", "code-409", code(409), "http", "409"),
    ("H10", "code-425", code(425), "http", "425"),
    ("H11", "rate-limit", code(429, headers=["Retry-After: 2"]), "rate_limit",
     "429", None),
    ("H11", "rate-limit-odd", code(429, headers=["Retry-After: -1",
                                                 "Retry-After: abc"]),
     "rate_limit", "429", None),
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
    ("H13", "no-status-line", says(b"hello\r\n\r\n" + HEALTHY), "http", ""),
    ("H14", "redirect-301", redirect(301), "http", "301"),
    ("H14", "redirect-302", redirect(302), "http", "302"),
    ("H14", "redirect-303", redirect(303), "http", "303"),
    ("H14", "redirect-307", redirect(307), "http", "307"),
    ("H14", "redirect-308", redirect(308), "http", "308"),
    ("H14", "redirect-file", redirect(302, "file:///etc/passwd"), "http",
     "302"),
    ("H14", "redirect-ftp", redirect(302, "ftp://127.0.0.1/"), "http", "302"),
    ("H14", "redirect-to-itself", to_itself, "http", "302"),
    ("H14", "redirect-10mb", redirect(302, "http://" + "x" * 10000000), "http",
     ""),
    ("H14", "redirect-line-break",
     redirect(302, "http://x/\r\nAuthorization: Bearer x"), "http", "302"),
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
    ("H15", "header-nul", headers(b"X: a\0b", b"Content-Length: %d" % len(HEALTHY)),
     "http", ""),
    ("H15", "two-lengths", headers(b"Content-Length: %d" % len(HEALTHY),
                                   b"Content-Length: 20"), "body|http", ""),
    ("H15", "trailer-bomb",
     endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"%x\r\n%s\r\n0\r\n" % (len(HEALTHY), HEALTHY),
             b"X: y\r\n" * 1000), "http", "headers"),
    ("H16", "encoded-5-times", encoded("gzip, gzip, gzip, gzip, gzip"), "body",
     ""),
    ("H17", "bomb-gzip", encoded("gzip"), "body", ""),
    ("H17", "bomb-br", encoded("br"), "body", ""),
    ("H17", "bomb-zstd", encoded("zstd"), "body", ""),
    ("H17", "gzip", code(200, b"\x1f\x8b\x08" + SECRET,
                         headers=["Content-Encoding: gzip"]), "body", ""),
    ("H18", "endless-body",
     endless(b"HTTP/1.1 200 OK\r\n\r\n{" + STATUS + b',"data":"',
             b"x" * 65536), "body", "MaxBodySize"),
    ("H18", "body-10mb", body(b'{"data":"' + b"x" * 10000000 + b'",' + STATUS +
                              b"}"), "body", "MaxBodySize"),
    ("H18", "chunks-without-end",
     endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"9\r\n{\"data\":\"\r\n",
             b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), "body", "MaxBodySize"),
    ("H18", "length-short", says(reply(length=20)), "body", ""),
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


class Faults(Rig):
    def setUp(self):
        super().setUp()
        self.elsewhere = RawServer(says(reply()))
        self.addCleanup(self.elsewhere.stop)
        for row, name, fault, *expected in ROWS:
            server = fault(None) if isinstance(fault, type) else \
                RawServer(fault)
            server.elsewhere = "http://127.0.0.1:%d" % self.elsewhere.port
            self.add(Row(row, name, fault, *expected), server)

    def test_every_fault_is_told_and_recovered_from(self):
        daemon = self.come_and_go()
        self.assertEqual(self.elsewhere.connections, 0)
        self.end(daemon, self.passed())

    def test_it_ends_soon_in_the_middle_of_every_fault(self):
        self.break_all()
        daemon = self.faulty_daemon(self.blocks)
        wait_for(lambda: sum(
            value > 0 for key, value in daemon.instance_metrics().items()
            if key[1] == "errors_total") > len(ROWS) / 2, "faults", 40)
        self.end(daemon)


class Bombs(FaultTest):
    GROWTH_KIB = 2048

    def test_a_bomb_that_is_not_decoded_costs_no_memory(self):
        servers = {}
        for name in ("gzip", "br", "zstd"):
            servers[name] = RawServer(encoded(name))
            servers[name].healed = True
            self.addCleanup(servers[name].stop)
        daemon = self.faulty_daemon([self.block(
            name, "http://127.0.0.1:%d" % server.port)
            for name, server in servers.items()])
        wait_for(lambda: sum(
            value for key, value in daemon.instance_metrics().items()
            if key[1] == "api_up") == len(servers), "all are well")
        before = daemon.status_field("VmHWM")
        for server in servers.values():
            server.broken()
        wait_for(lambda: all(
            daemon.instance_metrics().get((name, "errors_total", "body"), 0) >= 3
            for name in servers), "the bombs have come", 30)
        if not PRELOAD:
            self.assertLess(daemon.status_field("VmHWM") - before,
                            self.GROWTH_KIB)
        self.check_invariants(daemon, {("gzip", "job-gzip")})
        self.end(daemon, [("H17", "bombs-cost")])
