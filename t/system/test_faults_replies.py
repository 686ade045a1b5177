# SPDX-License-Identifier: MIT
"""The rows of the fault rig that are no outage: replies that are valid and
odd, pauses that are asked for, and jobs that starve nobody."""

import json
import time
from email.utils import formatdate

from faults import FaultTest, needs_all, wait_for, wait_until_empty
from harness import KEY, PATIENCE
from raw_server import HEALTHY, SECRET, RawServer, reply

WINDOW_SECONDS = 9
LORIS_JOBS = 100


def says(status=None, headers=(), **members):
    members.setdefault("success", status != "failed")
    if status is not None:
        members["status"] = status
    return reply(body=json.dumps(members).encode(),
                 headers=["Date: " + formatdate(usegmt=True), *headers])


RUNNING = says("processing")
COMPLETED = says("completed", data={"x": SECRET.decode()})
FAILED = says("failed", error="boom")
CANCELLED = says("cancelled")
STATE = ["Set-Cookie: a=b; Path=/", 'Alt-Svc: h2="127.0.0.1:1"; ma=86400',
         "Strict-Transport-Security: max-age=86400", "ETag: W/\"1\"",
         "Link: </other>; rel=\"preload\""]


def typed(line, body=HEALTHY):
    return b"HTTP/1.1 200 OK\r\n" + line + \
        b"Content-Length: %d\r\n\r\n" % len(body) + body


# (row, name, replies in turn, of which the last goes on, status code, what is
# notified of the job: severity and a word)
COURSES = [
    ("H1", "processing", [RUNNING], 1, []),
    ("H1", "completed", [RUNNING, COMPLETED], 0, []),
    ("H1", "failed", [RUNNING, FAILED], 3, ["FAILURE boom"]),
    ("H1", "cancelled", [RUNNING, CANCELLED], 2, ["WARNING cancelled"]),
    ("H2", "error-object", [says("failed", error={"code": "E", "message": [1]})
                            ], 3, ["FAILURE failed"]),
    ("H2", "error-null", [says("failed", error=None)], 3, ["FAILURE failed"]),
    ("H2", "error-10kb", [says("failed", error="\u20ac" * 3400)], 3,
     ["FAILURE \u20ac\u20ac"]),
    ("H2", "error-escapes",
     [says("failed", error="a\x1b[31m\r\nSeverity: OKAY\0b")], 3,
     ["FAILURE Severity"]),
    ("H2", "error-key", [says("failed", error="bad token " + KEY)], 3,
     ["FAILURE bad token [secret]"]),
    ("H2", "error-object-key", [says("failed", error={
        "headers": {"Authorization": "Bearer " + KEY}})], 3,
     ["FAILURE Bearer [secret]"]),
    ("H3", "word-key", [says(KEY)], 5, []),
    ("H6", "gone-key", [reply(410, json.dumps({"replacement": KEY}).encode(), [
        'Link: </v2/%s>; rel="successor-version"' % KEY])], 4, []),
    ("H3", "word-unknown", [says("resting")], 5, []),
    ("H3", "word-upper-case", [says("Completed")], 5, []),
    ("H3", "word-empty", [says("")], 5, []),
    ("H4", "failed-goes-on", [FAILED, RUNNING, FAILED], 3, ["FAILURE boom"]),
    ("H4", "cancelled-completes", [CANCELLED, COMPLETED], 2,
     ["WARNING cancelled"]),
    ("H5", "stuck", [says("processing", expiresAt="2020-01-01T00:00:00Z")], 1,
     ["WARNING stalled"]),
    ("H15", "length-and-chunks",
     [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"
      b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HEALTHY), HEALTHY)], 1, []),
    ("H16", "sets-state", [says("processing", STATE)], 1, []),
    ("H19", "type-html", [typed(b"Content-Type: text/html\r\n")], 1, []),
    ("H19", "type-missing", [typed(b"")], 1, []),
    ("H19", "type-utf-16", [typed(b"Content-Type: application/json; "
                                  b"charset=utf-16\r\n")], 1, []),
    ("J8", "success-but-failed", [says("failed", success=True)], 3,
     ["FAILURE failed"]),
    ("J8", "completed-without-success", [says("completed", success=False)], 0,
     []),
    ("J8", "success-missing", [reply(body=b'{"status":"processing"}')], 1, []),
]

