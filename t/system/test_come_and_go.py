# SPDX-License-Identifier: MIT
"""Jobs come and go: registrations, job files, restarts and crashes."""

import os
import re
import signal
import sqlite3
import time
import unittest

import harness
from harness import SystemTest, wait_for


def job_id(number):
    return "0199d3a2-6c1e-7f3a-9a51-%012x" % number


def putnotif(daemon, kind, job, name, severity="okay", instance="prod"):
    return daemon.ask(
        "PUTNOTIF severity=%s time=%d plugin=firecrawl plugin_instance=%s "
        'type=%s type_instance=%s message="%s"' %
        (severity, time.time(), instance, kind, job, name))[0]


class ComeAndGo(SystemTest):
    def instance(self, fake, jobs="", more="AcceptRegistrations true"):
        return (f'<Instance "prod">\nURL "{fake.url}"\n'
                f'APIKeyFile "{self.key_file()}"\n{jobs}\n{more}\n</Instance>')

    def script(self, *states):
        return "".join(f"job extract {job_id(i)}\n  state {state}\n"
                       for i, state in enumerate(states))

    def test_a_job_is_registered_and_forgotten_over_unixsock(self):
        fake = self.fake(self.script("processing", "processing"))
        daemon = self.collectd(self.instance(fake))
        self.assertTrue(putnotif(daemon, "extract", job_id(0), "nightly")
                        .startswith("0 "))
        daemon.wait_metric("job_status", "nightly", 1, 3)
        putnotif(daemon, "extract", job_id(0), "-", "warning")
        daemon.wait_metric("jobs", "processing", 0)
        polls = fake.count(job_id(0))
        putnotif(daemon, "extract", job_id(1), "other")
        wait_for(lambda: fake.count(job_id(1)) >= 4, "the other is polled")
        self.assertLessEqual(fake.count(job_id(0)), polls + 1)

    def test_bad_registrations_are_one_error_and_their_number(self):
        fake = self.fake(self.script("processing"))
        daemon = self.collectd(self.instance(fake))
        putnotif(daemon, "extract", "a/../b", "x")
        putnotif(daemon, "extract", job_id(0), "not a name")
        putnotif(daemon, "Extract", job_id(0), "x")
        putnotif(daemon, "extract", job_id(0), "x", instance="other")
        wait_for(lambda: "3 more registrations were refused" in
                 daemon.log_text(), "the number of the others")
        self.assertEqual(daemon.log_text().count("registration of"), 1)
        self.assertIn('prod: registration of extract "a/../b": an ID of',
                      daemon.log_text())
        self.assertEqual(fake.requests(), {})
        for kind, instance, said in (
                ("batch-scrape", "prod", 'registration of batch-scrape'),
                ("extract", "other", "there is no <Instance> of that name")):
            time.sleep(10)
            putnotif(daemon, kind, job_id(0), "x", instance=instance)
            wait_for(lambda: said in daemon.log_text(), said)

    def test_what_the_threshold_plugin_says_is_no_registration(self):
        fake = self.fake(self.script("processing"))
        daemon = self.collectd(self.instance(fake), more="""
            LoadPlugin threshold
            <Plugin threshold>
              <Plugin "firecrawl">
                <Type "jobs">
                  Instance "processing"
                  FailureMax 0
                </Type>
              </Plugin>
            </Plugin>""")
        putnotif(daemon, "extract", job_id(0), "nightly")
        wait_for(lambda: "above the failure threshold" in daemon.log_text(),
                 "the threshold plugin says something")
        daemon.ask("PUTNOTIF severity=failure time=%d host=elsewhere "
                   "plugin=firecrawl plugin_instance=other type=extract "
                   'type_instance=x message="x"' % time.time())
        putnotif(daemon, "extract", job_id(0), "other-name")
        daemon.wait_metric("job_status", "other-name", 1)
        self.assertEqual(re.findall(r"registration of .*", daemon.log_text()), [
            f'registration of extract "{job_id(0)}": it is watched as {name}'
            for name in ("nightly", "other-name")])

    def test_a_registration_takes_nothing_of_configured_jobs(self):
        fake = self.fake(self.script('failed error="no"', "completed"))
        daemon = self.collectd(self.instance(
            fake, f'Extract "{job_id(0)}" "nightly"'))
        daemon.wait_metric("job_status", "nightly", 3)
        putnotif(daemon, "extract", job_id(1), "nightly")
        daemon.wait_metric("jobs", "completed", 1)
        putnotif(daemon, "crawl", job_id(0), "nightly")
        putnotif(daemon, "extract", job_id(0), "mine")
        putnotif(daemon, "extract", job_id(0), "-", "warning")
        wait_for(lambda: "2 more registrations were refused" in
                 daemon.log_text(), "all three are refused")
        self.assertEqual(daemon.metric("job_status", "nightly"), 3)
        self.assertEqual(daemon.metric("jobs", "failed"), 1)
        self.assertIsNone(daemon.metric("job_status", "mine"))

    def test_a_run_that_a_newer_one_made_good_stays_so_after_a_restart(self):
        fake = self.fake(self.script('failed error="no"', "completed"))
        daemon = self.collectd(self.instance(fake))
        putnotif(daemon, "extract", job_id(0), "nightly")
        daemon.wait_metric("jobs", "failed", 1)
        putnotif(daemon, "extract", job_id(1), "nightly")
        daemon.wait_metric("job_status", "nightly", 0)
        daemon.wait_metric("jobs", "failed", 0)
        daemon.stop()
        daemon.start()
        daemon.wait_metric("job_status", "nightly", 0)
        daemon.wait_metric("jobs", "completed", 1)
        self.assertEqual(daemon.metric("jobs", "failed"), 0)
        self.assertEqual(len(daemon.notifications()), 1)

    def test_registrations_are_refused_unless_accepted(self):
        fake = self.fake(self.script("processing", "processing"))
        daemon = self.collectd(self.instance(
            fake, f'Extract "{job_id(0)}"', more=""))
        putnotif(daemon, "extract", job_id(1), "x")
        wait_for(lambda: "AcceptRegistrations" in daemon.log_text(),
                 "the log says so")
        self.assertEqual(fake.count(job_id(1)), 0)

    def test_a_job_is_registered_by_an_exec_program(self):
        fake = self.fake(self.script("processing"))
        line = ("PUTNOTIF severity=okay time=%d plugin=firecrawl "
                "plugin_instance=prod type=extract type_instance=%s "
                'message="from-exec"' % (time.time(), job_id(0)))
        program = os.path.join(self.directory("program"), "register")
        with open(program, "w") as file:
            file.write("#!/bin/sh\necho '%s'\nexec sleep 600\n" % line)
        os.chmod(program, 0o755)
        daemon = self.collectd(
            self.instance(fake), more='<Plugin exec>\nExec "%s" "%s"\n'
            "</Plugin>" % (harness.notifier_user(), program))
        daemon.wait_metric("job_status", "from-exec", 1)

    def test_a_job_is_registered_over_the_network_plugin(self):
        fake = self.fake(self.script("processing"))
        port = harness.free_port()
        receiver = self.collectd(
            self.instance(fake), more="LoadPlugin network\n<Plugin network>\n"
            'Listen "127.0.0.1" "%d"\n</Plugin>' % port)
        sender = self.configured("", name="sender", more="LoadPlugin network\n"
                                 '<Plugin network>\nServer "127.0.0.1" "%d"\n'
                                 "</Plugin>" % port)
        sender.without_firecrawl()
        sender.start()
        putnotif(sender, "extract", job_id(0), "from-afar")
        receiver.wait_metric("job_status", "from-afar", 1)

    def test_a_job_file_is_followed(self):
        fake = self.fake(self.script("processing", "processing", "processing"))
        path = os.path.join(self.directory("jobs"), "jobs")

        def write(text):
            with open(path + ".new", "w") as file:
                file.write(text)
            os.rename(path + ".new", path)

        write(f"# jobs\n{job_id(0)} first\nextract {job_id(1)}\tsecond\r\n")
        daemon = self.collectd(self.instance(fake, more=f'JobFile "{path}"'))
        daemon.wait_metric("job_status", "first", 1)
        daemon.wait_metric("job_status", "second", 1)
        write(f"{job_id(1)} second\n{job_id(2)} third\nbad/line\n{job_id(0)}")
        daemon.wait_metric("job_status", "third", 1)
        daemon.wait_metric("jobs", "processing", 2)
        wait_for(lambda: f"JobFile {path} line 3" in daemon.log_text(),
                 "the bad line is named")
        daemon.wait_notification("jobs refused", "FAILURE")
        os.unlink(path)
        wait_for(lambda: "still watched" in daemon.log_text(),
                 "a missing file is told of")
        self.assertEqual(daemon.metric("jobs", "processing"), 2)
        write(f"{job_id(0)} first\n")
        daemon.wait_metric("job_status", "first", 1)
        daemon.wait_metric("jobs", "processing", 1)
        daemon.wait_notification("all jobs accepted", "OKAY")

    def test_two_jobs_of_one_name_share_a_series_and_the_newest_has_it(self):
        fake = self.fake(self.script('failed error="no"', "processing"))
        daemon = self.collectd(self.instance(fake))
        putnotif(daemon, "extract", job_id(0), "nightly")
        daemon.wait_metric("job_status", "nightly", 3)
        putnotif(daemon, "extract", job_id(1), "nightly")
        daemon.wait_metric("job_status", "nightly", 1)
        daemon.wait_metric("jobs", "failed", 1)
        daemon.wait_notification("failed: no")
        self.assertEqual(len(daemon.notifications()), 1)

    def test_flush_polls_now(self):
        fake = self.fake(self.script("processing"))
        daemon = self.collectd(self.instance(
            fake, f'Extract "{job_id(0)}"\nInterval 3600', more=""))
        wait_for(lambda: fake.count(job_id(0)) == 1, "the first poll")
        daemon.ask("FLUSH plugin=firecrawl")
        wait_for(lambda: fake.count(job_id(0)) == 2, "FLUSH polls")
        daemon.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: fake.count(job_id(0)) == 3, "SIGUSR1 polls")

    def test_a_state_file_that_cannot_be_used_is_told_of_once(self):
        fake = self.fake(self.script("processing"))
        plugin = (f'StateFile "{self.scratch}/nowhere/state.db"\n' +
                  self.instance(fake, f'Extract "{job_id(0)}" "one"'))
        daemon = self.collectd(plugin)
        daemon.wait_metric("job_status", "one", 1)
        daemon.wait_notification("state file unusable", "FAILURE")
        self.assertEqual(len(daemon.notifications()), 1)

    def test_a_corrupt_state_file_is_set_aside(self):
        fake = self.fake(self.script("processing"))
        daemon = self.configured(self.instance(
            fake, f'Extract "{job_id(0)}" "one"'))
        path = daemon.scratch + "/firecrawl.db"
        with open(path, "wb") as file:
            file.write(b"this is no database, and long enough to tell" * 200)
        os.chmod(path, 0o600)
        daemon.start()
        daemon.wait_metric("job_status", "one", 1)
        daemon.wait_notification("state file unusable", "FAILURE")
        daemon.wait_notification("state file usable again", "OKAY")
        self.assertTrue([name for name in os.listdir(daemon.scratch)
                         if name.startswith("firecrawl.db.corrupt-")])

    def test_other_programs_can_read_the_state_file(self):
        fake = self.fake(self.script('failed error="no"'))
        daemon = self.collectd(self.instance(
            fake, f'Extract "{job_id(0)}" "one"'))
        daemon.wait_notification("one", "FAILURE")
        path = daemon.scratch + "/firecrawl.db"

        def handed():
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return database.execute(
                    "select state from notification where event='failed'"
                ).fetchall() == [("handed",)]
            finally:
                database.close()

        wait_for(handed, "the notification is stored as handed over")
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.assertEqual(database.execute(
            "select instance, id, kind, name, status, error from job"
        ).fetchall(), [("prod", job_id(0), "extract", "one", "failed", "no")])
        self.assertEqual(database.execute(
            "pragma application_id").fetchone()[0], 0x46437277)
        database.close()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
