# SPDX-License-Identifier: MIT
"""firecrawlctl as users run it: the real program, the fake server over HTTP, the
real collectd, terminals, pipes and bash."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import termios
import threading
import time
import unittest

import harness
from harness import BUILD, KEY, PATIENCE, SOURCE, SystemTest, wait_for
from raw_server import RawServer, read_request, reply

TOOL = os.path.abspath(BUILD + "/src/ctl/firecrawlctl")
ESCAPES = r'"{\"message\":\"no\\u001b[2J\\u009b31m|luck\\u0007\"}"'

SCRIPT = f"""
job extract done
  state completed expires=+3600 tokens=1234
job extract broken
  state failed error={ESCAPES} expires=+3600
job agent stopped
  state cancelled expires=+3600 credits=7
job extract running
  state processing expires=+600
job crawl pages
  state scraping expires=+3600 completed=30 total=120
job extract stuck
  state processing expires=+0
job extract odd
  state pondering expires=none
job extract silent
  state processing never
"""

# https://www.monitoring-plugins.org/doc/guidelines.html
NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"(?:@?(?:~|{NUMBER})?:?(?:{NUMBER})?)?"
PERFDATA = re.compile(
    rf"(?P<label>'[^'=]+'|[^\s'=]+)=(?P<value>{NUMBER})"
    rf"(?P<unit>us|ms|s|%|B|KB|MB|GB|TB|c)?"
    rf"(?:;(?P<warn>{RANGE})(?:;(?P<crit>{RANGE})"
    rf"(?:;(?:{NUMBER})?(?:;(?:{NUMBER})?)?)?)?)?$")


def tool_environment(**more):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("FIRECRAWL_") and
                   name not in ("LD_PRELOAD", "NO_COLOR")}
    # The daemon's leaks are nobody's business, the tool's are ours.
    environment["ASAN_OPTIONS"] = "detect_leaks=1"
    environment["TERM"] = "xterm"
    environment.update(more)
    return environment


class Done:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return "status %s\n%s\n%s" % (self.status, self.out, self.err)


def run_tool(*words, stdout=subprocess.PIPE, user=None, **environment):
    done = subprocess.run(
        [TOOL, *words], stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.PIPE, text=True, timeout=60 * PATIENCE, user=user,
        env=tool_environment(**environment))
    return Done(done.returncode, done.stdout, done.stderr)


class Terminal:
    """The tool on a terminal of its own, 24 lines of 70 columns."""

    def __init__(self, *words, **environment):
        self.fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, 70, 0, 0))
        self.process = subprocess.Popen(
            [TOOL, *words], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=tool_environment(**environment))
        os.close(slave)
        self.text = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.fd, 65536):
                self.text += data.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        status = self.process.wait(60 * PATIENCE)
        self.reader.join(10)
        os.close(self.fd)
        return status

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()


class Tool(SystemTest):
    def ask(self, *words, **environment):
        environment.setdefault("FIRECRAWL_API_URL", self.server.url)
        environment.setdefault("FIRECRAWL_API_KEY", KEY)
        done = run_tool(*words, **environment)
        self.assertNotIn(KEY, (done.out or "") + done.err)
        return done

    def jobs(self, *words, **environment):
        """status --json: ({ID: object}, exit status)"""
        done = self.ask("status", "--json", *words, **environment)
        return {job["id"]: job for job in json.loads(done.out)}, done.status

    def terminal(self, *words, **environment):
        environment.setdefault("FIRECRAWL_API_URL", self.server.url)
        environment.setdefault("FIRECRAWL_API_KEY", KEY)
        terminal = Terminal(*words, **environment)
        self.addCleanup(terminal.stop)
        return terminal

    def setUp(self):
        super().setUp()
        self.server = self.fake(SCRIPT)


class Status(Tool):
    def test_a_table_shows_each_job(self):
        done = self.ask("status", "done", "broken", "stuck", "odd", "running")
        self.assertEqual(done.status, 1, done)
        self.assertEqual(done.err, "")
        rows = [re.split(r" {2,}", line) for line in done.out.splitlines()]
        self.assertEqual(rows[0], ["KIND", "ID", "STATUS", "DONE", "EXPIRES",
                                   "BILLED", "NOTE"])
        self.assertEqual(rows[1], ["extract", "done", "completed", "-", "1h",
                                   "1234 tokens", "-"])
        self.assertEqual(rows[2][1:4], ["broken", "failed", "-"])
        self.assertEqual([row[2] for row in rows[3:]],
                         ["stalled", "unknown", "processing"])

    def test_json_says_the_same(self):
        jobs, status = self.jobs("done", "running")
        self.assertEqual(status, 0)
        self.assertEqual(set(jobs["done"]), {
            "kind", "id", "status", "code", "stalled", "percent", "expires_at",
            "expires_in", "duration", "tokens", "credits", "error", "trouble"})
        self.assertEqual(jobs["done"]["status"], "completed")
        self.assertEqual(jobs["done"]["code"], 0)
        self.assertEqual(jobs["done"]["tokens"], 1234)
        self.assertIsNone(jobs["done"]["credits"])
        self.assertTrue(3590 <= jobs["done"]["expires_in"] <= 3600)
        self.assertRegex(jobs["done"]["expires_at"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(jobs["running"]["code"], 1)
        jobs, status = self.jobs("stuck", "odd", "nowhere")
        self.assertEqual(status, 1)
        self.assertTrue(jobs["stuck"]["stalled"])
        self.assertEqual(jobs["odd"]["status"], "unknown")
        self.assertEqual(jobs["nowhere"]["status"], "lost")
        self.assertIn("404", jobs["nowhere"]["trouble"])
        jobs, status = self.jobs("crawl", "pages")
        self.assertEqual(jobs["pages"]["percent"], 25)
        jobs, status = self.jobs("agent", "stopped")
        self.assertEqual((jobs["stopped"]["credits"], status), (7, 1))

    def test_what_a_server_says_cannot_steer_a_terminal(self):
        for words in (("status", "broken"), ("status", "--json", "broken"),
                      ("check", "broken"), ("watch", "broken")):
            done = self.ask(*words)
            self.assertIn("luck", done.out)
            self.assertNotRegex(done.out + done.err,
                                "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_a_key_that_a_server_says_is_not_shown(self):
        self.server.script('job extract echo\n  state failed '
                           'error="bad token %s"\n' % KEY)
        for words in (("status", "echo"), ("status", "--json", "echo"),
                      ("check", "echo"), ("watch", "echo")):
            self.assertIn("bad token [secret]", self.ask(*words).out)
        self.server.script('answer 410 header="Link: </%s>; '
                           'rel=successor-version"\n' % KEY)
        for words in (("status", "x"), ("status", "--json", "x"),
                      ("check", "x"), ("watch", "x")):
            self.assertIn("use /[secret]", self.ask(*words).out)

    def test_a_rejected_key_is_tried_once(self):
        jobs, status = self.jobs("a", "b", "c", FIRECRAWL_API_KEY="fc-wrong")
        self.assertEqual(status, 3)
        for job in jobs.values():
            self.assertIsNone(job["status"])
        self.assertIn("401", jobs["a"]["trouble"])
        done = self.ask("status", *("x%d" % i for i in range(100)),
                        FIRECRAWL_API_KEY="")
        self.assertEqual(done.status, 3)
        self.assertIn("--key-file or FIRECRAWL_API_KEY", done.out)
        self.assertIn("not asked for", done.out)
        # The advice on those not asked for is on what went wrong before them.
        self.assertRegex(done.out.splitlines()[-1],
                         "not asked for: .*--key-file or FIRECRAWL_API_KEY$")
        self.assertNotIn("--url", done.out)
        # No more than what was under way together.
        rejected = [line for line in harness.http_get(
            self.server.url + "/_fake/requests").splitlines()
            if line.startswith("rejected")]
        self.assertLessEqual(int(rejected[0].split()[1]), 3 + 32)

    def test_after_a_429_the_rest_is_left_alone(self):
        self.server.script('answer 429 header="Retry-After: 60"\n')
        ids = ["x%d" % i for i in range(200)]
        jobs, status = self.jobs(*ids)
        self.assertEqual(status, 3)
        self.assertEqual(len(jobs), 200)
        self.assertIn("429", jobs["x0"]["trouble"])
        self.assertIn("ask again later", jobs["x199"]["trouble"])
        total = [line for line in harness.http_get(
            self.server.url + "/_fake/requests").splitlines()
            if line.startswith("total")]
        self.assertLessEqual(int(total[0].split()[1]), 40)

    def test_what_was_asked_before_the_others_were_given_up_is_answered(self):
        self.server.script("job extract slow\n  state completed delay=1500\n"
                           "job extract *\n  state x code=429 body=\"{}\"\n")
        jobs, _ = self.jobs("slow", *("x%d" % i for i in range(50)))
        self.assertEqual(jobs["slow"]["status"], "completed")
        self.assertIn("not asked for", jobs["x49"]["trouble"])

    def test_a_server_that_cannot_be_reached_is_told(self):
        port = harness.free_port()
        for url, words in (("http://127.0.0.1:%d" % port, "check --url"),
                           (self.server.url.replace("http", "https"),
                            "--cacert")):
            # Those under way fail one by one, slowly on a busy machine.
            done = self.ask("status", "--url", url, "-t", "50",
                            *("x%d" % i for i in range(100)))
            self.assertEqual(done.status, 3, done)
            lines = done.out.splitlines()[1:]
            self.assertEqual(len(lines), 100)
            for line in lines:
                self.assertIn(words, line)
            self.assertIn("not asked for", lines[-1])

    def test_a_server_that_does_not_answer_is_given_its_time(self):
        started = time.monotonic()
        done = self.ask("status", "-t", "0.3", "silent")
        self.assertEqual(done.status, 3)
        self.assertIn("--timeout", done.out)
        self.assertLess(time.monotonic() - started, 4 * PATIENCE)

    def test_an_endpoint_that_has_ended_names_what_to_use(self):
        self.server.script("answer 410\n")
        jobs, status = self.jobs("done")
        self.assertEqual((jobs["done"]["status"], status), ("lost", 1))
        self.assertIn("/v2/agent", jobs["done"]["trouble"])

    def test_the_key_comes_from_a_file(self):
        path = self.key_file()
        done = self.ask("status", "done", "--key-file", path,
                        FIRECRAWL_API_KEY="")
        self.assertEqual((done.status, done.err), (0, ""), done)
        os.chmod(path, 0o644)
        done = self.ask("status", "done", "--key-file=" + path,
                        FIRECRAWL_API_KEY="")
        self.assertEqual(done.status, 0)
        self.assertIn("chmod 600", done.err)
        done = self.ask("status", "done", "--key-file", path + "-not")
        self.assertEqual(done.status, 2)
        self.assertIn("No such file", done.err)

    def raw_server(self, requests, tls=None):
        """Keeps each request, and answers that the job is processing."""
        def fault(connection, _):
            requests.append(read_request(connection).decode())
            connection.sendall(reply())
        server = RawServer(fault, tls)
        self.addCleanup(server.stop)
        return server.port

    def test_the_request_is_as_the_options_say(self):
        requests = []
        url = "http://127.0.0.1:%d" % self.raw_server(requests)
        for words, path in ((("done",), "/v1/extract/done"),
                            (("done", "--api-version", "v2"),
                             "/v2/extract/done"),
                            (("crawl", "x", "--url", url + "/v1"),
                             "/v1/crawl/x?limit=1"),
                            (("batch_scrape", "x"),
                             "/v2/batch/scrape/x?limit=1")):
            done = self.ask("status", *words, FIRECRAWL_API_URL=url)
            self.assertEqual(done.status, 0, done)
            request = requests.pop()
            self.assertTrue(request.startswith("GET %s HTTP/1.1\r\n" % path),
                            request)
            self.assertIn("\r\nAuthorization: Bearer %s\r\n" % KEY, request)
        self.ask("status", "x", FIRECRAWL_API_URL=url, FIRECRAWL_API_KEY="")
        self.assertNotIn("Authorization", requests.pop())

    def test_a_header_and_a_proxy_go_with_the_request(self):
        requests = []
        proxy = "http://us:pa-ss@127.0.0.1:%d" % self.raw_server(requests)
        done = self.ask("status", "done", "--proxy", proxy, "--header",
                        "X-One: 1", "--header=X-Two: two words",
                        FIRECRAWL_API_URL="http://api.test")
        self.assertEqual(done.status, 0, done)
        self.assertNotIn("pa-ss", done.out + done.err)
        request = requests.pop()
        self.assertTrue(request.startswith(
            "GET http://api.test/v1/extract/done HTTP/1.1\r\n"), request)
        for line in ("X-One: 1", "X-Two: two words",
                     "Proxy-Authorization: Basic dXM6cGEtc3M="):
            self.assertIn("\r\n%s\r\n" % line, request)
        for header in ("no colon", "a b: c", "X:\ny", ""):
            done = self.ask("status", "done", "--header", header)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn('--header: a header "Name: value" is expected',
                          done.err)
        self.assertEqual(run_tool("add", "x", "--proxy", proxy).status, 2)

    def test_a_private_authority_is_trusted_when_named(self):
        path = self.directory("tls") + "/server"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
             "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
             "-keyout", path + ".key", "-out", path + ".pem"],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path + ".pem", path + ".key")
        requests = []
        url = "https://127.0.0.1:%d" % self.raw_server(requests, context)
        done = self.ask("status", "done", "--url", url)
        self.assertEqual(done.status, 3)
        self.assertIn("--cacert", done.out)
        self.assertEqual(requests, [])
        done = self.ask("status", "done", "--url", url, "--cacert",
                        path + ".pem")
        self.assertEqual(done.status, 0, done)

    def test_colours_are_for_terminals(self):
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False),
                                      ({"NO_COLOR": ""}, True),
                                      ({"TERM": "dumb"}, False)):
            terminal = self.terminal("status", "done", **environment)
            self.assertEqual(terminal.end(), 0)
            self.assertEqual("\x1b[32mcompleted\x1b[0m" in terminal.text,
                             coloured, environment)
            self.assertEqual("\x1b" in terminal.text, coloured)

    def test_output_that_cannot_be_written_is_no_success(self):
        with open("/dev/full", "w") as full:
            done = self.ask("status", "done", stdout=full)
        self.assertEqual(done.status, 3)
        self.assertIn("No space left", done.err)
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as gone:
            done = self.ask("status", "done", stdout=gone)
        self.assertEqual((done.status, done.err), (3, ""))


class Watch(Tool):
    PAGES = """
