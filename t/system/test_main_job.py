# SPDX-License-Identifier: MIT
"""The main job: a real collectd polls a real HTTP server, graphs and alerts."""

import os
import re
import subprocess
import time

import harness
from harness import PATIENCE, SystemTest, wait_for

DONE = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11"
BROKEN = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b12"
STOPPED = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b13"
RUNNING = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b14"
PAGES = "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b15"

ERROR_TEXT = "An unexpected error occurred. Please contact help@firecrawl.com"

SCRIPT = f"""
job extract {DONE}
  state processing for 2s expires=+3600
  state completed expires=+3600 tokens=1234
job extract {BROKEN}
  state processing for 2s expires=+3600
  state failed error="{ERROR_TEXT}" expires=+3600
job agent {STOPPED}
  state processing for 2s expires=+3600
  state cancelled expires=+3600 credits=7
job extract {RUNNING}
  state processing expires=+600
job crawl {PAGES}
  state scraping expires=+3600 completed=30 total=120
"""

JOBS = f"""
    Extract "{DONE}" "nightly-prices"
    Extract "{BROKEN}" "stock-levels"
    Agent "{STOPPED}" "research"
    Extract "{RUNNING}" "long-one"
    Crawl "{PAGES}"
"""

GRAPHITE = """
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "test">
    Host "127.0.0.1"
    Port "%d"
    Protocol "tcp"
    LogSendErrors true
    EscapeCharacter "_"
  </Node>
</Plugin>
"""


