# SPDX-License-Identifier: MIT
"""The real daemon under valgrind: nothing that goes through the plugin may be an
error or a leak (memcheck) or a race (helgrind, drd).

Slow, so only with FC_VALGRIND=1; contrib/test's phase "valgrind" sets it. What
does not go through the plugin is the daemon's own and not judged. Reports of
libraries that are wrong or not ours to mend are in t/valgrind.supp, each with
its reason. FC_TOOLS="memcheck drd" picks tools."""

import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

from harness import KEY, SOURCE, SystemTest, wait_for

REQUESTS = 40

OPTIONS = {
    "memcheck": ["--leak-check=full", "--num-callers=40",
                 "--show-leak-kinds=definite,indirect,possible"],
    "helgrind": ["--num-callers=40"],
    "drd": ["--num-callers=40"],
}

SCRIPT = """
job extract first
  state processing for 2 requests
  state completed tokens=7 data=200000
job extract second
  state processing for 3 requests
  state failed error="no"
job extract third
  state cancelled
job extract odd
  state processing body="{"
job extract slow
  state processing delay=300
job extract cut
  state processing data=100000 cut=5000
job crawl fourth
  state scraping completed=3 total=4
job extract fifth
  state processing
job extract sixth
  state processing code=500
"""

PLUGIN = """
  <Instance "prod">
    Interval 0.5
    URL "%(url)s"
    APIKeyFile "%(key)s"
    JobFile "%(jobs)s"
    AcceptRegistrations true
    MaxRequestsPerMinute 0
    Extract "first"
    Extract "second" "nightly"
    Extract "third"
    Extract "odd"
    Extract "slow"
    Extract "cut"
    Crawl "fourth"
  </Instance>
  <Instance "tls">
    URL "https://127.0.0.1:%(tls)d"
    APIKey "%(secret)s"
    CACert "%(cert)s"
    Extract "fifth"
  </Instance>
"""


# Of a race, where the two accesses were; the stacks after these say where the
# memory comes from, or what else went on.
STACKS = {"memcheck": None, "helgrind": 2, "drd": 1}


def of_plugin(error, tool):
    return any("/firecrawl.so" in (frame.text or "")
               for stack in error.findall("stack")[:STACKS[tool]]
               for frame in stack.iter("obj"))


def describe(error):
    lines = [error.findtext("kind"), error.findtext("what") or
             error.findtext("xwhat/text") or ""]
    for part in error:
        if part.tag == "stack":
            lines += ["  %s (%s:%s) %s" % tuple(
                frame.findtext(name) for name in ("fn", "file", "line", "obj"))
                for frame in part]
        elif part.tag == "auxwhat":
            lines.append(part.text)
    return "\n".join(lines)


@unittest.skipUnless(os.environ.get("FC_VALGRIND") and
                     shutil.which("valgrind"), "FC_VALGRIND=1 asks for it")
class Valgrind(SystemTest):
    def certificate(self):
        path = os.path.join(self.directory("tls"), "cert")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
             "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
             "-keyout", path + ".key", "-out", path], check=True,
            capture_output=True)
        return path

    def suppressions(self):
        """From valgrind 3.20 on, helgrind calls some of its Misc reports Dubious, a
        kind that an older one takes for an error of the file."""
        with open(SOURCE + "/t/valgrind.supp") as file:
            text = file.read()
        version = subprocess.run(["valgrind", "--version"], text=True,
                                 stdout=subprocess.PIPE, check=True).stdout
        if int(version.split(".")[1]) > 19:
            text += text.replace("Helgrind:Misc", "Helgrind:Dubious")
        path = self.scratch + "/valgrind.supp"
        with open(path, "w") as file:
            file.write(text)
        return path

    def daemon(self, tool):
        cert = self.certificate()
        plain = self.fake(SCRIPT)
        tls = self.fake(SCRIPT, name="tls-fake", more=[
            "--tls-cert", cert, "--tls-key", cert + ".key"])
        jobs = os.path.join(self.directory("jobs"), "jobs")
        with open(jobs, "w") as file:
            file.write("fifth\nno/job\n")
        return self.configured(
            PLUGIN % {"url": plain.url, "tls": tls.port, "jobs": jobs,
                      "key": self.key_file(), "secret": KEY, "cert": cert},
            name=tool, wrapper=[
                "valgrind", "--tool=" + tool, "--xml=yes",
                "--xml-file=%s/%s.xml" % (self.scratch, tool),
                "--suppressions=" + self.suppressions(),
                *OPTIONS[tool]]).start(), jobs

    def exercise(self, daemon, jobs):
        daemon.ask("PUTNOTIF severity=okay time=1764000000 plugin=firecrawl "
                   "plugin_instance=prod type=extract type_instance=sixth "
                   'message="registered"')
        with open(jobs, "a") as file:
            file.write("third of-the-file\n")
        daemon.ask("FLUSH plugin=firecrawl")
        wait_for(lambda: sum(
            value for key, value in daemon.instance_metrics().items()
            if key[1] == "total_requests_total") >= REQUESTS, "requests", 60)
        daemon.wait_notification("nightly", "FAILURE", 60)
        self.assertEqual(daemon.instance_metrics()[
            "tls", "job_status", "fifth"], 1)
        daemon.ask("PUTNOTIF severity=warning time=1764000000 plugin=firecrawl "
                   "plugin_instance=prod type=extract type_instance=sixth "
                   'message="-"')

    def wait_for_poller(self, daemon):
        """drd knows a thread by its pthread_t, which glibc gives anew once a
        thread has ended. It takes a detached one that ends at once, as of a
        connection to unixsock, for one that is yet to be joined, and then books
        the join of a later one with its pthread_t to it: all that the later one
        did then conflicts with what follows (--trace-fork-join=yes shows it).
        So no thread ends before the poller begins. The others, helgrind above
        all, have connections from the start."""
        wait_for(lambda: "entering read-loop" in daemon.log_text(),
                 "the poller has begun", 60)

    def check(self, tool):
        if tool not in os.environ.get("FC_TOOLS", tool).split():
            self.skipTest("FC_TOOLS")
        daemon, jobs = self.daemon(tool)
        if tool == "drd":
            self.wait_for_poller(daemon)
        self.exercise(daemon, jobs)
        status, _ = daemon.stop()
        self.assertEqual(status, 0)
        root = xml.etree.ElementTree.parse(
            "%s/%s.xml" % (self.scratch, tool)).getroot()
        self.assertEqual(root.findtext("status[last()]/state"), "FINISHED")
        errors = root.findall("error")
        ours = [describe(error) for error in errors
                if of_plugin(error, tool)]
        suppressed = {pair.findtext("name"): int(pair.findtext("count"))
                      for pair in root.iter("pair")
                      if pair.find("name") is not None}
        print("# %s: %d reports through the plugin, %d of the daemon alone, "
              "suppressed: %s" % (tool, len(ours), len(errors) - len(ours),
                                  suppressed), flush=True)
        self.assertEqual(ours, [], "\n\n".join(ours))

    def test_memcheck(self):
        self.check("memcheck")

    def test_helgrind(self):
        self.check("helgrind")

    def test_drd(self):
        self.check("drd")