job crawl going
  state scraping for 2 requests expires=+3600 completed=30 total=120
  state scraping for 2 requests expires=+3600 completed=60 total=120
  state completed expires=+3600 completed=120 total=120
job crawl failing
  state scraping for 2 requests expires=+3600
  state failed expires=+3600 error="no luck"
"""

    def test_a_pipe_gets_a_line_for_each_change(self):
        self.server.script(self.PAGES)
        done = self.ask("watch", "crawl", "going", "--interval", "0.2")
        self.assertEqual((done.status, done.err), (0, ""), done)
        stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "
        lines = [re.sub(stamp, "", line) for line in done.out.splitlines()]
        self.assertEqual(lines, ["crawl going processing 25%",
                                 "crawl going processing 50%",
                                 "crawl going completed 100%"])
        done = self.ask("watch", "--interval=0.2", "crawl", "failing", "going")
        self.assertEqual(done.status, 1)
        self.assertRegex(done.out, r"Z crawl failing failed: no luck\n")

    def test_a_terminal_shows_progress_in_place(self):
        self.server.script(self.PAGES)
        terminal = self.terminal("watch", "crawl", "going", "failing",
                                 "--interval", "0.5")
        self.assertEqual(terminal.end(), 1)
        self.assertIn("[##########..........] 50%", terminal.text)
        self.assertIn("\x1b[3A", terminal.text)
        lines = terminal.text.split("\x1b[3A\r")[-1].splitlines()
        plain = [re.sub(r"\x1b\[\d*[a-zA-Z]", "", line) for line in lines]
        self.assertRegex(plain[0], r"^crawl going completed \[#{20}\] 100% \d+s$")
        self.assertRegex(plain[1], r"^crawl failing failed \d+s: no luck$")
        self.assertEqual(plain[2], "2 of 2 ended")

    def test_it_keeps_to_its_interval(self):
        process = self.start("watch", "running", "--interval", "1")
        wait_for(lambda: self.server.count("running") >= 4, "four requests")
        count, first, last = self.server.requests()["running"]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30 * PATIENCE)
        self.assertGreaterEqual(last - first, (count - 1) * 1000 * 0.5)

    def start(self, *words, preexec_fn=None):
        process = subprocess.Popen(
            [TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=preexec_fn, env=tool_environment(
                FIRECRAWL_API_URL=self.server.url, FIRECRAWL_API_KEY=KEY))
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def test_a_429_is_heeded(self):
        self.server.script('answer 429 header="Retry-After: 3"\n')
        process = self.start("watch", "done", "--interval", "0.2")
        line = process.stdout.readline()
        self.assertIn("429", line)
        count, _, last = self.server.requests()["done"]
        self.server.script("answer off\n")
        out, _ = process.communicate(timeout=30 * PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertIn("extract done completed", out)
        after = self.server.requests()["done"]
        self.assertEqual(after[0], count + 1)
        self.assertGreaterEqual(after[2] - last, 2900)

    def test_an_outage_is_sat_out(self):
        self.server.script("answer 503\n")
        process = self.start("watch", "done", "--interval", "0.2")
        self.assertIn("503", process.stdout.readline())
        self.server.script("answer off\n")
        process.communicate(timeout=60 * PATIENCE)
        self.assertEqual(process.returncode, 0)

    def test_a_job_that_is_lost_has_ended(self):
        self.server.script("answer 410\n")
        done = self.ask("watch", "done")
        self.assertEqual((done.status, done.err), (1, ""), done)
        self.assertRegex(done.out, r"Z extract endpoint gone: .*/v2/agent")
        self.assertIn("Z extract done lost", done.out)

    def test_signals_end_it(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start("watch", "running")
            self.assertIn("processing", process.stdout.readline())
            process.send_signal(number)
            _, err = process.communicate(timeout=30 * PATIENCE)
            self.assertEqual((process.returncode, err), (128 + number, ""))

    def test_signals_that_are_ignored_do_not_end_it(self):
        # SIGHUP by nohup(1), SIGINT by a shell that runs it in the background.
        for number in (signal.SIGHUP, signal.SIGINT):
            process = self.start(
                "watch", "running", "--interval", "0.2",
                preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
            self.assertIn("processing", process.stdout.readline())
            process.send_signal(number)
            count = self.server.count("running")
            wait_for(lambda: process.poll() is not None or
                     self.server.count("running") >= count + 3,
                     "it is asked for on and on")
            self.assertIsNone(process.poll(), number)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30 * PATIENCE)
            self.assertEqual((process.returncode, err),
                             (128 + signal.SIGTERM, ""))

    def test_control_c_on_a_terminal_ends_it(self):
        terminal = self.terminal("watch", "running")
        wait_for(lambda: "processing" in terminal.text, "a frame")
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 130)

    def test_a_reader_that_goes_away_ends_it(self):
        self.server.script(self.PAGES)
        process = self.start("watch", "crawl", "going", "pages", "--interval",
                             "0.2")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(30 * PATIENCE), 3)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()

    def test_a_key_that_never_was_good_ends_it(self):
        done = self.ask("watch", "running", FIRECRAWL_API_KEY="fc-wrong")
        self.assertEqual(done.status, 3)
        self.assertIn("--key-file or FIRECRAWL_API_KEY", done.err)


class Check(Tool):
    def check(self, *words, **environment):
        """(state, text, {label: match}, exit status)"""
        done = self.ask("check", *words, **environment)
        self.assertEqual(done.err, "", done)
        self.assertEqual(done.out.count("\n"), 1, done)
        match = re.match(r"FIRECRAWL (\w+) - ([^|]*) \| ([^|]*)\n$", done.out)
        self.assertIsNotNone(match, done)
        perfdata = {}
        for word in match.group(3).split(" "):
            parsed = PERFDATA.match(word)
            self.assertIsNotNone(parsed, word)
            perfdata[parsed.group("label")] = parsed
        states = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
        self.assertEqual(states[done.status], match.group(1))
        return match.group(1), match.group(2), perfdata

    def test_each_status_has_its_state(self):
        for words, state in ((("done",), "OK"), (("running",), "OK"),
                             (("agent", "stopped"), "WARNING"),
                             (("stuck",), "WARNING"), (("odd",), "UNKNOWN"),
                             (("broken",), "CRITICAL"),
                             (("nowhere",), "CRITICAL"),
                             (("done", "running"), "OK"),
                             (("done", "stuck", "odd"), "UNKNOWN"),
                             (("done", "odd", "broken"), "CRITICAL")):
            self.assertEqual(self.check(*words)[0], state, words)

    def test_the_text_names_the_job_and_the_reason(self):
        _, text, perfdata = self.check("done", "broken")
        self.assertRegex(text, r"^1 failed, 1 completed; extract broken "
                               r"failed: no ?\[2J ?31m/luck$")
        self.assertEqual(perfdata["failed"].group("value"), "1")
        self.assertEqual(perfdata["time"].group("unit"), "s")

    def test_expiry_has_thresholds(self):
        for words, state in ((("-w", "1000"), "OK"), (("-w", "4000"), "WARNING"),
                             (("-w", "4000:", "-c", "4000:"), "CRITICAL")):
            found, _, perfdata = self.check("done", *words)
            self.assertEqual(found, state)
            expiry = perfdata["expiry"]
            self.assertEqual(expiry.group("unit"), "s")
            self.assertEqual(expiry.group("warn"), words[1].rstrip(":") + ":")
            self.assertTrue(3590 <= int(expiry.group("value")) <= 3600)

    def test_no_answer_is_unknown(self):
        self.assertEqual(self.check("done", FIRECRAWL_API_KEY="fc-x")[0],
                         "UNKNOWN")
        self.assertEqual(
            self.check("done", "--url", "http://127.0.0.1:%d" %
                       harness.free_port())[0], "UNKNOWN")
        self.server.script("answer 502 body=\"<html>bad gateway</html>\"\n")
        self.assertEqual(self.check("done")[0], "UNKNOWN")

    def timed(self, *words):
        started = time.monotonic()
        state, text, _ = self.check(*words)
        return state, text, time.monotonic() - started

    def test_the_timeout_bounds_the_whole_run(self):
        ids = ["x%d" % i for i in range(100)]
        for answer in ("never", "delay=1500"):
            self.server.script("job any *\n  state processing %s\n" % answer)
            state, text, seconds = self.timed("-t", "2", *ids)
            self.assertEqual(state, "UNKNOWN")
            self.assertRegex(text, "without an answer; extract x.* has no "
                             "answer: .*timed out: try a longer --timeout")
            self.assertGreater(seconds, 1.9)
            self.assertLess(seconds, 2 + 1 * PATIENCE, answer)

    def test_many_jobs_are_asked_for_within_the_timeout(self):
        self.server.script("job any *\n  state completed\n")
        state, text, seconds = self.timed("-t", str(4 * PATIENCE), *(
            "x%d" % i for i in range(300)))
        self.assertEqual((state, text), ("OK", "300 completed"))
        self.assertLess(seconds, 4 * PATIENCE)

    def test_bad_usage_is_unknown_on_stdout(self):
        for words in ((), ("a/b",), ("done", "-w", "soon"), ("--json", "x"),
                      ("done", "--url", "gopher://h")):
            done = self.ask("check", *words)
            self.assertEqual((done.status, done.err), (3, ""))
            self.assertRegex(done.out, r"^FIRECRAWL UNKNOWN - .+\n$")


class Registered(Tool):
    PLUGIN = """
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    AcceptRegistrations true
    Extract "broken" "stock-levels"
  </Instance>
