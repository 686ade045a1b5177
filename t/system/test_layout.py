# SPDX-License-Identifier: MIT
"""The folders are the architecture: who may include whom, what lies where, and
that every module has its test. contrib/HACKING.md has the picture."""

import os
import re
import tempfile
import unittest

TOP = os.environ.get("srcdir") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Each may include itself and what stands before it.
FLOORS = ["base", "api", "watch", "state", "ctl"]
# What the glue may include of src/: not the tool.
PLUGIN = FLOORS[:-1]
THIRD_PARTY = {"curl/curl.h", "json-c/json.h", "sqlite3.h"}
COLLECTD = re.compile(r"(collectd|plugin|configfile|globals|types_list)\.h$|"
                      r"(utils|daemon|liboconfig)[/_]")
LIBC = set("""
    ctype errno fcntl getopt inttypes limits locale malloc math netdb poll pthread
    search semaphore signal spawn stdarg stdatomic stdbool stddef stdint stdio
    stdlib string strings time unistd wchar
    """.split())

# Modules without a test of their own name, and where they are tested.
TESTED_IN = {
    "src/base/clock.c": "t/watch/check_poller.c",
    "src/base/glyph.c": "t/base/check_text.c",
    "src/base/secret.c": "t/base/check_text.c",
    "src/watch/endpoint.c": "t/watch/check_instance_trouble.c",
    "src/watch/instance_jobs.c": "t/watch/check_instance.c",
    "src/watch/instance_poll.c": "t/watch/check_instance.c",
    "src/watch/instance_read.c": "t/watch/check_instance.c",
    "src/watch/instance_save.c": "t/watch/check_instance.c",
    "src/watch/refusals.c": "t/watch/check_instance_trouble.c",
    "src/watch/reports.c": "t/watch/check_instance_trouble.c",
    "src/watch/stats.c": "t/watch/check_instance_trouble.c",
    "src/state/absent.c": "t/state/check_journal.c",
    "src/state/db.c": "t/state/check_store.c",
    "src/ctl/ask.c": "t/system/test_firecrawlctl.py",
    "src/ctl/check.c": "t/ctl/check_firecrawlctl.c",
    "src/ctl/ctl.c": "t/ctl/check_firecrawlctl.c",
    "src/ctl/list.c": "t/system/test_firecrawlctl.py",
    "src/ctl/main.c": "t/system/test_firecrawlctl.py",
    "src/ctl/options.c": "t/ctl/check_firecrawlctl.c",
    "src/ctl/print.c": "t/ctl/check_firecrawlctl.c",
    "src/ctl/register.c": "t/ctl/check_firecrawlctl.c",
    "src/ctl/status.c": "t/system/test_firecrawlctl.py",
    "src/ctl/watch.c": "t/system/test_firecrawlctl.py",
    "src/ctl/watched.c": "t/ctl/check_firecrawlctl.c",
}
FLAT_TESTS_MAX = 2

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def sources(top, folder):
    """The C files below a folder, as paths from the top."""
    for path, _, names in os.walk(os.path.join(top, folder)):
        for name in names:
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(path, name), top)


def includes(top, file):
    with open(os.path.join(top, file), encoding="utf-8") as source:
        return INCLUDE.findall(source.read())


def is_libc(header):
    return header.startswith("sys/") or header[:-len(".h")] in LIBC


def may_include(file, header):
    """Of ours. For a file that lies in the wrong place no rule is known."""
    folder, target = file.split("/"), header.split("/")
    if folder[0] == "plugin":
        return target[0] == "plugin" or (target[0] == "src" and
                                         target[1] in PLUGIN)
    return folder[1] not in FLOORS or (
        target[0] == "src" and
        target[1] in FLOORS[:FLOORS.index(folder[1]) + 1])


def of_ours(file, header):
    folder = os.path.dirname(file)
    if file.split("/")[0] in ("src", "plugin") and not may_include(file, header):
        yield "%s may not include %s" % (file, header)
    if header.endswith("_private.h") and os.path.dirname(header) != folder:
        yield "%s includes %s, which is private to its folder" % (file, header)


def of_others(top):
    """Headers in angle brackets, of src/ only: the glue and the tests see more."""
    users = {header: [] for header in THIRD_PARTY}
    for file in sources(top, "src"):
        for bracket, header in includes(top, file):
            if bracket == '"' or is_libc(header):
                continue
            if COLLECTD.match(header):
                yield "%s includes collectd's %s" % (file, header)
            elif header not in THIRD_PARTY:
                yield "%s includes %s, which is of no library that src/ uses" % (
                    file, header)
            else:
                users[header].append(file)
    for header, files in sorted(users.items()):
        if len(files) != 1 or not files[0].endswith(".c"):
            yield "%s is to be included by one .c of src/, not by %s" % (
                header, sorted(files) or "none")


def of_places(top):
    for file in sources(top, "src"):
        parts = file.split("/")
        if len(parts) != 3 or parts[1] not in FLOORS:
            yield "%s lies in none of src/{%s}" % (file, ",".join(FLOORS))
    flat = [file for file in sources(top, "t")
            if file.count("/") == 1 and file.endswith(".c")]
    if len(flat) > FLAT_TESTS_MAX:
        yield "%d .c files lie flat in t/: %s" % (len(flat), sorted(flat))


