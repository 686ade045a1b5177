# SPDX-License-Identifier: MIT
"""faults.txt says which test covers which row of the matrix of faults. It must
have every row, and every test that it names must exist."""

import os
import re
import unittest

from harness import SOURCE

COUNTS = {"N": (1, 14), "L": (1, 5), "H": (1, 19), "J": (1, 8), "ID": (1, 6),
          "S": (1, 10), "K": (20, 24), "A": (1, 4), "T": (1, 6), "M": (1, 5),
          "D": (1, 5)}


def inventory():
    """[(row, variant, where)]"""
    lines = []
    with open(SOURCE + "/t/system/faults.txt") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                what, _, where = line.strip().partition(" | ")
                row, _, variant = what.partition(" ")
                lines.append((row, variant, where))
    return lines


def exists(where):
    path, _, name = where.partition(":")
    if path == "none":
        return bool(name.strip())
    if not os.path.exists(SOURCE + "/" + path):
        return False
    with open(SOURCE + "/" + path) as file:
        text = file.read()
    forms = ["START_TEST(%s)"] if path.endswith(".c") else [
        '"%s"', "def %s("]
    return any(form % name in text for form in forms)


class Inventory(unittest.TestCase):
    def test_every_row_is_there(self):
        there = {row for row, _, _ in inventory()}
        rows = {"%s%d" % (letter, number)
                for letter, (first, last) in COUNTS.items()
                for number in range(first, last + 1)}
        self.assertEqual(rows - there, set())
        self.assertEqual(there - rows, set())

    def test_every_test_exists(self):
        self.assertEqual([line for line in inventory()
                          if not line[1] or not exists(line[2])], [])

    def test_every_row_of_the_rig_is_listed(self):
        """What a test says it has passed."""
        listed = {where for _, _, where in inventory()}
        for name in sorted(os.listdir(SOURCE + "/t/system")):
            if not re.fullmatch(r"(test_faults|h2_)\w*\.py", name):
                continue
            with open("%s/t/system/%s" % (SOURCE, name)) as file:
                rows = re.findall(r'^    \("(?:[A-Z]+\d+", ")?([a-z0-9-]+)",',
                                  file.read(), re.M)
            for row in rows:
                self.assertTrue(any(where.endswith(":" + row)
                                    for where in listed), (name, row))
