# SPDX-License-Identifier: MIT
"""A hundred jobs that end some time, each replaced by a new one when the daemon
has told of its end; and what was told, as the sink plugin was handed it."""

import collections
import os
import re

JOBS = 100
ENDS = ("failed", "cancelled", "completed")


class Told:
    """What the sink was handed: which events, how often and how marked."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.marks = collections.defaultdict(list)  # of each key
        self.keys = collections.defaultdict(set)  # of each job

    def read(self):
        if not os.path.exists(self.path):
            return
        with open(self.path) as file:
            file.seek(self.offset)
            text = file.read()
        text = text[:text.rfind("\n") + 1]
        self.offset += len(text)
        for line in text.splitlines():
            if line.count("\t") < 4:
                continue  # between two, or cut by a kill
            _, key, duplicate, kind, message = line.split("\t", 4)
            match = re.match(r"extract \S+ \((\S+)\) (\w+)", message)
            if kind == "job_status" and match:
                self.marks[key].append(duplicate == "true")
                self.keys[match.group(1)].add(key)

    def repeated(self):
        return sum(len(marks) - 1 for marks in self.marks.values())

    def unmarked(self):
        return sum(marks[1:].count(False) for marks in self.marks.values())

    def of_two_keys(self):
        return sum(len(keys) > 1 for keys in self.keys.values())


class Turnover:
    """Keeps a JobFile and the fake server's script."""

    def __init__(self, server, path, told, chance, life_seconds):
        self.server = server
        self.path = path
        self.told = told
        self.chance = chance
        self.life_seconds = life_seconds
        self.jobs = [""] * JOBS
        self.begun = 0

    def untold(self):
        self.told.read()
        return [job for job in self.jobs if job not in self.told.keys]

    def replace(self):
        self.told.read()
        script = []
        for place, job in enumerate(self.jobs):
            if not job or job in self.told.keys:
                self.jobs[place] = "job-%d" % self.begun
                self.begun += 1
                script.append(
                    'job extract %s\n  state processing for %.2fs\n'
                    '  state %s error="no"\n' % (
                        self.jobs[place],
                        self.chance.uniform(*self.life_seconds),
                        self.chance.choice(ENDS)))
        if script:
            self.server.script("".join(script))
            self._write()

    def _write(self):
        with open(self.path + ".new", "w") as file:
            file.writelines("%s place-%d\n" % (job, place)
                            for place, job in enumerate(self.jobs))
        os.rename(self.path + ".new", self.path)
