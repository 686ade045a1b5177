# SPDX-License-Identifier: MIT
"""What contrib/ ships for Prometheus, Alertmanager and Graphite, as judged by
their own tools."""

import json
import os
import re
import unittest

import graphs
from harness import SystemTest, wait_for


@graphs.only_plain
class Prometheus(unittest.TestCase):
    directory = graphs.CONTRIB + "/prometheus"

    def promtool(self, *arguments):
        return graphs.run(graphs.tool("PROMTOOL"), *arguments,
                          cwd=self.directory)

    def test_scrape_configuration(self):
        self.promtool("check", "config", "prometheus.yml")
        self.assertIn("honor_labels: true",
                      graphs.shipped("prometheus/prometheus.yml"))

    def test_rules_are_without_finding(self):
        self.promtool("check", "rules", "--lint=all", "--lint-fatal",
                      "firecrawl.rules.yml")

    def test_rules_pass_their_unit_tests(self):
        self.promtool("test", "rules", "firecrawl.rules.test.yml")

    def test_each_alert_says_what_to_do_and_is_tested_both_ways(self):
        text = graphs.shipped("prometheus/firecrawl.rules.yml")
        tests = graphs.shipped("prometheus/firecrawl.rules.test.yml")
        alerts = re.split(r"^ +- alert: ", text, flags=re.M)[1:]
        self.assertGreater(len(alerts), 10)
        for alert in alerts:
            name = alert.split()[0]
            for member in ("severity", "summary", "description", "runbook"):
                self.assertRegex(alert, r"\n +%s: ." % member, name)
            self.assertRegex(
                tests, r"alertname: %s, exp_alerts: \[\]" % name)
            self.assertRegex(
                tests, r"alertname: %s\n +exp_alerts:\n +- " % name)


@graphs.only_plain
class Alertmanager(unittest.TestCase):
    path = graphs.CONTRIB + "/alertmanager/alertmanager.yml"

    def test_configuration(self):
        graphs.run(graphs.tool("AMTOOL"), "check-config", self.path)

    def test_routes(self):
        for labels, receiver in (
                ("alertname=FirecrawlJobFailed severity=critical", "team"),
                ("alertname=FirecrawlResultExpiresSoon severity=info", "news"),
                ("alertname=collectd_firecrawl_job_status severity=FAILURE",
                 "team"),
                ("alertname=collectd_firecrawl_job_status severity=OKAY",
                 "news"),
                ("alertname=collectd_firecrawl_api_up severity=OKAY", "news"),
                ("alertname=Other severity=critical", "team")):
            graphs.run(graphs.tool("AMTOOL"), "config", "routes", "test",
                       "--config.file=" + self.path,
                       "--verify.receivers=" + receiver, *labels.split())

    def test_inhibitions_name_rules_that_exist(self):
        rules = graphs.shipped("prometheus/firecrawl.rules.yml")
        names = set(re.findall(r"- alert: (\w+)", rules))
        found = re.findall(r"(?:source|target)_matchers: "
                           r"\[alertname=~?\"(.*)\"\]",
                           graphs.shipped("alertmanager/alertmanager.yml"))
        self.assertEqual(len(found), 6)
        for pattern in found:
            for part in re.split(r"\|(?![^(]*\))", pattern):
                self.assertTrue([name for name in names
                                 if re.fullmatch(part, name)], part)


SERIES = {
    # series: (aggregation, finest retention, how many there are)
    "job_status-nightly": ("max", 10, 2),
    "job_expiry-nightly": ("last", 10, 2),
    "job_tokens-nightly": ("last", 10, 2),
    "job_stalled-nightly": ("max", 10, 2),
    "job_ends-failed": ("average", 10, 3),
    "duration-nightly": ("last", 10, 2),
    "percent-nightly": ("last", 10, 2),
    "jobs-failed": ("max", 10, 3),
    "api_up": ("min", 10, 3),
    "poll_age": ("max", 10, 3),
    "api_sunset-extract": ("last", 10, 3),
    "errors-http": ("average", 10, 3),
    "response_time-max": ("max", 10, 3),
    "response_time-average": ("average", 10, 3),
}

INFO = """
import json, sys, whisper
print(json.dumps(whisper.info(sys.argv[1])))
"""


@graphs.only_plain
class Graphite(SystemTest):
    def test_each_series_is_stored_as_it_is_meant(self):
        carbon = graphs.Carbon(
            self.directory("carbon"),
            graphs.shipped("graphite/storage-schemas.conf"),
            graphs.shipped("graphite/storage-aggregation.conf"))
        self.daemons.append(carbon)
        folder = carbon.whisper + "/collectd/host/firecrawl-prod/"
        series = {"firecrawl-prod." + name: wanted
                  for name, wanted in SERIES.items()}
        # With SeparateInstances.
        series.update({"firecrawl.prod." + name.replace("-", ".", 1): wanted
                       for name, wanted in SERIES.items()})
        carbon.send("collectd.host." + name for name in series)
        for name, wanted in series.items():
            path = "%s/collectd/host/%s.wsp" % (carbon.whisper,
                                                name.replace(".", "/"))
            wait_for(lambda: os.path.exists(path) and os.path.getsize(path),
                     path)
            info = json.loads(graphs.run(
                graphs.DEBIAN_PYTHON, "-c", INFO, path,
                env={**os.environ, **graphs.graphite_environment()}))
            archives = info["archives"]
            self.assertEqual((info["aggregationMethod"],
                              archives[0]["secondsPerPoint"], len(archives)),
                             wanted, name)
        size = os.path.getsize(folder + "job_status-nightly.wsp")
        self.assertIn("%d KiB a file" % round(size / 1024),
                      graphs.shipped("graphite/storage-schemas.conf"))
