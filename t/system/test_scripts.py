# SPDX-License-Identifier: MIT
"""contrib/'s scripts where they are run by people: without root and sudo, in a
path with blanks, with a step that fails, on a machine with loopback only.

What they call is found in a folder of links to all programs but sudo, with
stand-ins that note their calls. Nothing is installed.

And the programs in Python that contrib/test does not run: they are whole."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import unittest

import namespace
from harness import (BUILD, COLLECTD, PATIENCE, PRELOAD, SOURCE, SystemTest,
                     free_port)

BUILDING = ["bench", "coverage", "demo", "fuzz", "package-deb", "package-rpm",
            "test"]
INSTALLING = BUILDING + ["lint"]

# Notes its name and arguments, and then does as its caller says.
STAND_IN = """\
#!/bin/sh
printf '%%s %%s\\n' %s "$*" >>'%s'
%s
"""

INSTALLED = "echo ' installed '"
CONFIGURE = "#!/bin/sh\nprintf 'configure %%s %%s\\n' \"$0\" \"$*\" >>'%s'\nexit %d\n"
AUTORECONF = """\
tree=.
for word; do [ ! -d "$word" ] || tree=$word; done
cat >"$tree/configure" <<'END'
%sEND
chmod 755 "$tree/configure"
"""

# What each must not do after a step before it has failed.
STEPS = [
    ("bench", {"configure": 1}, "make"),
    ("coverage", {"configure": 1}, "make"),
    ("demo", {"autoreconf": 1}, "configure"),
    ("demo", {"configure": 1}, "make"),
    ("fuzz", {"configure": 1}, "make"),
    ("package-deb", {"cp": 1}, "dpkg-buildpackage"),
    ("package-rpm", {"configure": 1}, "make"),
    ("package-rpm", {"make": 0, "cp": 1}, "rpmbuild"),
    ("test", {"configure": 1}, "make"),
]


def version():
    with open(SOURCE + "/configure.ac") as file:
        return re.search(r"AC_INIT\(\[.*?\], *\[(.*?)\]", file.read()).group(1)


class Checkout(SystemTest):
    """One in a path that make would split."""

    wrapper = []

    def setUp(self):
        super().setUp()
        self.bin = self.directory("bin")
        self.calls = os.path.join(self.bin, ".calls")
        for folder in os.environ["PATH"].split(":") + ["/usr/sbin"]:
            for name in os.listdir(folder) if os.path.isdir(folder) else []:
                path = os.path.join(self.bin, name)
                if name != "sudo" and not os.path.lexists(path):
                    os.symlink(os.path.join(folder, name), path)
        self.top = os.path.join(self.directory("a b"), "it's")
        shutil.copytree(SOURCE, self.top, ignore=shutil.ignore_patterns(
            ".git", "build*"))
        self.stand_in("apt-get", "exit 1")
        self.stand_in("dpkg-query", INSTALLED)

    def stand_in(self, name, text):
        path = os.path.join(self.bin, name)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w") as file:
            file.write(STAND_IN % (name, self.calls, text))
        os.chmod(path, 0o755)

    def without_root(self):
        self.stand_in("id", "case $1 in -u) echo 1000 ;; *) echo user ;; esac")

    def stand_ins_for_building(self, status):
        """Only note what is to be done; status: {name: exit status}"""
        configure = CONFIGURE % (self.calls, status.get("configure", 0))
        self.stand_in("autoreconf", AUTORECONF % configure +
                      "exit %d" % status.get("autoreconf", 0))
        self.stand_in("make", "exit %d" % status.get("make", 1))
        self.stand_in("rpmbuild", "exit 1")
        self.stand_in("dpkg-buildpackage", "printf 'in %%s %%s\\n' \"$PWD\" "
                      "\"$COLLECTD_INCLUDEDIR\" >>'%s'; exit 1" % self.calls)
        self.stand_in("dpkg-parsechangelog", "echo \"$FC_VERSION-1\"")
        self.stand_in("cp", "exit 1" if "cp" in status else
                      "exec '%s' \"$@\"" % shutil.which("cp"))

    def unpacked(self):
        """Daemons that the machine lacks, as packages_unpack leaves them."""
        root = os.path.join(self.top, "build-aux", "root")
        names = os.path.join(root, ".packages")
        os.makedirs(names, exist_ok=True)
        os.makedirs(os.path.join(root, "usr/include/collectd/core"),
                    exist_ok=True)
        for name in ["collectd-core", "collectd-dev", "collectd-utils",
                     "nginx", "prometheus-blackbox-exporter"]:
            with open(os.path.join(names, name), "w"):
                pass

    def run_script(self, name, *arguments, **more):
        with open(self.calls, "w"):
            pass
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("PACKAGES_", "COLLECTD"))}
        return subprocess.run(
            self.wrapper + [os.path.join(self.top, "contrib", name), *arguments],
            env={**environment, "PATH": self.bin, "FC_VERSION": version(),
                 **more}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, check=False, timeout=120 * PATIENCE)

    def called(self, name):
        with open(self.calls) as file:
            return [line for line in file if line.split()[0] == name]


class Scripts(Checkout):
    def test_says_so_without_root_and_sudo(self):
        self.without_root()
        self.stand_in("dpkg-query", "exit 1")
        for name in INSTALLING:
            with self.subTest(script=name):
                done = self.run_script(name)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(done.stdout, "(?m)^packages.sh: cannot install "
                                 "gcc .*: run it as root, or install sudo$")
                self.assertEqual(self.called("apt-get"), [])
        with self.subTest(script="test-packages"):
            done = self.run_script("test-packages")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertRegex(done.stdout, "^ok .*# SKIP neither root nor sudo")

    def test_needs_no_root_when_nothing_is_missing(self):
        self.without_root()
        self.unpacked()
        self.stand_ins_for_building({})
        for name in BUILDING:
            with self.subTest(script=name):
                done = self.run_script(name, *["gcc"][:name == "test"])
                self.assertNotIn("sudo", done.stdout)
                self.assertTrue(self.called("configure") or
                                self.called("dpkg-buildpackage"), done.stdout)

    def test_goes_on_after_no_failed_step(self):
        self.unpacked()
        for name, status, never in STEPS:
            with self.subTest(script=name, failed=status):
                self.stand_ins_for_building(status)
                done = self.run_script(name, *["gcc"][:name == "test"])
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertEqual(self.called(never), [], done.stdout)
                for failed in status:
                    self.assertTrue(self.called(failed) or status[failed] == 0,
                                    done.stdout)

    def test_builds_in_a_path_with_blanks(self):
        """Neither the tree nor the headers are where make would split."""
        self.unpacked()
        self.stand_ins_for_building({})
        blank = self.directory("t m p")
        headers = "/usr/include/collectd"
        if os.path.exists(headers) and namespace.available():
            self.wrapper = [
                "unshare", "-m", "sh", "-c", "mount --bind '%s' %s && "
                "exec \"$@\"" % (self.directory("none"), headers), "sh"]
        for name in BUILDING:
            with self.subTest(script=name):
                done = self.run_script(name, *["gcc"][:name == "test"],
                                       TMPDIR=blank)
                lines = self.called("configure") + self.called("in")
                self.assertTrue(lines, done.stdout)
                for line in lines:
                    self.assertNotRegex(line, "a b|t m p|'")
                    self.assertRegex(line, "/usr/include/collectd")
        self.assertEqual(os.listdir(blank), [])

    def test_configure_refuses_headers_in_a_path_with_blanks(self):
        if not os.path.exists(SOURCE + "/configure"):
            self.skipTest("autoreconf -i has not been run")
        done = subprocess.run(
            [os.path.abspath(SOURCE + "/configure"), "--without-tests",
             "--with-collectd-includedir=" + self.directory("in clude")],
            cwd=self.directory("build"), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=300)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"error: make does not take the blank in "
                         r".*/in clude: name a link")


@unittest.skipIf(PRELOAD, "the demo's daemon has no sanitizer's libraries")
class Demo(Checkout):
    """contrib/demo with this build in place of the one that it makes."""

    def setUp(self):
        super().setUp()
        self.stand_ins_for_building({})
        self.stand_in("make", "".join(
            "mkdir -p $(dirname {1}) && cp '{0}/{1}' {1} || exit\n".format(
                os.path.abspath(BUILD), path) for path in [
                    "plugin/.libs/firecrawl.so", "src/ctl/firecrawlctl",
                    "t/fake/fake_firecrawl"]))

    def demo(self):
        root = COLLECTD[:-len("/usr/sbin/collectd")]
        if not root:
            self.unpacked()
        done = self.run_script("demo", DEMO_SECONDS="4", **(
            {"PACKAGES_ROOT": root} if root else {}))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^  +.*nightly-prices +")
        self.assertRegex(done.stdout, r"(?m)^>> .* extract ")
        # The first table is no empty one, and has the job that nobody knows.
        table = re.search(r"(?m)^\d\d:\d\d:\d\d\n((?:  .*\n)+)", done.stdout)
        self.assertRegex(table.group(1), r"nightly-prices .*\bprocessing\b")
        self.assertRegex(done.stdout, r"(?m)^  .*mistyped .*\blost\b")
        self.assertRegex(done.stdout, r"mistyped \(typo-1\) lost: Invalid job ID")
        self.assertTrue(done.stdout.endswith("the packages that were installed "
                                             "stay.\n"), done.stdout)
        return done.stdout

    def test_shows_metrics(self):
        if subprocess.run(["getent", "ahostsv4", "127.0.0.1"], check=False,
                          capture_output=True).returncode:
            self.skipTest("no address beyond loopback")
        self.assertIn("Its values come from http://127.0.0.1:", self.demo())

    def test_shows_the_list_with_loopback_only(self):
        """collectd's write_prometheus does not listen there."""
        if namespace.available():
            self.wrapper = ["unshare", "-n", "sh", "-c",
                            "ip link set lo up && exec \"$@\"", "sh"]
        else:
            self.stand_in("getent", "exit 2")
        said = self.demo()
        self.assertIn("This machine has no address beyond loopback", said)
        self.assertNotIn("values come from", said)