# (row, name, lines of a 429, seconds in which nothing may be asked)
PAUSES = [
    ("H11", "retry-5", ["Retry-After: 5"], 5),
    ("H11", "retry-0", ["Retry-After: 0"], 0.5),
    ("H11", "retry-negative", ["Retry-After: -1"], WINDOW_SECONDS),
    ("H11", "retry-1e30", ["Retry-After: 1e30"], WINDOW_SECONDS),
    ("H11", "retry-huge", ["Retry-After: " + "9" * 30], WINDOW_SECONDS),
    ("H11", "retry-word", ["Retry-After: abc"], WINDOW_SECONDS),
    ("H11", "retry-date", [
        "Date: Mon, 23 Nov 2026 18:26:00 GMT",
        "Retry-After: Mon, 23 Nov 2026 18:26:05 GMT"], 5),
    ("H11", "retry-date-past", ["Retry-After: Mon, 23 Nov 2020 18:26:00 GMT"],
     0.5),
    ("H11", "retry-date-9999", ["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"],
     WINDOW_SECONDS),
    ("H11", "retry-twice", ["Retry-After: 5", "Retry-After: 9"], 5),
    ("H11", "retry-none", [], WINDOW_SECONDS),
]


def job_of(request):
    return request.split(b" ")[1].rsplit(b"/", 1)[1].decode()


class Course(RawServer):
    """Answers in turn, on connections that are kept."""

    def __init__(self, replies):
        self.replies = replies
        super().__init__(None)

    def answer(self, request, number):
        del request
        return self.replies[min(number, len(self.replies) - 1)]

    def handle(self, connection):
        self.connections += 1
        with connection:
            while True:
                try:
                    request = self.read_request(connection)
                    if not request:
                        return
                    connection.sendall(self.answer(
                        request, len(self.requests) - 1))
                except OSError:
                    return


class ClosesKept(RawServer):
    """Closes each connection when its second request comes."""

    def __init__(self):
        super().__init__(None)

    def handle(self, connection):
        self.connections += 1
        with connection:
            try:
                if self.read_request(connection):
                    connection.sendall(RUNNING)
                    connection.recv(65536)
            except OSError:
                return


class Loris(Course):
    """One byte a second to every job but one."""

    def __init__(self):
        super().__init__([RUNNING])

    def answer(self, request, number):
        return b"H" if job_of(request).startswith("loris") else RUNNING


