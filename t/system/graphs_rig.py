# SPDX-License-Identifier: MIT
"""A real collectd whose jobs complete, fail, are cancelled, lost, stalled and
unknown, with a real Prometheus and a real carbon and graphite-web behind it:
every series that the dashboards and rules of contrib/ know has values."""

import email.utils
import os
import time

import graphs
import harness

JOB = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b%02d"
DAY = 86400

# name, kind, states. Prometheus begins to scrape after five seconds, and sees no
# increase in what a counter was then.
JOBS = (
    ("nightly-prices", "Extract", """
  state processing for 6s expires=+21600
  state completed expires=+21600 tokens=1234"""),
    ("stock-levels", "Extract", """
  state processing for 8s expires=+21600
  state failed error="All scraping engines failed" expires=+21600"""),
    ("competitors", "Extract", """
  state processing for 10s expires=+21600
  state cancelled expires=+21600"""),
    ("long-one", "Extract", """
  state processing expires=+21600 header="%(sunset)s" """),
    ("forgotten", "Extract", """
  state processing expires=%(past)s"""),
    ("odd", "Extract", """
  state paused expires=+21600"""),
    ("research", "Agent", """
  state processing for 4s expires=+3600
  state completed expires=@1200 credits=25"""),
    ("docs", "Crawl", """
  state scraping for 5s expires=+86400 completed=10 total=80
  state scraping for 5s expires=+86400 completed=30 total=80
  state scraping for 900s expires=+86400 completed=65 total=80
  state completed expires=+86400 completed=80 total=80 credits=80"""),
    ("shop", "BatchScrape", """
  state scraping expires=+86400 completed=40 total=80"""),
    ("busy", "Extract", """
  state processing for 9s expires=+21600
  state processing code=429 header="Retry-After: 2" for 3s
  state processing expires=+21600"""),
    ("bumpy", "Extract", """
  state processing for 9s expires=+21600
  state processing code=500 for 3s
  state processing expires=+21600"""),
    ("gone", "Agent", """
  state processing code=410"""),
)

WRITERS = """
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "carbon">
    Host "127.0.0.1"
    Port "%d"
    Protocol "tcp"
    Prefix "collectd."
    EscapeCharacter "_"
  </Node>
</Plugin>
"""

SCRAPE = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [%(rules)s]
scrape_configs:
  - job_name: collectd
    honor_labels: true
    static_configs:
      - targets: ["127.0.0.1:%(port)d"]
%(more)s
"""


def script(jobs=JOBS):
    now = time.time()
    values = {
        "sunset": "Sunset: " + email.utils.formatdate(now + 16 * DAY,
                                                      usegmt=True),
        "past": time.strftime("%Y-%m-%dT%H:%M:%S.000Z",
                              time.gmtime(now - 60))}
    words = {"Extract": "extract", "Agent": "agent", "Crawl": "crawl",
             "BatchScrape": "batch_scrape"}
    return "".join("job %s %s%s\n" % (words[kind], JOB % number,
                                      states % values)
                   for number, (_, kind, states) in enumerate(jobs, 10))


def instance(fake, key_file, name="prod", jobs=JOBS, more=""):
    lines = "".join('    %s "%s" "%s"\n' % (kind, JOB % number, name)
                    for number, (name, kind, _) in enumerate(jobs, 10))
    return f"""
  <Instance "{name}">
    URL "{fake.url}"
    APIKeyFile "{key_file}"
{lines}{more}  </Instance>
"""


def write_key(scratch, name, key):
    path = os.path.join(scratch, name)
    with open(path, "w") as file:
        file.write(key + "\n")
    os.chmod(path, 0o600)
    return path


class Rig:
    """All of it; stop() ends it. The instance "staging" has a wrong key."""

    def __init__(self, scratch, jobs=JOBS):
        self.daemons = []
        os.chmod(scratch, 0o755)
        try:
            self._start(scratch, jobs)
        except BaseException:
            self.stop()
            raise

    def _keep(self, daemon):
        self.daemons.append(daemon)
        return daemon

    def _start(self, scratch, jobs):
        def place(name):
            path = os.path.join(scratch, name)
            os.makedirs(path, exist_ok=True)
            return path

        self.carbon = self._keep(graphs.Carbon(
            place("carbon"), "[all]\npattern = .*\nretentions = 1s:1h\n", ""))
        self.graphite = self._keep(graphs.GraphiteWeb(
            place("graphite"), self.carbon))
        self.fake = self._keep(harness.Fake(place("fake"), script(jobs)))
        self.collectd = harness.Collectd(
            place("collectd"),
            instance(self.fake, write_key(scratch, "key", harness.KEY),
                     jobs=jobs) +
            instance(self.fake, write_key(scratch, "bad", "fc-wrong"),
                     name="staging", jobs=jobs[:1]),
            more=WRITERS % self.carbon.port)
        self.prometheus = self._keep(graphs.Prometheus(
            place("prometheus"), SCRAPE % {
                "rules": os.path.abspath(
                    graphs.CONTRIB + "/prometheus/firecrawl.rules.yml"),
                "port": self.collectd.prometheus, "more": ""}))
        self._keep(self.collectd).start()

    def wait_until_ended(self):
        """Until each job is in the status that it will be left in."""
        for name, status in (("nightly-prices", 0), ("stock-levels", 3),
                             ("competitors", 2), ("odd", 5), ("gone", 4),
                             ("research", 0), ("docs", 1), ("busy", 1),
                             ("bumpy", 1), ("shop", 1)):
            self.collectd.wait_metric("job_status", name, status, 40)
        self.collectd.wait_metric("percent", "docs", 81.25, 40)
        for error in ("rate_limit", "http"):
            harness.wait_for(lambda: self.collectd.instance_metrics().get(
                ("prod", "errors_total", error)), error, 40)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.stop()
