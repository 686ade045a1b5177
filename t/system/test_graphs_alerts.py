# SPDX-License-Identifier: MIT
"""The way of a failed job to a person: Prometheus' rules to Alertmanager,
collectd's write_http to Alertmanager, the threshold plugin, mail and webhook.
And each example configuration in a real collectd."""

import http.server
import json
import os
import re
import threading
import time

import graphs
import graphs_rig
import harness
from harness import SystemTest, wait_for, wait_until_empty

ID = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11"

FAILS = f"""
job extract {ID}
  state processing for 2s expires=+21600
  state failed error="No \\"page\\" at C:\\\\x & é" expires=+21600
"""

COMPLETES_LATE = f"""
job extract {ID}
  state processing for 2s expires=+21600
  state completed expires=+21600
"""

# Each run is registered: one that is configured keeps the series of its name.
REGISTERING = {'    Extract "%s" "nightly-prices"' % ID:
               "    NotifyCompleted true\n    AcceptRegistrations true"}

BASE = """\
Hostname "%(host)s"
FQDNLookup false
BaseDir "%(scratch)s"
PIDFile "%(scratch)s/collectd.pid"
PluginDir "%(scratch)s/plugins"
%(typesdb)s
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "%(scratch)s/collectd.log"
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "%(scratch)s/unixsock"
  DeleteSocket true
</Plugin>
"""