class Replies(FaultTest):
    def setUp(self):
        super().setUp()
        self.blocks, self.servers = [], {}
        for _, name, replies, *_ in COURSES:
            self._add(name, Course(replies))
        for _, name, headers, _ in PAUSES:
            self._add(name, Course([reply(429, b"{}", headers)]),
                      "".join('Extract "job-%s-%d"\n' % (name, i)
                              for i in range(3)))
        self._add("closes-kept", ClosesKept())

    def _add(self, name, server, more=""):
        self.addCleanup(server.stop)
        self.servers[name] = server
        self.blocks.append(self.block(
            name, "http://127.0.0.1:%d" % server.port, more))

    def _unlike(self, daemon):
        """Jobs whose status or notifications are not as they should be."""
        metrics, told = daemon.instance_metrics(), {}
        for notification in daemon.notifications():
            if notification.Type == "job_status":
                told.setdefault(notification.PluginInstance, []).append(
                    str(notification))
        for _, name, _, status, events in COURSES:
            got = metrics.get((name, "job_status", "job-" + name))
            words = [event.split(" ", 1) for event in events]
            said = told.get(name, [])
            if got != status or len(said) != len(words) or any(
                    not line.startswith(severity) or word not in line
                    for line, (severity, word) in zip(said, words)):
                yield name, got, said

    def check_messages(self, daemon):
        for notification in daemon.notifications():
            self.assertLessEqual(len(notification.message.encode()), 255)
            self.assertTrue(notification.message.isprintable(),
                            notification.message)

    def check_requests(self):
        """An end is asked for once, and nothing of a reply comes back."""
        for _, name, replies, status, _ in COURSES:
            server = self.servers[name]
            if status in (0, 2, 3):
                ends = next(i for i, text in enumerate(replies)
                            if text != RUNNING)
                self.assertEqual(len(server.requests), ends + 1, name)
            for _, request in server.requests:
                self.assertEqual(request, server.requests[0][1], name)

    def check_pauses(self):
        for _, name, _, seconds in PAUSES:
            times = [at for at, _ in self.servers[name].requests]
            # Those that were under way when the first reply came.
            after = [at - times[0] for at in times if at > times[0] + 0.4 * PATIENCE]
            if after:
                self.assertGreaterEqual(after[0], seconds - 0.1, name)
            if seconds <= 0.5:
                self.assertLess(len(after), 2 * WINDOW_SECONDS, name)

    def test_odd_replies_and_pauses(self):
        daemon = self.faulty_daemon(self.blocks)
        started = time.monotonic()
        wait_until_empty(lambda: list(self._unlike(daemon)),
                         "every job is as it should be", 20)
        daemon.ask("FLUSH plugin=firecrawl")
        wait_until_empty(lambda: [left for left in [
            started + WINDOW_SECONDS - time.monotonic()] if left > 0],
            "the pauses are watched", 20)
        self.assertEqual(list(self._unlike(daemon)), [])
        self.check_messages(daemon)
        self.check_requests()
        self.check_pauses()
        metrics = daemon.instance_metrics()
        self.assertEqual(metrics["stuck", "jobs", "stalled"], 1)
        for name in ("closes-kept", "sets-state"):
            self.assertEqual([key for key, value in metrics.items() if key[:2]
                              == (name, "errors_total") and value], [])
        self.assertGreater(self.servers["closes-kept"].connections, 3)
        self.check_invariants(daemon, {
            (row[1], "job-" + row[1]) for row in COURSES})
        self.end(daemon, [row[:2] for row in COURSES + PAUSES] + [
            ("N7", "closes-kept")])


class Starving(FaultTest):
    @needs_all
    def test_a_hundred_jobs_that_drip_do_not_starve_another(self):
        """A closed gate is probed with the one that answers."""
        server, other = Loris(), Course([RUNNING])
        self.addCleanup(server.stop)
        self.addCleanup(other.stop)
        jobs = "".join('Extract "loris-%d"\n' % i for i in range(LORIS_JOBS))
        daemon = self.faulty_daemon([
            self.block("loris", "http://127.0.0.1:%d" % server.port,
                       'Extract "healthy"\nMaxRequestsPerMinute 0\n' + jobs),
            self.block("other", "http://127.0.0.1:%d" % other.port)])
        started = time.monotonic()

        def turns():
            return [at for at, request in server.requests
                    if job_of(request) == "healthy"]
        wait_for(lambda: len(turns()) > 30, "the healthy job has its turns",
                 180)
        gaps = [after - before for before, after in zip(turns(), turns()[1:])]
        print("# %.0f s for 30 turns among %d requests; longest gap %.1f s" % (
            time.monotonic() - started, len(server.requests), max(gaps)))
        seconds = time.monotonic() - started
        self.assertGreaterEqual(len(other.requests), seconds / PATIENCE - 2)
        self.check_invariants(daemon, {("loris", "healthy")})
        self.end(daemon, [("N8", "loris")])
