#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make faults: runs every test that t/system/faults.txt names, the long ones
too, and says how many rows of the matrix of faults passed. Exit status 0 if none
failed. Environment as for t/system/run.py; FC_JOBS of its classes at a time."""

import os
import re
import subprocess
import sys

BUILD = os.environ.get("builddir", ".")
SOURCE = os.environ.get("srcdir", ".")
RUNNER = SOURCE + "/t/system/run.py"
sys.path.insert(0, SOURCE + "/t/system")

from test_inventory import inventory  # pylint: disable=wrong-import-position


def programs():
    """Those that have a test of a row, as paths from the build tree."""
    return sorted({where.partition(".c:")[0] for _, _, where in inventory()
                   if ".c:" in where})


def run_program(path):
    """{test: whether all its rounds passed}"""
    done = subprocess.run(
        [BUILD + "/" + path], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        env={**os.environ, "CK_VERBOSITY": "verbose"})
    tests = {}
    for result, name in re.findall(r"^\S+:\d+:([PFE]):[^:]*:(\w+):\d+:",
                                   done.stdout, re.M):
        tests[name] = tests.get(name, True) and result == "P"
    return tests


def run_system(names):
    """({row or test: whether it passed}, seconds from SIGTERM to exit, whether
    all passed: what comes after a row's end is a failure of no row)"""
    process = subprocess.Popen(
        [sys.executable, RUNNER, "test_faults"] + names,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "FC_ALL": "1"})
    passed, seconds = {}, []
    for line in process.stdout:
        if not line.startswith("# row"):
            print(line, end="", flush=True)
        row = re.match(r"# row \S+ (\S+) passed", line)
        test = re.match(r"(not )?ok (\S+)", line)
        if row:
            passed[row.group(1)] = True
        elif test:
            passed[test.group(2).split(".")[-1]] = not test.group(1)
        elif line.startswith("# SIGTERM to exit "):
            seconds.append(float(line.split()[4]))
    return passed, seconds, process.wait() == 0


def main():
    lines = inventory()
    places = [where.partition(":")[::2] for _, _, where in lines]
    checks = {path + ".c": run_program(path) for path in programs()}
    system, seconds, good_at_all = run_system(sorted({
        name for path, name in places if path.endswith(".py")
        and name.startswith("test_")}))
    results = {}
    for (row, variant, where), (path, name) in zip(lines, places):
        good = None if path == "none" else (
            checks[path] if path in checks else system).get(name, False)
        results.setdefault(row, []).append(good)
        if good is False:
            print("not passed: %s %s (%s)" % (row, variant, where))
    every = [good for row in results.values() for good in row]
    bad = sum(False in row for row in results.values())
    idle = [row for row, found in results.items() if not any(found)
            and False not in found]
    print("%d of %d rows passed%s; %d variants passed, %d failed, %d cannot run "
          "here" % (len(results) - bad - len(idle), len(results),
                    " (none: %s)" % " ".join(idle) if idle else "",
                    every.count(True), every.count(False), every.count(None)))
    print("SIGTERM to exit: at most %.3f s, %d times" % (
        max(seconds, default=0), len(seconds)))
    sys.exit(0 if good_at_all and not bad else 1)


if __name__ == "__main__":
    main()