class ThirtyTwoBits(SystemTest):
    """This machine's headers, read as an i386 has them: nothing is linked."""

    def setUp(self):
        super().setUp()
        os.makedirs(self.scratch + "/gnu")
        with open(self.scratch + "/gnu/stubs-32.h", "w"):
            pass
        native = subprocess.run(["gcc", "-print-multiarch"], text=True,
                                stdout=subprocess.PIPE, check=False)
        self.compiler = ["gcc", "-m32", "-fsyntax-only", "-I" + self.scratch,
                         "-isystem", "/usr/include/" + native.stdout.strip()]
        if native.returncode or self.compile("", "#include <stdlib.h>\n"):
            self.skipTest("gcc does not compile for i386 here")

    def compile(self, options, source):
        """What the compiler says."""
        return subprocess.run(
            self.compiler + options.split() + ["-x", "c", "-"], input=source,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False, timeout=120 * PATIENCE).stdout

    def test_no_conversion_loses_anything(self):
        with open(BUILD + "/Makefile") as file:
            collectd = re.search("^COLLECTD_CPPFLAGS = (.*)", file.read(),
                                 re.M).group(1)
        options = ("-std=c11 -Wall -Wextra -Wshadow -Wconversion -Wformat=2 "
                   "-D_GNU_SOURCE -DPACKAGE_NAME=\"x\" -DPACKAGE_VERSION=\"0\" "
                   "-DFC_VERSION=\"0\" -I%s " % SOURCE)
        for folder, more in (("src/*", ""), ("plugin", collectd)):
            for path in glob.glob("%s/%s/*.c" % (SOURCE, folder)):
                for bits in "", " -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64":
                    with open(path) as file:
                        self.assertEqual("", self.compile(
                            options + more + bits,
                            "#line 1 \"%s\"\n" % path + file.read()))

    def test_files_and_times_are_long(self):
        """By configure's own choice of flags, for that compiler."""
        if not os.path.exists(SOURCE + "/configure"):
            self.skipTest("autoreconf -i has not been run")
        wrapper = self.scratch + "/cc"
        with open(wrapper, "w") as file:
            file.write(
                "#!/bin/sh\ncase \" $* \" in\n"
                "*sizeof*) ;;\n*\" -c \"*) grep -qs sizeof conftest.c && "
                "exec %s -c \"$@\" ;;\nesac\nexec gcc \"$@\"\n" % " ".join(
                    word for word in self.compiler if word != "-fsyntax-only"))
        os.chmod(wrapper, 0o755)
        headers = os.environ.get("COLLECTD_INCLUDEDIR")
        done = subprocess.run(
            [os.path.abspath(SOURCE + "/configure"), "--without-tests",
             "CC=" + wrapper] + (
                 ["--with-collectd-includedir=" + headers] if headers else []),
            cwd=self.directory("build"), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=300 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)
        for name, define in (("off_t", "FILE_OFFSET"), ("time_t", "TIME")):
            self.assertIn("checking for %s of 64 bits... yes with -D_%s_BITS=64"
                          % (name, define), done.stdout)
        with open(self.scratch + "/build/Makefile") as file:
            self.assertRegex(file.read(), "(?m)^FC_CPPFLAGS = .*-D_FILE_OFFSET_"
                             "BITS=64 .*-D_TIME_BITS=64")