"""

    def daemon(self):
        daemon = self.collectd(self.PLUGIN % (self.server.url,
                                              self.key_file()))
        daemon.wait_metric("jobs", "processing", 0)
        return daemon

    def tell(self, daemon, *words):
        return run_tool(*words, "--socket", daemon.scratch + "/unixsock")

    def listed(self, daemon):
        done = run_tool("list", "--json", "--state",
                        daemon.scratch + "/firecrawl.db")
        self.assertEqual((done.status, done.err), (0, ""), done)
        return {job["id"]: job for job in json.loads(done.out)}

    def test_a_job_is_added_listed_and_forgotten(self):
        daemon = self.daemon()
        done = self.tell(daemon, "add", "crawl", "pages", "nightly")
        self.assertEqual((done.status, done.err), (0, ""), done)
        self.assertEqual(done.out, 'crawl pages: handed to collectd for '
                         'instance "prod", to be watched as nightly if that '
                         'accepts registrations\n')
        daemon.wait_metric("job_status", "nightly", 1)
        done = self.tell(daemon, "add", "--instance=prod", "done")
        self.assertEqual(done.status, 0)
        jobs = wait_for(lambda: self.listed(daemon).keys() ==
                        {"broken", "pages", "done"} and
                        self.listed(daemon)["done"]["status"] and
                        self.listed(daemon), "all three are listed")
        self.assertEqual(jobs["pages"]["name"], "nightly")
        self.assertEqual(jobs["pages"]["kind"], "crawl")
        self.assertEqual(jobs["pages"]["sources"], ["registration"])
        self.assertEqual(jobs["broken"]["sources"], ["config"])
        self.assertEqual(jobs["broken"]["status"], "failed")
        self.assertIn("luck", jobs["broken"]["error"])
        self.assertEqual(jobs["done"]["instance"], "prod")
        self.assertEqual(jobs["done"]["tokens"], 1234)
        self.assertIsNotNone(jobs["done"]["ended"])
        self.assertEqual(self.tell(daemon, "forget", "crawl", "pages").status,
                         0)
        wait_for(lambda: "pages" not in self.listed(daemon), "it is forgotten")
        table = run_tool("list", "--state", daemon.scratch + "/firecrawl.db")
        self.assertRegex(table.out.splitlines()[0],
                         r"^INSTANCE +NAME +KIND +ID +STATUS ")
        self.assertRegex(table.out,
                         r"\nprod +stock-levels +extract +broken +failed ")
        # The list disturbs nothing: the daemon ends well and leaves no log.
        self.assertEqual(daemon.stop()[0], 0)
        self.assertNotIn("state file", daemon.log_text())
        before = sorted(os.listdir(daemon.scratch))
        self.assertEqual(self.listed(daemon).keys(), {"broken", "done"})
        self.assertEqual(sorted(os.listdir(daemon.scratch)), before)

    def state_file(self, *instances):
        """One that a daemon has left, with 100 more jobs of each instance."""
        daemon = self.daemon()
        daemon.wait_metric("job_status", "stock-levels", 3)
        self.assertEqual(daemon.stop()[0], 0)
        path = daemon.scratch + "/firecrawl.db"
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TEMP TABLE one AS SELECT * FROM job")
            for number in range(100 * len(instances)):
                instance = instances[number // 100]
                db.execute("UPDATE one SET number = ?, instance = ?, id = ?, "
                           "error = ?", (1000 + number, instance,
                                         "x%d" % number, instance * 20))
                db.execute("INSERT INTO job SELECT * FROM one")
        return path

    def start_list(self, path, *words):
        """Into a pipe that holds little: (process, its end to read)"""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen([TOOL, "list", *words, "--state", path],
                                   stdout=write, env=tool_environment())
        self.addCleanup(lambda: process.poll() is None and process.kill())
        os.close(write)
        return process, read

    def test_a_reader_that_takes_its_time_does_not_hold_the_state_file(self):
        path = self.state_file("long")
        for words in (("--json",), ()):
            with contextlib.closing(sqlite3.connect(path, timeout=0)) as db:
                with db:
                    db.execute("UPDATE job SET first_seen = first_seen - 1")
                self.assertGreater(os.path.getsize(path + "-wal"), 0)
                process, read = self.start_list(path, *words)
                wait_for(lambda: select.select([read], [], [], 0)[0],
                         "the output begins")
                # Refused while anybody reads what is in the log.
                busy, _, _ = db.execute(
                    "PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self.assertFalse(busy, words)
            with open(os.dup(read)) as file:
                out = file.read()
            self.assertEqual(process.wait(30 * PATIENCE), 0)
            self.assertGreater(len(out), 2 * 4096)  # it had to wait
            self.assertEqual(out.count("x99"), 1)

    def test_a_list_that_fails_half_way_prints_nothing(self):
        path = self.state_file("early", "later")
        with open(path, "r+b") as file:
            pages = iter(lambda: file.read(4096), b"")
            bad = [number for number, page in enumerate(pages)
                   if b"laterlater" in page and b"earlyearly" not in page]
            for number in bad:
                file.seek(number * 4096)
                file.write(b"\xff" * 64)
        for words in (("--json",), ()):
            done = run_tool("list", *words, "--state", path)
            self.assertEqual((done.status, done.out), (3, ""), words)
            self.assertIn("malformed", done.err)

    def test_an_instance_that_collectd_does_not_show_is_warned_of(self):
        daemon = self.daemon()
        done = self.tell(daemon, "add", "done", "--instance", "other")
        self.assertEqual(done.status, 0)
        self.assertIn('no values of an instance "other"', done.err)

    def test_a_socket_that_is_not_there_is_told(self):
        path = self.scratch + "/socket"
        done = run_tool("add", "x", "--socket", path)
        self.assertEqual(done.status, 3)
        self.assertIn("is collectd running, with the unixsock plugin?",
                      done.err)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        done = run_tool("forget", "x", "--socket", path)
        self.assertEqual(done.status, 3)
        self.assertIn("start collectd", done.err)
        done = run_tool("add", "x", "--socket", "/" + "x" * 200)
        self.assertEqual(done.status, 3)
        self.assertIn("too long", done.err)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_a_lack_of_permission_is_told(self):
        path = self.directory("daemon") + "/socket"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            os.chmod(path, 0o700)
            done = self.as_nobody("add", "x", "--socket", path)
        self.assertEqual(done.status, 3, done)
        self.assertIn("SocketPerms", done.err)
        state = self.scratch + "/state.db"
        sqlite3.connect(state).close()
        with open(state, "w") as file:
            file.write("x" * 4096)
        os.chmod(state, 0o600)
        done = self.as_nobody("list", "--state", state)
        self.assertEqual(done.status, 3, done)
        self.assertIn("as collectd's user or as root", done.err)

    def as_nobody(self, *words):
        """The build may lie where that user cannot go."""
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             "/proc/self/fd/%d" % self.tool_fd(), *words],
            capture_output=True, text=True, pass_fds=[self.tool_fd()],
            timeout=60 * PATIENCE, env=tool_environment())
        return Done(done.returncode, done.stdout, done.stderr)

    def tool_fd(self):
        if not hasattr(self, "opened"):
            self.opened = os.open(TOOL, os.O_RDONLY)
            self.addCleanup(os.close, self.opened)
        return self.opened

    def peer_of(self, handle):
        """A socket with a peer: handle(client, its file of lines, ended)."""
        path = self.scratch + "/peer-%d" % time.monotonic_ns()
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        ended = threading.Event()
        self.addCleanup(server.close)
        self.addCleanup(ended.set)

        def serve():
            with server.accept()[0] as client, client.makefile() as lines:
                handle(client, lines, ended)
        threading.Thread(target=serve, daemon=True).start()
        return path

    def peer(self, answer):
        """One that reads a line and answers that; None: never."""
        def handle(client, lines, ended):
            lines.readline()
            if answer is None:
                ended.wait(60 * PATIENCE)
            else:
                client.sendall(answer)
        return self.peer_of(handle)

    def test_the_list_of_values_is_read_whole(self):
        """What is hung up on is an error in collectd's log."""
        written = []

        def handle(client, lines, _):
            self.assertIn("PUTNOTIF", lines.readline())
            client.sendall(b"0 Success\n")
            self.assertIn("LISTVAL", lines.readline())
            ours = b"1.0 h/firecrawl-prod/api_up\n"
            rest = b"1.0 h/" + b"x" * 100 + b"/y\n"
            client.sendall(b"20001 Values found\n" + ours)
            with contextlib.suppress(OSError):
                client.sendall(rest * 20000)
                written.append(lines.readline())
        done = run_tool("add", "x", "--socket", self.peer_of(handle))
        self.assertEqual((done.status, done.err), (0, ""), done)
        wait_for(lambda: written == [""], "all was read")

    def test_the_timeout_bounds_all_that_collectd_says(self):
        def trickles(client, lines, ended):
            lines.readline()
            with contextlib.suppress(OSError):
                client.sendall(b"0 Success\n")
                lines.readline()
                client.sendall(b"1000 Values found\n")
                while not ended.wait(0.2):
                    client.sendall(b"1.0 h/x/y\n" if self.whole else b"x")
        for self.whole in (True, False):
            started = time.monotonic()
            done = run_tool("add", "x", "--timeout", "1", "--socket",
                            self.peer_of(trickles))
            self.assertEqual(done.status, 0, done)
            self.assertLess(time.monotonic() - started, 1 + 1.5 * PATIENCE)

    def test_a_socket_that_nobody_accepts_on_is_given_its_time(self):
        path = self.scratch + "/full"
        with socket.socket(socket.AF_UNIX) as server, \
                contextlib.ExitStack() as clients:
            server.bind(path)
            server.listen(0)
            for _ in range(2):
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    client.connect(path)
            started = time.monotonic()
            done = run_tool("add", "x", "--timeout", "1", "--socket", path)
            self.assertEqual(done.status, 3, done)
            self.assertIn("timed out", done.err)
            self.assertLess(time.monotonic() - started, 1 + 1.5 * PATIENCE)

    def test_strange_answers_are_told(self):
        for answer, words in (
                (b"-1 Cannot parse\x1b[2J command.\n",
                 "collectd refuses: Cannot parse [2J command."),
                (b"HTTP/1.1 400\r\n\r\n", "not collectd's unixsock plugin"),
                (b"", "hung up"), (None, "timed out")):
            done = run_tool("add", "x", "--timeout", "0.5", "--socket",
                            self.peer(answer))
            self.assertEqual(done.status, 3, done)
            self.assertIn(words, done.err)
            self.assertEqual(done.out, "")

    def test_a_bad_instance_is_refused(self):
        done = run_tool("add", "x", "--instance", 'a"b')
        self.assertEqual(done.status, 2)
        self.assertIn("--instance", done.err)

    def test_a_state_file_that_cannot_be_listed_is_told(self):
        path = self.scratch + "/state.db"
        done = run_tool("list", "--state", path)
        self.assertEqual((done.status, done.out), (3, ""))
        self.assertIn("name the plugin's StateFile by --state", done.err)
        self.assertFalse(os.path.exists(path))
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE t (x)")
        done = run_tool("list", "--json", "--state", path)
        self.assertEqual((done.status, done.out), (3, ""))
        self.assertIn("another application", done.err)


