# SPDX-License-Identifier: MIT
"""The fault rig's rows A: what can be wrong with the file of the key, and a key
that changes while the daemon runs."""

import contextlib
import os
import pwd
import re
import threading
import time
import unittest

from harness import KEY, Listener, SystemTest, wait_for, wait_until_empty
from raw_server import read_request, reply

SECRET = b"5ecret-k3y"
NEXT_KEY = "fc-fedcba9876543210"
ROTATION_SECONDS = 30 if os.environ.get("FC_ALL") else 2

INSTANCE = """
  <Instance "%(name)s">
    URL "%(url)s"
    APIKeyFile "%(key)s"
    Interval 0.3
    MaxRequestsPerMinute 0
    Extract "job-%(name)s"
  </Instance>
"""

# (row, name, content or how it is made, None if it is good or why it is not)
FILES = [
    ("A1", "missing", os.unlink, "cannot be opened"),
    ("A1", "empty", b"", "is empty"),
    ("A1", "only-newline", b"\n", "is empty"),
    ("A1", "crlf", KEY.encode() + b"\r\n", None),
    ("A1", "no-newline", KEY.encode(), None),
    ("A1", "space-before", b" " + SECRET, "white space"),
    ("A1", "space-after", SECRET + b" \n", "white space"),
    ("A1", "two-lines", SECRET + b"\n" + SECRET, "white space"),
    ("A1", "header-injection", SECRET + b"\r\nX: y", "white space"),
    ("A1", "nul", SECRET + b"\0" + SECRET, "bytes that no key has"),
    ("A1", "not-ascii", SECRET + b"\xc3\xa9", "bytes that no key has"),
    ("A1", "byte-order-mark", b"\xef\xbb\xbf" + SECRET,
     "bytes that no key has"),
    ("A1", "5-kb", SECRET * 500, "more than a key"),
    ("A1", "100-kb", SECRET * 10000, "is larger than"),
    ("A2", "readable-by-others", lambda path: os.chmod(path, 0o644), None),
    ("A2", "readable-by-group", lambda path: os.chmod(path, 0o640), None),
    ("A2", "fifo", lambda path: (os.unlink(path), os.mkfifo(path)),
     "no regular file"),
    ("A2", "folder", lambda path: (os.unlink(path), os.mkdir(path)),
     "no regular file"),
    ("A2", "link", lambda path: (os.rename(path, path + "-real"),
                                 os.symlink(path + "-real", path)), None),
]
if os.geteuid() == 0:
    FILES.append(("A2", "foreign-owner", lambda path: os.chown(
        path, pwd.getpwnam("nobody").pw_uid, -1), None))


def spoil(path, how):
    if callable(how):
        how(path)
        return
    with open(path, "wb") as file:
        file.write(how)


class KeyServer(Listener):
    """Takes every key that ever was a whole one, but rejects all but the
    newest ones. Notes what never was one."""

    NEWEST = 20

    def __init__(self):
        self.keys = []
        self.known = set()
        self.seen = set()
        self.lock = threading.Lock()
        super().__init__()

    def rotate(self, key):
        with self.lock:
            self.keys.append(key)
            self.known.add(key)

    def handle(self, connection):
        with contextlib.suppress(OSError), connection:
            while request := read_request(connection):
                key = re.search(rb"(?i)authorization: bearer ([^\r]*)",
                                request)
                key = key.group(1).decode() if key else None
                with self.lock:
                    good = key in self.keys[-self.NEWEST:]
                    self.seen.add(key)
                connection.sendall(reply() if good else reply(
                    401, b'{"success":false}'))