class MainJob(SystemTest):
    def instance(self, fake, jobs=JOBS, more="", name="prod"):
        return f"""
  <Instance "{name}">
    URL "{fake.url}"
    APIKeyFile "{self.key_file()}"
{jobs}{more}
  </Instance>
"""

    def test_jobs_of_every_end_reach_prometheus(self):
        daemon = self.collectd(self.instance(self.fake(SCRIPT)))
        for name, status in (("nightly-prices", 0), ("stock-levels", 3),
                             ("research", 2), ("long-one", 1), (PAGES, 1)):
            daemon.wait_metric("job_status", name, status)
        daemon.wait_metric("job_expiry", "nightly-prices",
                           lambda left: 3500 < left <= 3600)
        daemon.wait_metric("job_expiry", "long-one",
                           lambda left: 500 < left <= 600)
        daemon.wait_metric("duration_seconds", "stock-levels",
                           lambda seconds: 1 <= seconds <= 10 * PATIENCE)
        daemon.wait_metric("job_tokens", "nightly-prices", 1234)
        daemon.wait_metric("job_credits", "research", 7)
        daemon.wait_metric("percent", PAGES, 25)
        for status, count in (("completed", 1), ("processing", 2),
                              ("cancelled", 1), ("failed", 1), ("lost", 0),
                              ("unknown", 0), ("stalled", 0)):
            daemon.wait_metric("jobs", status, count)
        daemon.wait_metric("api_up", "", 1)
        daemon.wait_metric("total_requests_total", "", lambda n: n >= 5)
        daemon.wait_metric("http_response_codes_total", "200",
                           lambda n: n >= 5)
        daemon.wait_metric("errors_total", "timeout", 0)
        daemon.wait_metric("response_time", "average",
                           lambda seconds: 0 < seconds < 5 * PATIENCE)
        daemon.wait_metric("response_time", "max", lambda seconds: seconds > 0)

    def test_values_reach_unixsock(self):
        daemon = self.collectd(self.instance(self.fake(SCRIPT)))
        daemon.wait_metric("job_status", "stock-levels", 3)
        name = "testhost/firecrawl-prod/job_status-stock-levels"
        listed = wait_for(lambda: [line for line in daemon.ask("LISTVAL")
                                   if line.endswith(name)], "LISTVAL has it")
        self.assertEqual(len(listed), 1)
        status, value = daemon.ask('GETVAL "%s"' % name)
        self.assertEqual(status, "1 Value found")
        self.assertEqual(float(value.split("=")[1]), 3)

    def test_values_reach_graphite(self):
        carbon = self.receiver()
        daemon = self.collectd(self.instance(self.fake(SCRIPT)),
                               more=GRAPHITE % carbon.port)
        pattern = re.compile(
            r"^testhost\.firecrawl-prod\.job_status-stock-levels 3(\.0*)? \d+$")
        wait_for(lambda: any(pattern.match(line) for line in carbon.lines),
                 "carbon gets status 3", 30)
        self.assertTrue(any("job_expiry-nightly-prices" in line
                            for line in carbon.lines))
        daemon.stop()

    def test_a_failed_and_a_cancelled_job_notify_once(self):
        daemon = self.collectd(self.instance(self.fake(SCRIPT)))
        failed = daemon.wait_notification("stock-levels", "FAILURE")
        self.assertEqual(
            failed.message,
            f"extract stock-levels ({BROKEN}) failed: {ERROR_TEXT}")
        self.assertEqual(failed.Plugin, "firecrawl")
        self.assertEqual(failed.PluginInstance, "prod")
        self.assertEqual(failed.Type, "job_status")
        self.assertEqual(failed.TypeInstance, "stock-levels")
        for name, value in (("kind", "extract"), ("id", BROKEN),
                            ("status", "failed"), ("previous", "processing"),
                            ("error", ERROR_TEXT)):
            self.assertEqual(failed.fields[name], value)
        self.assertIn(BROKEN, failed.dedup_key)
        cancelled = daemon.wait_notification("research", "WARNING")
        self.assertEqual(cancelled.message,
                         f"agent research ({STOPPED}) cancelled")
        # Several more reads bring no more of them.
        requests = daemon.metric("total_requests_total")
        daemon.wait_metric("total_requests_total", "",
                           lambda n: n >= requests + 8)
        self.assertEqual(len(daemon.notifications()), 2,
                         daemon.notifications())

    def test_unfinished_jobs_are_asked_once_per_interval_and_final_ones_once(
            self):
        fake = self.fake(SCRIPT)
        daemon = self.collectd(self.instance(fake, more="    Interval 0.5\n"))
        daemon.wait_metric("job_status", "nightly-prices", 0)
        ended = fake.count(DONE)
        started = fake.requests()[RUNNING]
        wait_for(lambda: fake.count(RUNNING) >= started[0] + 12,
                 "a dozen more polls", 20)
        count, first, last = fake.requests()[RUNNING]
        intervals = (last - first) / 500
        self.assertLessEqual(abs(count - 1 - intervals), 2 * PATIENCE,
                             (count, first, last))
        self.assertEqual(fake.count(DONE), ended)

    def test_a_failure_is_notified_within_two_intervals(self):
        fake = self.fake(f"job extract {BROKEN}\n"
                         "  state processing expires=+60\n")
        daemon = self.collectd(self.instance(
            fake, f'    Extract "{BROKEN}" "stock-levels"\n'), interval=2)
        daemon.wait_metric("job_status", "stock-levels", 1)
        failed_at = time.monotonic()
        fake.script(f"job extract {BROKEN}\n"
                    '  state failed error="no" expires=+60\n')
        daemon.wait_notification("stock-levels", "FAILURE")
        # Two intervals of the poller and the read that hands it over.
        self.assertLess(time.monotonic() - failed_at,
                        (2 * 2 + 1) * PATIENCE)

    def test_sigterm_ends_the_daemon_while_the_server_never_answers(self):
        fake = self.fake(f"job extract {RUNNING}\n  state processing never\n")
        daemon = self.collectd(self.instance(
            fake, f'    Extract "{RUNNING}"\n    Timeout 60000\n'))
        wait_for(lambda: fake.count(RUNNING) >= 1, "a request is in flight")
        status, seconds = daemon.stop()
        self.assertEqual(status, 0)
        self.assertLess(seconds, 2 * PATIENCE)

    def test_an_outage_silences_the_job_and_recovers_by_itself(self):
        fake = self.fake(SCRIPT)
        clock = self.clock()
        daemon = clock.of(self.configured(self.instance(
            fake, f'    Extract "{RUNNING}" "long-one"\n'))).start()
        daemon.wait_metric("job_status", "long-one", 1)
        fake.stop()
        daemon.wait_metric("errors_total", "connect", lambda n: n > 0)
        self.assertEqual(daemon.notifications(), [])
        clock.step(mono=31)
        daemon.wait_metric("api_up", "", 0)
        daemon.wait_notification("API unusable", "FAILURE")
        wait_for(lambda: daemon.metric("job_status", "long-one") is None,
                 "the job's series is silent")
        self.assertIn("firecrawl plugin: prod: connect: ", daemon.log_text())
        self.fake(SCRIPT, port=fake.port)
        daemon.wait_metric("job_status", "long-one", 1, 60)
        daemon.wait_notification("API usable again", "OKAY")
        daemon.wait_metric("api_up", "", 1)

    def test_a_rejected_key_pauses_all_jobs_and_a_new_one_resumes(self):
        fake = self.fake(SCRIPT)
        plugin = self.instance(fake)
        self.key_file("fc-wrong")
        daemon = self.collectd(plugin)
        daemon.wait_metric("errors_total", "auth", lambda n: n >= 1)
        daemon.wait_notification("API key rejected", "FAILURE", 30)
        self.assertLess(sum(n for n, _, _ in fake.requests().values()), 10)
        self.key_file()
        daemon.wait_metric("job_status", "stock-levels",
                           lambda status: status in (1, 3), 30)
        daemon.wait_notification("API usable again", "OKAY", 30)

    def test_forty_megabytes_of_data_cost_no_memory(self):
        small = f"job extract {DONE}\n  state processing expires=+60\n"
        fake = self.fake(small)
        daemon = self.collectd(self.instance(
            fake, f'    Extract "{DONE}" "big"\n    Timeout 60000\n'))
        daemon.wait_metric("job_status", "big", 1)
        polls = fake.count(DONE)
        wait_for(lambda: fake.count(DONE) >= polls + 3, "it is warm")
        before = daemon.status_field("VmHWM")
        fake.script(f"job extract {DONE}\n"
                    "  state completed expires=+60 data=41943040\n")
        daemon.wait_metric("job_status", "big", 0, 60)
        grown = daemon.status_field("VmHWM") - before
        print("# 40 MiB of data raised the peak memory by %d KiB" % grown)
        if not harness.PRELOAD:
            self.assertLess(grown, 1024)

    def test_forty_megabytes_cut_short_yield_no_status(self):
        fake = self.fake(f"job extract {DONE}\n  state completed expires=+60 "
                         "data=41943040 cut=41943000\n")
        daemon = self.collectd(self.instance(
            fake, f'    Extract "{DONE}" "big"\n    Timeout 60000\n'))
        daemon.wait_metric("errors_total", "body", lambda n: n >= 1, 60)
        self.assertIsNone(daemon.metric("job_status", "big"))
        self.assertEqual(daemon.metric("jobs", "completed"), 0)

    def test_the_key_appears_nowhere(self):
        daemon = self.collectd(self.instance(self.fake(SCRIPT)))
        daemon.wait_notification("stock-levels", "FAILURE")
        pid = daemon.process.pid
        texts = [daemon.output_text(), repr(daemon.notifications()),
                 "\n".join(n.message for n in daemon.notifications())]
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                texts.append(file.read().decode(errors="replace"))
        for text in texts:
            self.assertNotIn(harness.KEY, text)