class Shipped(unittest.TestCase):
    COMMANDS = ("status", "watch", "check", "add", "forget", "list")

    @staticmethod
    def options(text):
        return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))

    def help(self, *words):
        done = run_tool(*words, "--help")
        self.assertEqual((done.status, done.err), (0, ""))
        return done.out

    def manual(self):
        with open(SOURCE + "/src/ctl/firecrawlctl.pod") as file:
            return file.read()

    def test_help_and_manual_have_the_same_options(self):
        manual = self.manual()
        options = manual[manual.index("=head1 OPTIONS"):
                         manual.index("=head1 JSON")]
        items = {name for line in options.splitlines()
                 if line.startswith("=item") for name in self.options(line)}
        self.assertEqual(items, self.options(self.help()))
        letters = set(re.findall(r"^=item B<-(\w)>", options, re.M))
        self.assertEqual(letters,
                         set(re.findall(r"^  -(\w),", self.help(), re.M)))
        of_commands = set()
        for command in self.COMMANDS:
            of_commands |= self.options(self.help(command))
            self.assertIn("=item B<%s>" % command, manual)
        self.assertEqual(of_commands, items)

    def test_help_and_manual_have_the_same_defaults(self):
        help_text = self.help()
        for default in ("/var/run/collectd-unixsock",
                        "/var/lib/collectd/firecrawl.db",
                        "https://api.firecrawl.dev"):
            self.assertIn(default, help_text)
            self.assertIn(default, self.manual())

    def test_the_example_for_registrations_fits_the_defaults(self):
        with open(SOURCE + "/contrib/examples/registration.conf") as file:
            example = file.read()
        help_text = self.help("add")
        for pattern, default in (
                (r'SocketFile "(.*)"', r"--socket .*default (\S+)"),
                (r'<Instance "(.*)">', r"--instance .*default (\S+)")):
            value = re.search(default, help_text).group(1)
            self.assertEqual(re.findall(pattern, example), [value])
        self.assertIn(" plugin_instance=prod ", example)
        self.assertIn("UNIX-CONNECT:/var/run/collectd-unixsock", example)
        group, = re.findall(r'SocketGroup "(.*)"', example)
        for path in ("contrib/debian/postinst",
                     "contrib/rpm/collectd-firecrawl.spec"):
            with open(os.path.join(SOURCE, path)) as file:
                self.assertRegex(file.read(),
                                 r"group(add)? .*%s\b" % group, path)
        with open(SOURCE + "/README.md") as file:
            self.assertIn("examples/registration.conf", file.read())

    def test_the_manual_is_good_pod(self):
        done = subprocess.run(
            ["podchecker", "-warnings", "-warnings",
             SOURCE + "/src/ctl/firecrawlctl.pod"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("WARNING", done.stdout + done.stderr)

    def test_the_version_names_the_libraries(self):
        done = run_tool("--version")
        self.assertRegex(done.out, r"^firecrawlctl \(collectd-firecrawl\) "
                         r"\d+\.\d+\.\d+, libcurl [\d.]+.*, json-c [\d.]+, "
                         r"SQLite [\d.]+\n$")

    def test_bad_usage_is_told_with_the_way_to_help(self):
        for words, text in (((), "a command is missing"), (("frob",), '"frob"'),
                            (("status",), "ID of a job is missing"),
                            (("list", "x"), "one word too many"),
                            (("list", "--url", "http://h"), "--url")):
            done = run_tool(*words)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(text, done.err)
            self.assertIn('--help" tells more', done.err)

    def complete(self, *words):
        """What bash's completion offers for the last of the words."""
        script = SOURCE + "/contrib/completion/firecrawlctl.bash"
        done = subprocess.run(
            ["bash", "--norc", "-c", """
             . "$0" || exit
             COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
             _firecrawlctl
             printf '%s\\n' "${COMPREPLY[@]}"
             """, script, TOOL, *words], capture_output=True, text=True,
            env=tool_environment(), timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_bash_completes_commands_options_and_kinds(self):
        self.assertEqual(self.complete(""), set(self.COMMANDS))
        self.assertEqual(self.complete("st"), {"status"})
        self.assertEqual(self.complete("--"), self.options(self.help()))
        for command in self.COMMANDS:
            self.assertEqual(self.complete(command, "-"),
                             self.options(self.help(command)))
        self.assertEqual(self.complete("watch", ""),
                         {"extract", "agent", "crawl", "batch_scrape"})
        self.assertEqual(self.complete("add", "crawl", ""), set())
        self.assertEqual(self.complete("list", ""), set())
        self.assertEqual(self.complete("check", "--api-version", ""),
                         {"v1", "v2"})
        self.assertEqual(self.complete("status", "--key-file",
                                       SOURCE + "/COPYI"),
                         {SOURCE + "/COPYING"})


class Installed(SystemTest):
    def test_make_install_puts_everything_in_its_place(self):
        root = self.directory("root")
        done = subprocess.run(
            ["make", "-C", BUILD, "install", "DESTDIR=" + root],
            capture_output=True, text=True, timeout=300 * PATIENCE,
            env={name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MAKELEVEL")})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = {os.path.relpath(os.path.join(directory, name), root)
                 for directory, _, names in os.walk(root) for name in names}
        ends = ("bin/firecrawlctl", "collectd/firecrawl.so",
                "share/bash-completion/completions/firecrawlctl",
                "share/collectd-firecrawl/types.db",
                "share/man/man1/firecrawlctl.1",
                "share/man/man5/collectd-firecrawl.5")
        for end in ends:
            self.assertEqual(len([path for path in found
                                  if path.endswith("/" + end)]), 1,
                             (end, found))
        self.assertFalse([path for path in found if path.endswith(".la")])
        tool, = [path for path in found if path.endswith("bin/firecrawlctl")]
        done = subprocess.run([os.path.join(root, tool), "--version"],
                              capture_output=True, env=tool_environment())
        self.assertEqual(done.returncode, 0)