class KeyFaults(SystemTest):
    def setUp(self):
        super().setUp()
        self.server = self.fake("job extract *\n  state processing\n")
        self.paths = {}

    def block(self, name):
        path = os.path.join(self.directory("keys"), "key-" + name)
        with open(path, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(KEY + "\n")
        self.paths[name] = path
        return INSTANCE % {"name": name, "url": self.server.url, "key": path}

    @staticmethod
    def replace(path, key):
        if os.path.isdir(path):
            os.rmdir(path)
        with open(path + ".new", "w") as file:
            file.write(key)
        os.rename(path + ".new", path)

    def counts(self):
        return {name: self.server.count("job-" + name) for name in self.paths}

    def check_polled(self, names, more=2):
        before = self.counts()
        wait_until_empty(lambda: [
            name for name, count in self.counts().items()
            if name in names and count < before[name] + more], "all are polled")

    def test_a_bad_key_file_is_waited_for_at_the_start(self):
        blocks = "".join(self.block(name) for _, name, *_ in FILES)
        for _, name, how, _ in FILES:
            spoil(self.paths[name], how)
        daemon = self.collectd(blocks)
        self.check_polled([name for _, name, _, why in FILES if not why])
        log = daemon.log_text() + daemon.output_text()
        for row, name, _, why in FILES:
            with self.subTest(row=row, name=name):
                waiting = re.search(
                    r'<Instance "%s">: APIKeyFile: .*%s.*; no request is made '
                    "until it holds a key" % (name, why), log)
                self.assertEqual(bool(waiting), bool(why))
                self.assertEqual(self.server.count("job-" + name) == 0,
                                 bool(why))
                self.assertEqual(bool(re.search(
                    '<Instance "%s">: APIKeyFile: .*chmod 600' % name, log)),
                    "readable" in name)
        self.assertNotIn(SECRET.decode(), log)
        self.assertNotIn(KEY, log)
        self.assertNotIn("disabled", log)
        for path in self.paths.values():
            self.replace(path, KEY)
        self.check_polled(self.paths)
        self.assertEqual(self.server.rejected(), 0)
        self.assertEqual(daemon.notifications(), [])

    def test_a_key_file_that_turns_bad_leaves_the_key(self):
        clock = self.clock()
        daemon = clock.of(self.configured("".join(
            self.block(name) for _, name, *_ in FILES)))
        daemon.start()
        self.check_polled(self.paths)
        for _, name, how, _ in FILES:
            spoil(self.paths[name], how)
        for _ in range(3):  # it changed, it stays, it is read
            self.check_polled(self.paths)
            clock.step(mono=1.1)
        self.check_polled(self.paths)
        self.assertEqual(self.server.rejected(), 0)
        self.assertEqual(daemon.notifications(), [])
        for path in self.paths.values():
            self.replace(path, NEXT_KEY)
        self.server.script("key %s\n" % NEXT_KEY)
        wait_until_empty(lambda: [
            key for key, value in daemon.instance_metrics().items()
            if key[1] == "api_up" and value != 1], "the new key is used")
        self.check_polled(self.paths)
        self.assertNotIn(SECRET.decode(), daemon.log_text())

    def rotate(self, server, path, seconds):
        """A thousand keys a second, written in two halves or renamed."""
        deadline = time.monotonic() + seconds
        number = 0
        while time.monotonic() < deadline:
            key = "key-%06d-%s" % (number, "x" * 40)
            server.rotate(key)
            with open(path + (".new" if number % 4 == 0 else ""), "wb",
                      buffering=0) as file:
                file.write(key[:30].encode())
                time.sleep(0.0005)
                file.write(key[30:].encode())
            if number % 4 == 0:
                os.rename(path + ".new", path)
            number += 1
            time.sleep(0.0005)
        return key

    def test_no_request_has_half_a_key(self):
        server = KeyServer()
        self.addCleanup(server.stop)
        self.server.url = "http://127.0.0.1:%d" % server.port
        blocks = "".join(self.block("rotated-%d" % i) for i in range(20))
        path = self.paths["rotated-0"]
        server.rotate(KEY)
        daemon = self.collectd(re.sub(
            'APIKeyFile ".*"', 'APIKeyFile "%s"' % path, blocks))
        wait_for(lambda: KEY in server.seen, "the first key is used")
        last = self.rotate(server, path, ROTATION_SECONDS)
        wait_for(lambda: last in server.seen, "the last key is used", 40)
        wait_until_empty(lambda: [
            key for key, value in daemon.instance_metrics().items()
            if key[1] == "api_up" and value != 1], "all is well again", 40)
        print("# %d keys, %d of them used" % (len(server.keys),
                                              len(server.seen)))
        self.assertEqual(server.seen - server.known, set())
        self.assertNotIn("xxxxxxxx", daemon.log_text())


if __name__ == "__main__":
    unittest.main()
