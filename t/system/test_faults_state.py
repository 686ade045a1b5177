# SPDX-License-Identifier: MIT
"""The fault rig's rows S: what can be wrong with the state file. Each row is a
daemon of its own, all at the same time.

Whatever it is, the jobs are polled and told of; where the file cannot be used
that is told once, with the reason, and once more when it can be used again,
without a restart. Then it holds all that memory had."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import unittest

from harness import PATIENCE, PRELOAD, SystemTest, wait_for, wait_until_empty

SHUTDOWN_SECONDS = 2.0
RETRY_SECONDS = 61  # on the shifted monotonic clock
APPLICATION_ID = 0x46437277

PLUGIN = """
  StateFile "%(path)s"
  <Instance "prod">
    URL "%(url)s"
    APIKeyFile "%(key)s"
    Interval 0.2
    MaxRequestsPerMinute 0
    Extract "lasting-%(name)s" "lasting"
    Extract "ending-%(name)s" "ending"
  </Instance>
"""

# Runs the daemon where a file system of its own is on $1.
MOUNT = 'mount -t tmpfs -o "$2" tmpfs "$1" && shift 2 && exec "$@"'


def other_user(path):
    os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)


def works(*command):
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True,
                              check=False).returncode == 0
    return False


def can_trace():
    return works("strace", "-o", "/dev/null", "true")


class Row:
    """One daemon. `folder` is where its state file is to be, also for somebody
    who is not in its mount namespace."""

    row = "S1"
    text = None  # of the reason why the file is unusable; None: it is not
    mount = None  # options of a tmpfs
    traced = False
    root = False

    def __init__(self, test, name):
        self.test = test
        self.name = name
        self.folder = test.directory("state-" + name)
        self.path = self.folder + "/firecrawl.db"
        self.before()
        self.daemon = test.clock_.of(test.configured(
            PLUGIN % {"path": self.path, "url": test.server.url,
                      "key": test.key_file(), "name": name},
            name=name, interval=0.2, wrapper=self.wrapper()))
        self.daemon.without("exec")

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        if (cls.root or cls.mount) and os.geteuid() != 0:
            return "not root"
        if cls.mount and not works("unshare", "-m", "mount", "-t", "tmpfs",
                                   "tmpfs", "/tmp"):
            return "no mount namespaces"
        return "no strace" if cls.traced and not can_trace() else None

    def wrapper(self):
        return ["unshare", "-m", "sh", "-c", MOUNT, "sh", self.folder,
                self.mount] if self.mount else []

    def inside(self, name):
        return "/proc/%d/root%s/%s" % (self.daemon.process.pid, self.folder,
                                       name)

    def remount(self, options):
        subprocess.run(["nsenter", "-t", str(self.daemon.process.pid), "-m",
                        "mount", "-o", "remount," + options, self.folder],
                       check=True)

    def before(self):
        """Before the daemon starts."""

    def spoil(self):
        """While it runs."""

    def heal(self):
        pass

    def after(self):
        """Before it is healed."""

    def told(self, pattern):
        return [entry for entry in self.daemon.sunk()
                if re.search(pattern, entry[4])]

    def stored(self):
        """What the file has of the jobs: {name: (status, event states)}."""
        copy = self.test.directory("copy-" + self.name) + "/firecrawl.db"
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(self.inside("firecrawl.db") + suffix, copy + suffix)
        database = sqlite3.connect(copy)
        try:
            return {name: (status, states) for name, status, states in
                    database.execute(
                        "select name, status, (select group_concat(state) from "
                        "notification where notification.id = job.id) from job")
                    }
        except sqlite3.DatabaseError:
            return {}
        finally:
            database.close()


class FirstStart(Row):
    pass


class MissingFolder(Row):
    row = "S6"
    text = "its directory: No such file"

    def before(self):
        os.rmdir(self.folder)

    def heal(self):
        os.mkdir(self.folder)


class ReadOnlyFolder(Row):
    row = "S6"
    text = "Read-only file system"
    mount = "ro"

    def heal(self):
        self.remount("rw")


class FullDisk(Row):
    row = "S7"
    text = "full|No space left"
    mount = "size=256k"

    def spoil(self):
        with contextlib.suppress(OSError), \
                open(self.inside("ballast"), "wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass

    def heal(self):
        os.unlink(self.inside("ballast"))


class FullFromTheStart(Row):
    row = "S7"
    text = "full|No space left|I/O"
    mount = "size=8k"

    def heal(self):
        self.remount("size=1m")


class NoInodes(Row):
    row = "S7"
    text = "No space left|cannot"
    mount = "nr_inodes=2"

    def heal(self):
        self.remount("nr_inodes=20")


class FailingCalls(Row):
    """Of a call that only SQLite makes."""
    row = "S8"
    text = "I/O"
    traced = True
    call = "pwrite64"

    def spoil(self):
        log = open(self.daemon.scratch + "/strace.log", "wb")
        self.strace = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-p",
             str(self.daemon.process.pid), "-e", "trace=" + self.call, "-e",
             "inject=%s:error=EIO" % self.call],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.test.addCleanup(self.heal)
        wait_for(lambda: b"attached" in open(log.name, "rb").read(),
                 "strace is attached")

    def heal(self):
        if self.strace.poll() is None:
            self.strace.send_signal(signal.SIGINT)
            self.strace.wait(30)


class FailingSync(FailingCalls):
    call = "fdatasync"


class Unsafe(Row):
    """A good file of which something else makes one that is not to be trusted;
    it stays as it is."""
    row = "S5"

    def before(self):
        database = sqlite3.connect(self.path)
        database.execute("pragma application_id = %d" % APPLICATION_ID)
        database.execute("pragma user_version = %d" % self.version)
        database.execute("create table another (x)")
        database.close()
        os.chmod(self.path, 0o600)
        self.change()
        self.bytes = self.read()

    version = 1

    def change(self):
        pass

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()

    def after(self):
        self.test.assertEqual(self.read(), self.bytes)

    def heal(self):
        for name in os.listdir(self.folder):
            os.unlink(self.folder + "/" + name)


class ForeignOwner(Unsafe):
    text = "owned by another user"
    root = True

    def change(self):
        other_user(self.path)


class WritableByOthers(Unsafe):
    text = "writable by its group or by others"

    def change(self):
        os.chmod(self.path, 0o666)


class HardLink(Unsafe):
    text = "hard-linked"

    def change(self):
        os.link(self.path, self.folder + "/other")


class SymbolicLink(Unsafe):
    text = "not a regular file"

    def change(self):
        os.rename(self.path, self.folder + "/other")
        os.symlink("other", self.path)


class NewerVersion(Unsafe):
    row = "S3"
    text = r"of a newer version \(9"
    version = 9


class NoFile(Row):
    row = "S5"
    text = "not a regular file"

    def before(self):
        os.mkfifo(self.path)

    def heal(self):
        os.unlink(self.path)


class Folder(NoFile):
    def before(self):
        os.mkdir(self.path)

    def heal(self):
        os.rmdir(self.path)


class ReadableByOthers(Row):
    """Is mended and told of in the log only."""
    row = "S5"

    def before(self):
        with open(self.path, "wb"):
            os.chmod(self.path, 0o644)

    def after(self):
        self.test.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.test.assertIn("readable by others", self.daemon.log_text())


class TwoDaemons(Row):
    row = "S9"
    text = "in use by another daemon"

    def before(self):
        self.first = self.test.configured(
            PLUGIN % {"path": self.path, "url": self.test.server.url,
                      "key": self.test.key_file(), "name": "first"},
            name="first", interval=0.2)
        self.first.without("exec")
        self.first.start()

    def after(self):
        self.test.assertEqual([entry for entry in self.first.sunk()
                               if "state file" in entry[4]], [])

    def heal(self):
        self.test.assertEqual(self.first.stop()[0], 0)


ROWS = {
    "first-start": FirstStart, "missing-folder": MissingFolder,
    "read-only-folder": ReadOnlyFolder, "full-disk": FullDisk,
    "full-from-the-start": FullFromTheStart, "no-inodes": NoInodes,
    "write-fails": FailingCalls, "sync-fails": FailingSync,
    "foreign-owner": ForeignOwner, "writable-by-others": WritableByOthers,
    "hard-link": HardLink, "symbolic-link": SymbolicLink,
    "newer-version": NewerVersion, "fifo": NoFile, "folder": Folder,
    "readable-by-others": ReadableByOthers, "two-daemons": TwoDaemons,
}


class StateFaults(SystemTest):
    def setUp(self):
        super().setUp()
        self.clock_ = self.clock()
        self.server = self.fake("job extract *\n  state processing\n")
        left_out = {name: why for name, row in ROWS.items()
                    if (why := row.missing())}
        if left_out:
            print("# left out: %s" % left_out)
        self.rows = [row(self, name) for name, row in ROWS.items()
                     if name not in left_out]

    def each(self, what, check, seconds=30):
        wait_until_empty(lambda: [
            "%s: %s\n%s" % (row.name, row.daemon.sunk(), row.daemon.log_text())
            for row in self.rows if not check(row)], what, seconds)

    def test_every_fault_of_the_state_file_is_survived(self):
        print("# %d rows" % len(self.rows))
        for row in self.rows:
            row.daemon.start()
        self.each("all jobs are polled", lambda row: row.daemon.metric(
            "job_status", "lasting") == 1)
        for row in self.rows:
            row.spoil()
        self.server.script("".join(
            'job extract ending-%s\n  state failed error="no"\n' % row.name
            for row in self.rows))
        self.each("the end of a job is told of", lambda row: row.told(
            r"ending \(\S+\) failed: no"))
        # A lock counts when it is still there at the second attempt.
        self.clock_.step(mono=RETRY_SECONDS)
        self.each("the fault is told of", lambda row: not row.text or row.told(
            "state file unusable: .*(?:%s)" % row.text))
        polls = self.server.requests()
        self.each("polling goes on", lambda row: self.server.count(
            "lasting-" + row.name) > polls["lasting-" + row.name][0] + 2)
        for row in self.rows:
            row.after()
            row.heal()
        self.clock_.step(mono=RETRY_SECONDS)
        self.each("recovery is told of", lambda row: not row.text or row.told(
            "state file usable again"))
        self.each("everything is in the file", lambda row: row.stored() == {
            "lasting": ("processing", None), "ending": ("failed", "handed")})
        for row in self.rows:
            with self.subTest(row=row.row, name=row.name):
                status, seconds = row.daemon.stop()
                self.assertEqual(status, 0)
                self.assertLessEqual(seconds, SHUTDOWN_SECONDS * PATIENCE)
                self.assertEqual(len(row.told("failed: no")), 1)
                self.assertEqual(len(row.told("state file")),
                                 2 if row.text else 0)


PLUGIN_OF_MANY = """
  StateFile "%s/firecrawl.db"
  <Instance "prod">
    URL "%s"
    APIKeyFile "%s"
    Interval 0.2
    MaxRequestsPerMinute 0
    %s
  </Instance>