def of_tests(top, tested_in):
    def there(file):
        return os.path.exists(os.path.join(top, file))

    for file in sources(top, "src"):
        if not file.endswith(".c") or file.count("/") != 2:
            continue
        _, folder, name = file.split("/")
        own = "t/%s/check_%s" % (folder, name)
        if there(own) == (file in tested_in):
            yield "%s %s %s" % (
                file, "has a test of its own and is listed beside"
                if there(own) else "lacks", own)
    for file, test in tested_in.items():
        if not there(file) or not there(test):
            yield "%s, tested in %s: one of the two is gone" % (file, test)


def violations(top, tested_in):
    found = []
    for folder in ("src", "plugin", "t"):
        for file in sources(top, folder):
            for bracket, header in includes(top, file):
                if bracket == '"':
                    found += of_ours(file, header)
    return sorted(found + list(of_others(top)) + list(of_places(top)) +
                  list(of_tests(top, tested_in)))


# A tree that keeps the rules.
GOOD = {
    "src/base/text.h": "#include <stdio.h>\n#include <sys/stat.h>\n",
    "src/base/text.c": '#include "src/base/text.h"\n',
    "src/api/parse.c": '#include "src/base/text.h"\n#include <json-c/json.h>\n',
    "src/api/net.c": "#include <curl/curl.h>\n",
    "src/watch/job.h": '#include "src/base/text.h"\n',
    "src/watch/job_private.h": "",
    "src/watch/job.c": '#include "src/watch/job_private.h"\n',
    "src/state/store.c": '#include "src/watch/job.h"\n#include <sqlite3.h>\n',
    "src/ctl/main.c": '#include "src/state/store.h"\n',
    "plugin/glue.c": '#include <collectd.h>\n#include "src/watch/job.h"\n'
                     '#include "plugin/glue.h"\n',
    "t/base/check_text.c": '#include "t/suite.h"\n#include "src/base/text.h"\n',
    "t/api/check_parse.c": "#include <json-c/json.h>\n",
    "t/api/check_net.c": "#include <curl/curl.h>\n",
    "t/watch/check_job.c": "",
    "t/state/check_store.c": "",
    "t/system/test_main.py": "",
    "t/one.c": "",
    "t/two.c": "",
}
GOOD_TESTED_IN = {"src/ctl/main.c": "t/system/test_main.py"}

# (what is planted, what is said; None: the file is taken away)
PLANTED = [
    ("src/base/heap.h", '#include "src/api/parse.h"', "may not include"),
    ("src/api/url.h", '#include "src/watch/job.h"', "may not include"),
    ("src/watch/poller.h", '#  include "src/state/store.h"',
     "src/watch/poller.h may not include src/state/store.h"),
    ("src/state/disk.h", '#include "src/ctl/ctl.h"', "may not include"),
    ("src/state/disk.h", '#include "plugin/glue.h"', "may not include"),
    ("src/base/heap.h", '#include "t/suite.h"', "may not include"),
    ("src/base/heap.h", '#include "text.h"', "may not include"),
    ("plugin/log.c", '#include "src/ctl/ctl.h"',
     "plugin/log.c may not include src/ctl/ctl.h"),
    ("plugin/log.c", '#include "t/suite.h"', "may not include"),
    ("src/base/heap.h", "#include <collectd.h>", "collectd's collectd.h"),
    ("src/ctl/ctl.h", "#include <utils/common/common.h>", "collectd's"),
    ("src/ctl/ctl.h", "#include <plugin.h>", "collectd's plugin.h"),
    ("src/state/disk.h", "#include <sqlite3.h>", "one .c of src/"),
    ("src/api/parse.h", "#include <json-c/json.h>", "one .c of src/"),
    ("src/api/net.c", "", "curl/curl.h is to be included by one .c"),
    ("src/base/heap.h", "#include <yajl/yajl_parse.h>", "of no library"),
    ("plugin/log.c", '#include "src/watch/job_private.h"', "is private"),
    ("src/state/disk.h", '#include "src/watch/job_private.h"', "is private"),
    ("t/base/check_heap.c", '#include "src/watch/job_private.h"', "is private"),
    ("src/heap.c", '#include "src/base/text.h"', "src/heap.c lies in none of"),
    ("src/base/deep/heap.h", "", "src/base/deep/heap.h lies in none of"),
    ("src/misc/heap.h", "", "src/misc/heap.h lies in none of"),
    ("t/three.c", "", "3 .c files lie flat in t/"),
    ("src/base/heap.c", "", "src/base/heap.c lacks t/base/check_heap.c"),
    ("t/watch/check_job.c", None, "src/watch/job.c lacks"),
    ("t/ctl/check_main.c", "", "has a test of its own and is listed"),
    ("t/system/test_main.py", None, "is gone"),
    ("src/ctl/main.c", None, "is gone"),
]


def plant(top, tree):
    for file, text in tree.items():
        path = os.path.join(top, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as source:
            source.write(text)


class Layout(unittest.TestCase):
    def test_the_sources_keep_the_rules(self):
        self.assertTrue(list(sources(TOP, "src")))
        self.assertEqual("", "\n".join(violations(TOP, TESTED_IN)))

    def test_what_keeps_the_rules_is_let_be(self):
        with tempfile.TemporaryDirectory() as top:
            plant(top, GOOD)
            self.assertEqual([], violations(top, GOOD_TESTED_IN))

    def test_each_rule_finds_what_breaks_it(self):
        for file, text, said in PLANTED:
            with self.subTest(file=file, text=text), \
                    tempfile.TemporaryDirectory() as top:
                plant(top, GOOD)
                if text is None:
                    os.unlink(os.path.join(top, file))
                else:
                    plant(top, {file: text})
                found = violations(top, GOOD_TESTED_IN)
                self.assertEqual(1, len(found), found)
                self.assertIn(said, found[0])
