# SPDX-License-Identifier: MIT
"""The manuals say of the options what the code does: its tables have their names, and
t/plugin/options tells whether a documented default changes anything."""

import glob
import os
import re
import subprocess
import unittest

from harness import BUILD, SOURCE

POD = "plugin/collectd-firecrawl.pod"
# Options that are no instance's.
OUTSIDE = {"StateFile", "Instance"}


def change(name, value):
    """What the option changes, in the word of t/plugin/options."""
    return subprocess.run([BUILD + "/t/plugin/options", name, value], check=True,
                          capture_output=True, text=True).stdout.strip()


def read(path):
    with open(os.path.join(SOURCE, path)) as file:
        return file.read()


def code_options():
    """The names of an <Instance>'s options in the tables of the code."""
    return set(re.findall(r'^    {"(\w+)", get_\w+,', read("plugin/config.c"), re.M) +
               re.findall(r'\.option = "(\w+)"', read("src/api/kind.c")))


def literal(text):
    """The value in "C<v1>" or "B<all>" or "`all`" or "5000"; None if it is a
    phrase."""
    match = re.fullmatch(r"[BC]<([^<>]+)>|`([^`]+)`|(\d+)", text.strip())
    return next((g for g in match.groups() if g), None) if match else None


def pod_options():
    """{option: default as written, or None} of the =items in OPTIONS."""
    text = read(POD).partition("=head1 OPTIONS")[2].partition("=head1")[0]
    found = {}
    waiting = []
    for item in re.split(r"^=item ", text, flags=re.M)[1:]:
        title, _, body = item.partition("\n\n")
        # A value is bold too, behind a bar or as one of "B<true>|B<false>".
        names = re.findall(r"(?:^|, |E<lt>)B<(\w+)>", title)
        body = body.partition("=back")[0]
        default = re.search(r"Default:\s+(.+?)\.(?:\s|$)", body, re.S)
        waiting += names
        if body.strip():
            for name in waiting:
                found[name] = default and default.group(1).replace("\n", " ")
            waiting = []
    return found


def readme_options():
    """{option: default as written} of README's table."""
    text = read("README.md").partition("## Configuration")[2].partition("\n## ")[0]
    found = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.M):
        for name in re.findall(r"`(\w+)`", row[0]):
            found[name] = row[1]
    found.update(dict.fromkeys(re.findall(r"^`(\w+)`, directly in", text, re.M)))
    return found


class Manual(unittest.TestCase):
    def setUp(self):
        self.code = code_options()
        self.pod = pod_options()
        self.readme = readme_options()

    def test_the_manual_has_every_option_and_no_other(self):
        self.assertEqual(set(self.pod), self.code | OUTSIDE)

    def test_the_readme_has_every_option_and_no_other(self):
        self.assertEqual(set(self.readme), self.code | {"StateFile"})

    def test_a_documented_default_is_the_codes(self):
        checked = set()
        for manual in self.pod, self.readme:
            for name in self.code:
                value = literal(manual[name] or "")
                if value:
                    checked.add(name)
                    self.assertEqual(
                        change(name, '"%s"' % value if not value.isdigit()
                               else value), "nothing", (name, value))
        # Not vacuous: all numbers, words and switches have one.
        self.assertGreater(len(checked), 15)

    def test_the_two_manuals_name_the_same_defaults(self):
        for name in self.code:
            pod, readme = self.pod[name], self.readme[name]
            if literal(readme):
                self.assertEqual(literal(pod or ""), literal(readme), name)
            elif readme == "none":
                self.assertIsNone(pod, name)

    def test_an_option_without_a_default_takes_no_number_or_switch(self):
        for name in self.code:
            if self.pod[name] is None:
                for value in "1", "true", "false":
                    self.assertEqual(change(name, value), "refused",
                                     "%s has a default" % name)

    def test_the_manuals_have_no_pod_error(self):
        paths = [path for folder in ("plugin", "src")
                 for path in glob.glob("%s/%s/*.pod" % (SOURCE, folder))]
        self.assertTrue(paths)
        done = subprocess.run(["podchecker", "-warnings", "-warnings", *paths],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stdout + done.stderr, "WARNING|ERROR")