class Programs(unittest.TestCase):
    def names(self, program, expression):
        """What an expression is in a program that has imported all it needs; as
        paths from the build or source tree, one a line."""
        done = subprocess.run(
            [sys.executable, "-c", "import runpy, sys\n"
             "there = runpy.run_path(sys.argv[1])\n"
             "print(*eval(sys.argv[2], there), sep='\\n')",
             os.path.abspath(os.path.join(SOURCE, program)), expression],
            cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "builddir": "/build",
                 "srcdir": os.path.abspath(SOURCE)},
            check=False, timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.split("\n")[:-1]

    def made(self):
        """The words of the makefile's parts: what is built is among them."""
        words = set()
        for path in glob.glob(SOURCE + "/t/*/Makefile.inc"):
            with open(path) as file:
                words.update(file.read().split())
        return words

    def test_there_are_no_others(self):
        self.assertEqual(
            {os.path.relpath(path, SOURCE) for folder in ("t", "contrib", "src")
             for path in glob.glob("%s/%s/**/*.py" % (SOURCE, folder),
                                   recursive=True)
             if "/t/system/" not in path},
            {"t/bench/bench.py", "t/faults.py"})

    def test_bench_finds_what_it_imports_and_runs(self):
        program, = self.names("t/bench/bench.py", "[BENCH]")
        self.assertTrue(program.replace("/build/", "", 1) in self.made(), program)

    def test_faults_finds_what_it_imports_and_runs(self):
        runner, *programs = self.names("t/faults.py", "[RUNNER, *programs()]")
        self.assertTrue(os.access(runner, os.X_OK), runner)
        self.assertTrue(programs)
        for program in programs:
            self.assertTrue(program in self.made(), program)