class Configuration(SystemTest):
    """What the daemon says of a configuration."""

    JOB = f'Extract "{DONE}"'

    BESIDE = "LoadPlugin load\n"

    def run_idle(self, daemon, why):
        """The daemon runs, with all other plugins and without ours: `why` is
        all that is said."""
        daemon.start()
        wait_for(lambda: "collectd_load_shortterm" in daemon.exposition(),
                 "another plugin has values")
        self.assertEqual(daemon.instance_metrics(), {})
        self.assertTrue(daemon.ask("FLUSH plugin=firecrawl")[0].startswith("0"))
        self.assertEqual(re.findall(r"firecrawl plugin: (.*)",
                                    daemon.log_text()), why)
        self.assertNotIn("Initialization of plugin", daemon.log_text())
        self.assertEqual(daemon.stop()[0], 0)
        self.assertFalse(os.path.exists(daemon.scratch + "/firecrawl.db"))

    def test_a_bad_option_in_the_only_instance_leaves_the_daemon_running(self):
        self.run_idle(self.configured(
            f'<Instance "prod">\n{self.JOB}\nInterval abc\n</Instance>',
            more=self.BESIDE),
            ['<Instance "prod">: Interval: expected a number from 0.1 to 86400 '
             'seconds, got "abc"; this instance is disabled',
             "no <Instance> is valid: nothing is watched"])

    def test_without_an_instance_the_daemon_runs(self):
        why = ["no <Instance> is configured: nothing is watched"]
        self.run_idle(self.configured("", more=self.BESIDE), why)
        bare = self.configured("", "bare",
                               more=self.BESIDE + "LoadPlugin firecrawl\n")
        bare.without("firecrawl")
        self.run_idle(bare, why)

    def test_a_key_file_that_comes_later_is_waited_for(self):
        fake = self.fake(SCRIPT)
        path = os.path.join(self.directory("keys"), "key")
        daemon = self.collectd(
            f'<Instance "prod">\nURL "{fake.url}"\nAPIKeyFile "{path}"\n'
            f'Interval 1\nExtract "{RUNNING}" "long-one"\n</Instance>')
        self.assertIn(path + " cannot be opened: No such file or directory; no "
                      "request is made until it holds a key", daemon.log_text())
        came = time.monotonic() + 3
        wait_for(lambda: time.monotonic() > came, "3 s")
        self.assertEqual(fake.requests(), {})
        self.key_file()
        daemon.wait_metric("job_status", "long-one", 1)
        daemon.wait_metric("api_up", "", 1)
        self.assertEqual(fake.rejected(), 0)
        self.assertEqual(daemon.notifications(), [])
        self.assertEqual(daemon.stop()[0], 0)

    def test_one_bad_instance_leaves_the_others_at_work(self):
        fake = self.fake(SCRIPT, key=None)
        daemon = self.collectd(
            f'<Instance "bad">\n{self.JOB}\nURL "ftp://x"\n</Instance>\n'
            f'<Instance "good">\nURL "{fake.url}"\n'
            f'Extract "{RUNNING}" "long-one"\nColour "red"\n</Instance>')
        daemon.wait_metric("job_status", "long-one", 1)
        log = daemon.log_text()
        self.assertIn('<Instance "bad">: URL: expected an http or https URL',
                      log)
        self.assertIn('<Instance "good">: unknown option "Colour"', log)

    def test_several_plugin_blocks_add_up(self):
        fake = self.fake(SCRIPT, key=None)
        block = (f'<Instance "%s">\nURL "{fake.url}"\n'
                 f'Extract "{RUNNING}" "%s"\n</Instance>')
        daemon = self.collectd(
            f'StateFile "{self.scratch}/state.db"\n</Plugin>\n'
            "<Plugin firecrawl>\n" + block % ("one", "first") +
            "\n</Plugin>\n<Plugin firecrawl>\n" + block % ("two", "second"))
        daemon.wait_metric("job_status", "first", 1)
        daemon.wait_metric("job_status", "second", 1)


if __name__ == "__main__":
    subprocess.run([os.path.join(os.path.dirname(__file__), "run.py")])