class Hook:
    """An HTTP server that keeps [(path, object)] of what is posted to it."""

    def __init__(self):
        self.posts = posts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                posts.append((self.path, json.loads(self.rfile.read(length))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def of(self, path):
        return [body for at, body in self.posts if at == path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Examples(harness.Collectd):
    """A collectd whose configuration is made of contrib/examples, with the
    addresses and paths of a test put in place of theirs."""

    def __init__(self, scratch, names, replaced, host):
        self.names = names
        self.host = host
        self.replaced = replaced
        super().__init__(scratch, "")

    def _make_files(self, plugin, more, interval):
        super()._make_files(plugin, more, interval)
        text = "".join(graphs.shipped("examples/%s.conf" % name)
                       for name in self.names)
        for old, new in {**self.everywhere(), **self.replaced}.items():
            text = text.replace(old, new)
        typesdb = "" if "\nTypesDB " in text else harness.TYPESDB
        self._write("collectd.conf", BASE % {
            "scratch": self.scratch, "host": self.host,
            "typesdb": typesdb and 'TypesDB "%s"' % typesdb} + text)

    def everywhere(self):
        return {
            'Port "9103"': 'Port "%d"' % self.prometheus,
            "/usr/share/collectd/types.db": harness.TYPESDB,
            "/usr/local/share/collectd-firecrawl/types.db":
                os.path.abspath(graphs.CONTRIB + "/types.db"),
            "/usr/local/share/collectd-firecrawl/notify-":
                os.path.abspath(self.scratch) + "/notify-",
            "/var/run/collectd-unixsock": self.scratch + "/unixsock",
            '"nobody"': '"%s"' % harness.notifier_user(),
        }

    def environment(self):
        return {**super().environment(),
                "PATH": self.scratch + "/bin:" + os.environ["PATH"]}


@graphs.only_plain
class ExampleTest(SystemTest):
    def examples(self, *names, name="collectd", fake=None, replaced=None,
                 host="testhost"):
        scratch = self.directory(name)
        for script in ("notify-mail", "notify-webhook"):
            copy = os.path.join(scratch, script)
            with open(copy, "w") as file:
                file.write(graphs.shipped("examples/" + script))
            os.chmod(copy, 0o755)
        replaced = dict(replaced or {})
        if fake:
            replaced["/etc/collectd/firecrawl.key"] = self.key_file()
            replaced["    APIKeyFile"] = '    URL "%s"\n    APIKeyFile' % (
                fake.url)
        daemon = Examples(scratch, names, replaced, host)
        self.daemons.append(daemon)
        return daemon.start()

    def hook(self):
        server = Hook()
        self.daemons.append(server)
        return server

    def assert_understood(self, daemon):
        """collectd says so in its log when it does not know an option."""
        text = daemon.output_text()
        self.assertIn("Initialization complete", text)
        for line in text.splitlines():
            self.assertNotRegex(
                line.lower(), r"unknown|invalid|not supported|deprecated|"
                              r"not found|cannot|failed to|ignor", line)

    def test_prometheus_and_graphite(self):
        carbon = self.receiver()
        daemon = self.examples(
            "firecrawl", "prometheus", "graphite", fake=self.fake(FAILS),
            replaced={'Port "2003"': 'Port "%d"' % carbon.port})
        daemon.wait_metric("job_status", "nightly-prices", 3)
        wait_for(lambda: any(line.startswith(
            "collectd.testhost.firecrawl-prod.job_status-nightly-prices 3")
            for line in carbon.lines), "carbon gets it", 30)
        self.assert_understood(daemon)

    def test_graphite_with_separate_instances(self):
        """So named are the series that the storage patterns have to fit."""
        carbon = self.receiver()
        daemon = self.examples(
            "firecrawl", "graphite", fake=self.fake(FAILS),
            replaced={'Port "2003"': 'Port "%d"\n    SeparateInstances true' %
                                     carbon.port})
        wait_for(lambda: any(line.startswith(
            "collectd.testhost.firecrawl.prod.job_status.nightly-prices 3")
            for line in carbon.lines), "carbon gets it", 30)
        self.assert_understood(daemon)

    def test_network(self):
        port = "%d" % harness.free_port()
        auth = os.path.join(self.scratch, "auth")
        with open(auth, "w") as file:
            file.write("firecrawl: change me\n")
        there = {'"25826"': '"%s"' % port,
                 "collectd.example.com": "127.0.0.1",
                 "0.0.0.0": "127.0.0.1",
                 "/etc/collectd/network.auth": auth}
        server = self.examples("network-server", "prometheus", name="server",
                               replaced=there, host="central")
        client = self.examples("firecrawl", "network-client", name="client",
                               fake=self.fake(FAILS), replaced=there)
        server.wait_metric("job_status", "nightly-prices", 3, 30)
        server.wait_metric("job_expiry", "nightly-prices",
                           lambda left: left > 20000)
        text = harness.http_get("http://127.0.0.1:%d/metrics" %
                                server.prometheus)
        self.assertRegex(text, r'collectd_firecrawl_job_status\{[^}]*'
                               r'instance="testhost"')
        self.assert_understood(server)
        self.assert_understood(client)

    def test_registration(self):
        daemon = self.examples("registration", "prometheus",
                               fake=self.fake(FAILS))
        command = re.search(r"^# +echo '(.*?) time='.*?' (plugin=.*)' \|$",
                            graphs.shipped("examples/registration.conf"),
                            re.M)
        line = "%s time=%d %s" % (command.group(1), time.time(),
                                  command.group(2))
        reply = daemon.ask(line.replace("ID", ID).replace("NAME", "a-run"))
        self.assertIn("Success", reply[0])
        daemon.wait_metric("jobs", "failed", 1)
        wait_for(lambda: daemon.metric("job_status", "a-run") is None,
                 "the series of the ended job ends")
        self.assert_understood(daemon)

    def test_threshold_and_webhook(self):
        hook = self.hook()
        daemon = self.examples(
            "firecrawl", "prometheus", "threshold", "notify-webhook",
            fake=self.fake(FAILS),
            replaced={"https://hooks.example.com": hook.url, **REGISTERING})
        self.register(daemon)

        def posted(text):
            return [body for body in hook.of("/firecrawl")
                    if text in body["text"]]
        own = wait_for(lambda: posted("failed: "), "the plugin's own", 30)[0]
        self.assertEqual(own["text"],
                         "extract nightly-prices (%s) failed: "
                         'No "page" at C:\\x & é' % ID)
        for name, value in (
                ("severity", "FAILURE"), ("host", "testhost"),
                ("plugininstance", "prod"), ("typeinstance", "nightly-prices"),
                ("kind", "extract"), ("id", ID), ("status", "failed"),
                ("error", 'No "page" at C:\\x & é')):
            self.assertEqual(own[name], value)
        self.assertTrue(own["dedup_key"])
        bad = wait_for(lambda: posted("above the failure threshold"),
                       "the threshold plugin's", 30)[0]
        self.assertEqual((bad["severity"], bad["type"], bad["typeinstance"]),
                         ("FAILURE", "job_status", "nightly-prices"))
        # The next run under the same name is well.
        self.next_run(daemon)
        wait_for(lambda: len([
            body for body in posted("within range again")
            if body.get("typeinstance") == "nightly-prices"]) == 2,
            "the threshold's OKAY at first and after the failure", 30)
        # Nothing is left to ask for: a series ends, which is no alert.
        wait_for(lambda: daemon.metric("poll_age") is None, "no poll age", 30)
        self.assertNotIn("has not been updated", daemon.log_text())
        self.assertEqual(len(posted("failed: ")), 1)
        self.assertEqual(len(posted("above the failure threshold")), 1)
        self.assert_understood(daemon)

    def test_threshold_is_silent_when_values_end(self):
        """An idle instance's, for one."""
        daemon = self.examples("firecrawl", "prometheus", "threshold",
                               fake=self.fake(FAILS))
        daemon.wait_metric("job_status", "nightly-prices", 3)
        names = ["testhost/firecrawl-idle/" + name for name in (
            "job_status-x", "job_expiry-x", "api_up", "poll_age",
            "api_sunset-extract")]
        for name in names:
            self.assertIn("Success", daemon.ask(
                "PUTVAL %s interval=3 N:1" % name)[0])

        def known():
            return [line for line in daemon.ask("LISTVAL")
                    if line.split()[-1] in names]
        wait_for(lambda: len(known()) == len(names), "they are known")
        wait_until_empty(known, "values that have ended", 20)
        daemon.stop()
        self.assertNotIn("has not been updated", daemon.log_text())

    def next_run(self, daemon):
        """A job that completes is registered under the failed one's name."""
        fake = next(server for server in self.daemons
                    if isinstance(server, harness.Fake))
        second = ID[:-1] + "2"
        fake.script(COMPLETES_LATE.replace(ID, second))
        self.register(daemon, second)

    @staticmethod
    def register(daemon, job=ID):
        daemon.ask("PUTNOTIF severity=okay time=%d plugin=firecrawl "
                   "plugin_instance=prod type=extract type_instance=%s "
                   'message="nightly-prices"' % (time.time(), job))

    def test_mail(self):
        letters = self.directory("letters")
        os.chmod(letters, 0o777)
        binaries = self.directory("collectd/bin")
        with open(binaries + "/sendmail", "w") as file:
            file.write('#!/bin/sh\n{ echo "Args: $*"; cat; } >"%s/$$.part"\n'
                       'mv "%s/$$.part" "%s/$$.txt"\n' % ((letters,) * 3))
        os.chmod(binaries + "/sendmail", 0o755)
        daemon = self.examples("firecrawl", "notify-mail",
                               fake=self.fake(FAILS))

        def letter():
            for name in os.listdir(letters):
                with open(os.path.join(letters, name)) as file:
                    text = file.read()
                if name.endswith(".txt") and "failed: " in text:
                    return text
            return None
        head, _, body = wait_for(letter, "a mail", 30).partition("\n\n")
        self.assertIn("Args: -i -- ops@example.com\nTo: ops@example.com\n",
                      head)
        self.assertIn("\nSubject: [FAILURE] firecrawl prod: extract "
                      'nightly-prices (%s) failed: No "page" at C:\\x & ??' %
                      ID, head)
        self.assertTrue(head.isascii())
        self.assertTrue(body.startswith("extract nightly-prices (%s) failed: "
                                        'No "page" at C:\\x & é\n' % ID))
        self.assertIn("\ndedup_key: ", body)
        self.assert_understood(daemon)

    def test_alertmanager_direct(self):
        hook = self.hook()
        manager = self.alertmanager(hook)
        daemon = self.examples(
            "firecrawl", "prometheus", "alertmanager", fake=self.fake(FAILS),
            replaced={"127.0.0.1:9093": manager.address,
                      **REGISTERING})
        self.register(daemon)
        found = wait_for(lambda: manager.alerts(
            alertname="collectd_firecrawl_job_status", severity="FAILURE"),
            "the alert", 30)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["labels"], {
            "alertname": "collectd_firecrawl_job_status",
            "firecrawl": "prod", "type": "nightly-prices",
            "instance": "testhost", "severity": "FAILURE",
            "service": "collectd"})
        self.assertIn("nightly-prices (%s) failed: " % ID,
                      str(found[0]["annotations"]))
        wait_for(lambda: [body for body in hook.of("/team")
                          if body["status"] == "firing"], "the team is told")

        # The next run ends well. Its OKAY is an alert of its own: the FAILURE
        # stays until resolve_timeout.
        self.next_run(daemon)
        okay = wait_for(lambda: manager.alerts(
            alertname="collectd_firecrawl_job_status", severity="OKAY"),
            "the OKAY", 30)
        self.assertEqual(len(okay), 1)
        still = manager.alerts(alertname="collectd_firecrawl_job_status",
                               severity="FAILURE")
        self.assertEqual(still[0]["endsAt"], found[0]["endsAt"])
        wait_for(lambda: hook.of("/news"), "the OKAY is news")
        self.assertFalse([body for body in hook.of("/team")
                          if "OKAY" in str(body["alerts"])])
        self.assert_understood(daemon)

    def alertmanager(self, hook, **replaced):
        config = graphs.shipped("alertmanager/alertmanager.yml").replace(
            "http://127.0.0.1:8060", hook.url)
        for old, new in {"group_wait: 30s": "group_wait: 1s",
                         "group_interval: 5m": "group_interval: 1s",
                         **replaced}.items():
            config = config.replace(old, new)
        manager = graphs.Alertmanager(self.directory("alertmanager"), config)
        self.daemons.append(manager)
        return manager

    def test_alertmanager_by_prometheus(self):
        hook = self.hook()
        manager = self.alertmanager(hook)
        fake = self.fake(FAILS)
        daemon = self.collectd(
            graphs_rig.instance(fake, self.key_file(), jobs=()).replace(
                "</Instance>", "  AcceptRegistrations true\n  </Instance>") +
            graphs_rig.instance(fake, graphs_rig.write_key(
                self.scratch, "bad", "fc-wrong"), name="staging",
                jobs=graphs_rig.JOBS[:1]))
        self.register(daemon)
        rules = self.hurried_rules()
        prometheus = graphs.Prometheus(
            self.directory("prometheus"), graphs_rig.SCRAPE % {
                "rules": rules, "port": daemon.prometheus,
                "more": "alerting:\n  alertmanagers:\n    - static_configs:\n"
                        '        - targets: ["%s"]\n' % manager.address})
        self.daemons.append(prometheus)
        found = wait_for(lambda: manager.alerts(
            alertname="FirecrawlJobFailed"), "the failed job", 40)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["labels"]["type"], "nightly-prices")
        wait_for(lambda: manager.alerts(alertname="FirecrawlKeyRejected"),
                 "the rejected key", 40)
        # The rejected key is the more specific one.
        unusable = wait_for(lambda: [
            alert for alert in manager.alerts(alertname="FirecrawlAPIUnusable")
            if alert["status"]["inhibitedBy"]], "it inhibits", 40)
        self.assertEqual(unusable[0]["labels"]["firecrawl"], "staging")
        # A new run under the same name resolves it, which the team is told.
        self.next_run(daemon)
        wait_for(lambda: [
            alert for body in hook.of("/team") for alert in body["alerts"]
            if alert["status"] == "resolved" and
            alert["labels"]["alertname"] == "FirecrawlJobFailed"],
            "the team is told that it is over", 40)

    def hurried_rules(self):
        """The shipped rules; five minutes are a second."""
        path = self.directory("rules") + "/firecrawl.rules.yml"
        with open(path, "w") as file:
            file.write(re.sub(r"^( +for:) .*", r"\1 1s", graphs.shipped(
                "prometheus/firecrawl.rules.yml"), flags=re.M))
        return path

    def test_every_example_is_tried(self):
        with open(__file__) as file:
            text = file.read()
        for name in os.listdir(graphs.CONTRIB + "/examples"):
            self.assertIn('"%s"' % os.path.splitext(name)[0], text)
