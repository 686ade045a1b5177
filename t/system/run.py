#!/usr/bin/env python3
"""Runs the whole-system tests: "ok NAME" or "not ok NAME" for each, exit status
0 when all are ok. Arguments pick tests by a part of their names."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class PlainResult(unittest.TextTestResult):
    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        print("ok %s" % test.id(), flush=True)

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


def main():
    found = unittest.defaultTestLoader.discover(
        os.path.dirname(os.path.abspath(__file__)), "test_*.py")
    suite = unittest.TestSuite(wanted(found, sys.argv[1:]))
    result = unittest.TextTestRunner(
        resultclass=PlainResult, stream=open(os.devnull, "w")).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


main()
