#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the whole-system tests: "ok NAME (SECONDS s)" or "not ok NAME" for each,
exit status 0 when all are ok. Arguments pick tests by a part of their names.

They mostly wait: FC_JOBS of their classes (3) run side by side."""

import concurrent.futures
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class PlainResult(unittest.TextTestResult):
    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.started = time.monotonic()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        print("ok %s (%.1f s)" % (test.id(), time.monotonic() - self.started),
              flush=True)

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._not_ok(test, self.failures)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._not_ok(test, self.errors)

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        print("skip %s: %s" % (test.id(), reason), flush=True)

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self._not_ok(subtest, self.failures if issubclass(
                err[0], test.failureException) else self.errors)
        elif "row" in subtest.params:
            name = subtest.params.get("name") or subtest.params.get("call")
            print("# row %s %s passed" % (subtest.params["row"], name),
                  flush=True)

    @staticmethod
    def _not_ok(test, records):
        print("not ok %s\n# %s" % (test.id(), records[-1][1].replace(
            "\n", "\n# ")), flush=True)


def wanted(suite, parts):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from wanted(item, parts)
        elif not parts or any(part in item.id() for part in parts):
            yield item


def run(tests):
    result = unittest.TextTestRunner(
        resultclass=PlainResult, stream=open(os.devnull, "w")).run(
            unittest.TestSuite(tests))
    return bool(result.wasSuccessful() and (result.testsRun or result.skipped))


def run_apart(tests):
    """In a process of their own, whose output comes as one."""
    done = subprocess.run([sys.executable, __file__] + [
        test.id() for test in tests], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, end="", flush=True)
    return done.returncode == 0


def main():
    found = unittest.defaultTestLoader.discover(
        os.path.dirname(os.path.abspath(__file__)), "test_*.py")
    classes = {}
    for test in wanted(found, sys.argv[1:]):
        classes.setdefault(type(test), []).append(test)
    if len(classes) > 1:
        with concurrent.futures.ThreadPoolExecutor(
                int(os.environ.get("FC_JOBS", "3"))) as pool:
            good = all(list(pool.map(run_apart, classes.values())))
    else:
        good = run([test for tests in classes.values() for test in tests])
    sys.exit(0 if good else 1)


main()