class Ports(unittest.TestCase):
    def test_a_free_port_is_none_that_the_system_gives_to_anybody(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
            first, last = map(int, file.read().split())
        for _ in range(200):
            port = free_port()
            self.assertFalse(first <= port <= last, port)
            with socket.socket() as server:
                server.bind(("127.0.0.1", port))


class NotifyScripts(SystemTest):
    """What collectd's exec plugin hands over, some of which others may write."""

    INPUT = (b"Severity: FAILURE\nTime: 1764000000.000\nHost: web1\n"
             b"Plugin: firecrawl\nPluginInstance: prod\nType: job_status\n"
             b"TypeInstance: nightly\nerror: caf\xc3\xa9 \xff\xc3(\n"
             b"Severity: OKAY\nPlugin: other\nType: extract\n"
             b"text: forged\n\n"
             b"extract nightly (1) failed: caf\xc3\xa9 \xff\xc3(\n")

    def told(self, script, program, argument):
        """What the script gives to the program, a stand-in."""
        folder = self.directory("bin")
        path = os.path.join(folder, program)
        with open(path, "w") as file:
            file.write("#!/bin/sh\ncat >'%s/told'\n" % folder)
        os.chmod(path, 0o755)
        subprocess.run(
            ["/bin/sh", os.path.join(SOURCE, "contrib/examples", script),
             argument], input=self.INPUT, check=True,
            env={"PATH": folder + ":" + os.environ["PATH"]}, timeout=20)
        with open(folder + "/told", "rb") as file:
            return file.read().decode()  # or it is no UTF-8

    def test_webhook(self):
        told = json.loads(self.told("notify-webhook", "curl", "http://x"),
                          object_pairs_hook=lambda pairs: [
                              list(pair) for pair in pairs])
        self.assertEqual(told, [
            ["text", "extract nightly (1) failed: café ("],
            ["severity", "FAILURE"], ["time", "1764000000.000"],
            ["host", "web1"], ["plugin", "firecrawl"],
            ["plugininstance", "prod"], ["type", "job_status"],
            ["typeinstance", "nightly"], ["error", "café ("]])

    def test_mail(self):
        head, _, body = self.told("notify-mail", "sendmail",
                                  "ops@example.com").partition("\n\n")
        self.assertIn("\nSubject: [FAILURE] firecrawl prod: "
                      "extract nightly (1) failed: caf?? (\n", head + "\n")
        self.assertTrue(body.startswith("extract nightly (1) failed: café (\n"))