"""


@unittest.skipUnless(os.environ.get("FC_ALL") and can_trace() and not PRELOAD,
                     "FC_ALL=1 and strace ask for it")
class KillAtEachCall(SystemTest):
    """Row K21: the daemon is killed at the n-th call that writes, for each n;
    t/state/check_crash does the same with the store alone."""

    CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
    EVENTS = 3

    def begin(self, server):
        """A fresh state file in which the jobs are running."""
        folder = self.directory("run-%d" % len(self.daemons))
        daemon = self.configured(PLUGIN_OF_MANY % (
            folder, server.url, self.key_file(), "".join(
                'Extract "job-%d"\n' % i for i in range(self.EVENTS))),
            name=os.path.basename(folder), interval=0.1)
        daemon.without("exec")
        server.script("job extract *\n  state processing\n")
        daemon.start()
        daemon.wait_metric("jobs", "processing", self.EVENTS)
        return daemon

    def attach(self, daemon, call, number):
        """strace counts the calls of each thread; all are the poller's."""
        log = open(daemon.scratch + "/strace.log", "w+b")
        strace = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-p", str(daemon.process.pid),
             "-e", "trace=" + call, "-e",
             "inject=%s:signal=KILL:when=%d" % (call, number)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(strace.kill)
        self.addCleanup(log.close)

        def attached():
            log.seek(0)
            return b"attached" in log.read()
        wait_for(attached, "strace is attached")
        return strace

    def all_stored(self, daemon):
        database = sqlite3.connect(
            "file:%s/firecrawl.db?mode=ro" % daemon.scratch, uri=True)
        with contextlib.closing(database):
            return database.execute(
                "select count(*) from notification where state = 'handed'"
            ).fetchone()[0] == self.EVENTS

    def run_killed(self, daemon, server, call, number):
        """True if it was killed before all was told and stored."""
        strace = self.attach(daemon, call, number)
        server.script('job extract *\n  state failed error="no"\n')
        wait_for(lambda: daemon.process.poll() is not None or
                 self.all_stored(daemon), "stored or killed")
        killed = daemon.process.poll() is not None
        strace.send_signal(signal.SIGINT)
        strace.wait(30)
        daemon.stop()
        return killed

    def check(self, daemon, what):
        daemon.start()
        wait_for(lambda: len({entry[1] for entry in daemon.sunk()}) >=
                 self.EVENTS, what + ": all is told of")
        self.assertEqual(daemon.stop()[0], 0)
        self.assertNotIn("set aside", daemon.log_text())
        self.assertNotIn("damaged", daemon.log_text())
        marks = {}
        for _, key, mark, *_ in daemon.sunk():
            marks.setdefault(key, []).append(mark)
        self.assertEqual([key for key, value in marks.items()
                          if "-" in value[1:]], [], what)
        return sum(len(value) - 1 for value in marks.values())

    def test_a_kill_at_each_call_of_a_commit_loses_nothing(self):
        server = self.fake("job extract *\n  state processing\n")
        kills = repeats = 0
        for call in self.CALLS:
            number = 1
            daemon = self.begin(server)
            while self.run_killed(daemon, server, call, number):
                repeats += self.check(daemon, "%s %d" % (call, number))
                kills += 1
                number += 1
                daemon = self.begin(server)
        print("# %d calls, a kill at each: 0 lost, %d told of again, marked" %
              (kills, repeats))
        self.assertGreater(kills, 4)
        self.assertGreater(repeats, 0)


if __name__ == "__main__":
    unittest.main()
