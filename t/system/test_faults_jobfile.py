# SPDX-License-Identifier: MIT
"""The rows of the fault rig about the JobFile: what it may be, what it may
hold, and what becomes of the jobs when it changes."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from faults import FaultTest, needs_all, wait_for, wait_until_empty
from harness import notifier_user
from raw_server import SECRET
from test_faults_replies import FAILED, RUNNING, Course, job_of

UUID = "0199d3a2-6c1e-7f3a-9a51-%012d"

BAD_IDS = ["../admin", "a/../../b", "%2e%2e", "a?b", "a#b", "a b c d",
           "{a}", "a.b", "\u00e4", "x" * 64, "x" * 10000, "a\x01b", "a\0b",
           "a\x1b[31m", "a\rb", "$(id)", "a;b", "\\", "'", '"', "extract a/b"]
GOOD_IDS = ["UPPER-CASE", "  blanks-around\t", "x" * 63,
            "00000000-0000-0000-0000-000000000000", "a_b-C9"]


def holds(text):
    def make(path):
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
    return make


def sparse(size):
    def make(path):
        with open(path, "wb") as file:
            file.truncate(size)
    return make


def link(target, make=None):
    def make_link(path):
        if make:
            make(path + "." + target)
        os.symlink(path + "." + target if make else target, path)
    return make_link


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)


def private(text):
    def make(path):
        holds(text)(path)
        os.chmod(path, 0o600)
    return make


def writable(path):
    holds("a\n")(path)
    os.chmod(path, 0o666)


def in_writable_directory(path):
    holds("a\n")(path)
    os.chmod(os.path.dirname(path), 0o777)


SHADOW = "root:$6$%s$xyz:19000:0:99999:7:::\n%s\nx %s y z\n" % (
    (SECRET.decode() + "/",) * 3)
MILLION = "".join("m-%d\n" % i for i in range(1000000))
NO_FILE = "no regular file"
LARGE = "larger than"

# (row, name, how the file is made, jobs, what the log says, whether it
# notifies; a path instead of a function is the file)
FILES = [
    ("ID1", "bad-ids", holds("\n".join(BAD_IDS + GOOD_IDS) + "\n"),
     {word.strip() for word in GOOD_IDS}, "is not a job ID", True),
    ("ID2", "duplicates", holds("a\na\nb\na\n"), {"a", "b"}, "exists already",
     True),
    ("ID2", "no-lines", holds(""), set(), "", False),
    ("ID2", "one-line", holds("a\n"), {"a"}, "", False),
    ("ID2", "no-final-newline", holds("a\nhalf-an-i"), {"a"}, "", False),
    ("ID2", "crlf", holds("a\r\n\r\nb\r\n"), {"a", "b"}, "", False),
    ("ID2", "comments", holds("# x\na # y\n\n  #z\nb name\n"), {"a", "b"}, "",
     False),
    ("ID2", "more-than-max-jobs", holds("".join("m-%d\n" % i
                                                for i in range(9))),
     {"m-%d" % i for i in range(5)}, "limit|MaxJobs", True),
    ("ID2", "lines-at-the-cap", holds("m-0\n" + "#\n" * 999), {"m-0"}, "",
     False),
    ("ID2", "million-lines", holds(MILLION), set(),
     "has more than 1000 lines: raise MaxJobs", False),
    ("ID2", "1-gb", sparse(1 << 30), set(), LARGE, False),
    ("ID2", "line-of-15-mb", holds(b"x" * 15000000 + b"\na\n"), {"a"},
     "longer than", True),
    ("ID2", "line-of-60-mb", holds(b"x" * 60000000 + b"\na\n"), set(),
     LARGE, False),
    ("ID4", "directory", os.mkdir, set(), NO_FILE, False),
    ("ID4", "link", link("there", holds("a\n")), {"a"}, "", False),
    ("ID4", "dangling-link", link("/nowhere/at/all"), set(), "No such", False),
    ("ID4", "link-to-shadow", link("there", private(SHADOW)), set(),
     "a word is not a kind of job", True),
    ("ID4", "fifo", os.mkfifo, set(), NO_FILE, False),
    ("ID4", "socket", make_socket, set(), NO_FILE, False),
    ("ID4", "dev-zero", "/dev/zero", set(), NO_FILE, False),
    ("ID4", "dev-null", "/dev/null", set(), NO_FILE, False),
    ("ID4", "proc", "/proc/version", set(), "", False),
    ("ID4", "binary", holds(bytes(range(256)) * 40 + b"\na\n"), {"a"},
     "control character", True),
    ("ID4", "missing", "/nonexistent/jobs", set(), "No such", False),
    ("ID5", "writable-by-all", writable, {"a"}, "can be written by", False),
    ("ID5", "in-a-writable-directory", in_writable_directory, {"a"},
     "can be written by", False),
]


def replaced(make):
    """Made beside it and renamed, as good programs do."""
    def change(path):
        make(path + ".new")
        os.rename(path + ".new", path)
    return change


def removed_and(make):
    def change(path):
        os.unlink(path)
        make(path)
    return change


def key_of(path):
    """The key file of the test whose JobFile this is: FaultTest.block."""
    return os.path.join(os.path.dirname(path), "..", "keys", "key")


def by_writer(*command):
    """What an unprivileged user does, who may write the folder."""
    def change(path):
        subprocess.run([word % {"path": path, "key": key_of(path)}
                        for word in command], check=True,
                       user=notifier_user() if os.geteuid() == 0 else None)
    return change


def in_folder_of_writer(change):
    def give_and_change(path):
        shutil.chown(os.path.dirname(path), notifier_user())
        change(path)
    return give_and_change


def strangers_folder(path):
    """Theirs is where ours was, and leads to another of ours."""
    folder = os.path.dirname(path)
    os.rename(folder, folder + "-ours")
    holds("c\n")(folder + "-ours/jobs")
    os.symlink(folder + "-ours", folder)
    os.lchown(folder, pwd.getpwnam("nobody").pw_uid, -1)


def copy_of_key(path):
    shutil.copy(key_of(path), path)


# (row, name, what becomes of a file with the jobs a and b, jobs then, log)
CHANGES = [
    ("ID3", "removed", os.unlink, {"a", "b"}, "still watched"),
    ("ID3", "renamed-over", replaced(holds("b\nc\n")), {"b", "c"}, ""),
    ("ID3", "truncated", sparse(0), set(), ""),
    ("ID3", "only-comments", holds("# none\n"), set(), ""),
    ("ID3", "half-a-line", holds("a\nb\n0199d3a2-6c1e"), {"a", "b"}, ""),
    ("ID3", "becomes-1-gb", replaced(sparse(1 << 30)), {"a", "b"},
     "still watched"),
    ("ID2", "becomes-million-lines", replaced(holds(MILLION)), {"a", "b"},
     "more than 1000 lines.*still watched"),
    ("ID3", "becomes-directory", removed_and(os.mkdir), {"a", "b"},
     "still watched"),
    ("ID3", "becomes-fifo", removed_and(os.mkfifo), {"a", "b"},
     "still watched"),
    ("ID4", "becomes-key", removed_and(lambda path: os.symlink(
        key_of(path), path)), {"a", "b"},
     "is the file of the API key; .*still watched"),
    ("ID4", "becomes-hard-link", removed_and(lambda path: (
        holds("c\n")(path + "-other"), os.link(path + "-other", path))),
     {"a", "b"}, "several hard links; .*still watched"),
    ("ID4", "becomes-copy-of-key", copy_of_key, {"a", "b"},
     "holds the API key or another secret; .*still watched"),
]
if os.geteuid() == 0:
    CHANGES += [
        ("ID4", "becomes-strangers-link", in_folder_of_writer(by_writer(
            "ln", "-sf", "%(key)s", "%(path)s")), {"a", "b"},
         "symbolic link that belongs to neither .*still watched"),
        ("ID4", "becomes-strangers-folder", strangers_folder, {"a", "b"},
         "symbolic link that belongs to neither .*still watched"),
    ]


class JobFiles(FaultTest):
    def setUp(self):
        super().setUp()
        self.blocks, self.servers, self.paths = [], {}, {}
        for _, name, make, *_ in FILES:
            self._add(name, make)
        for _, name, *_ in CHANGES:
            self._add(name, holds("a\nb\n"))

    def _add(self, name, make):
        server = Course([RUNNING])
        self.addCleanup(server.stop)
        self.servers[name] = server
        path = make if isinstance(make, str) else os.path.join(
            self.directory("jobs-" + name), "jobs")
        if path != make:
            make(path)
        self.paths[name] = path
        self.blocks.append(self.block(
            name, "http://127.0.0.1:%d" % server.port,
            'JobFile "%s"\nMaxJobs 5' % path))

    def asked(self, name, since=0):
        return {job_of(request) for at, request in self.servers[name].requests
                if at > since}

    def _unlike(self, daemon, rows, lines, since=0):
        for _, name, _, jobs, text, *notifies in rows:
            about = [line for line in lines if "JobFile %s" % self.paths[name]
                     in line]
            asked = self.asked(name, since)
            if asked != jobs or bool(about) != bool(text) or not re.search(
                    text, "\n".join(about)):
                yield name, asked, about
            told = [n for n in daemon.notifications() if "jobs refused" in
                    n.message and n.PluginInstance == name]
            if len(told) != sum(notifies):
                yield name, told

    def lines(self, daemon):
        return [line for line in daemon.log_text().splitlines()
                if "firecrawl plugin: " in line and "jobs refused" not in line]

    def test_whatever_the_file_is_or_becomes(self):
        daemon = self.faulty_daemon(self.blocks)
        before = [("", name, None, {"a", "b"}, "") for _, name, *_ in CHANGES]
        wait_until_empty(lambda: list(self._unlike(
            daemon, FILES + before, self.lines(daemon))),
            "every file is understood", 20)
        for _, name, change, *_ in CHANGES:
            change(self.paths[name])
        wait_until_empty(lambda: list(self._unlike(
            daemon, CHANGES, self.lines(daemon), time.monotonic() - 2.5)),
            "every change is followed", 20)
        self.assertEqual(list(self._unlike(
            daemon, FILES, self.lines(daemon))), [])
        self.check_invariants(daemon, {("one-line", "a"), ("removed", "b")})
        self.end(daemon, [row[:2] for row in FILES + CHANGES])


class Writer(FaultTest):
    """A program that rewrites the file a thousand times a second, in place and
    in two halves."""
    JOBS = 20

    def setUp(self):
        super().setUp()
        self.server = Course([RUNNING])
        self.addCleanup(self.server.stop)
        self.path = os.path.join(self.directory("jobs"), "jobs")
        self.ids = [UUID % i for i in range(self.JOBS)]
        self.text = "\n".join(self.ids) + "\n"
        holds(self.text)(self.path)
        self.ended = threading.Event()
        self.writes = 0

    def write(self):
        while not self.ended.wait(0.001):
            with open(self.path, "w") as file:
                file.write(self.text[:200])
                file.flush()
                file.write(self.text[200:])
            self.writes += 1

    def test_a_file_that_is_always_being_written(self):
        daemon = self.faulty_daemon([self.block(
            "writer", "http://127.0.0.1:%d" % self.server.port,
            'JobFile "%s"\nMaxRequestsPerMinute 0' % self.path)])
        daemon.wait_metric("jobs", "processing", self.JOBS)
        writer = threading.Thread(target=self.write)
        writer.start()
        try:
            wait_for(lambda: self.writes > 3000, "it writes", 30)
        finally:
            self.ended.set()
            writer.join()
        daemon.wait_metric("jobs", "processing", self.JOBS)
        self.assertEqual({job_of(request)
                          for _, request in self.server.requests},
                         set(self.ids))
        self.check_invariants(daemon, {("writer", job) for job in self.ids})
        self.end(daemon, [("ID3", "writer-at-1-khz")])


class Unreadable(FaultTest):
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_a_file_that_cannot_be_read_is_told_of_and_tried_again(self):
        server = Course([RUNNING])
        self.addCleanup(server.stop)
        path = os.path.join(self.directory("jobs"), "jobs")
        holds("a\n")(path)
        daemon = self.faulty_daemon([self.block(
            "eio", "http://127.0.0.1:%d" % server.port,
            'JobFile "%s"' % path)], wrapper=[
                "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", path,
                "-e", "trace=read", "-e", "inject=read:error=EIO:when=1..3"])
        wait_for(lambda: "Input/output error" in daemon.log_text(),
                 "the error is told")
        wait_for(lambda: server.requests, "it is tried again")
        wait_for(lambda: "can be read now" in daemon.log_text(),
                 "the recovery is told")
        self.check_invariants(daemon, {("eio", "a")})
        self.end(daemon, [("ID4", "read-error")])


class VanishAndReturn(FaultTest):
    def run_jobs(self, count):
        server = Course([FAILED])
        self.addCleanup(server.stop)
        path = os.path.join(self.directory("jobs"), "jobs")
        text = "".join(UUID % i + "\n" for i in range(count))
        replaced(holds(text))(path)
        daemon = self.configured(self.block(
            "return", "http://127.0.0.1:%d" % server.port,
            'JobFile "%s"\nMaxRequestsPerMinute 0\nJobMetrics none' % path))
        self.without_handlers(daemon, "exec")  # a process for each of them
        daemon.start()
        daemon.wait_metric("jobs", "failed", count, 120)
        for _ in range(2):
            replaced(holds("# none\n"))(path)
            daemon.wait_metric("jobs", "failed", 0)
            replaced(holds(text))(path)
            daemon.wait_metric("jobs", "failed", count)
        self.assertEqual(len(daemon.sunk()), count)
        self.check_state(daemon, {("return", UUID % 0)})
        self.check_events(daemon)
        self.end(daemon, [("ID6", "vanish-%d" % count)])

    def test_jobs_that_vanish_and_return_are_not_told_of_again(self):
        self.run_jobs(50)

    @needs_all
    def test_10000_jobs_that_vanish_and_return(self):
        self.run_jobs(10000)
