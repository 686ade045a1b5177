# SPDX-License-Identifier: MIT
"""The dashboards of contrib/grafana: every query has data, from a real
Prometheus and a real graphite-web that the plugin has filled; and the files
keep the rules of Grafana's dashboard-linter."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import graphs
import graphs_rig
import harness
from harness import wait_for, wait_until_empty

BOARDS = ("prometheus", "graphite")
API_NOW = "API now"
SCHEMA_VERSIONS = range(39, 43)
GRID_COLUMNS = 24


def board(kind):
    return json.loads(graphs.shipped("grafana/firecrawl-%s.json" % kind))


def panels(kind):
    return [panel for panel in board(kind)["panels"] if panel["type"] != "row"]


def targets(kind):
    """[(panel's title, target)]"""
    return [(panel["title"], target) for panel in panels(kind)
            for target in panel["targets"]]


def variables(kind):
    return board(kind)["templating"]["list"]


def status_codes():
    """{code: word}, from the table of the code."""
    with open(harness.SOURCE + "/src/api/status.c") as file:
        text = file.read()
    with open(harness.SOURCE + "/src/api/status.h") as file:
        header = file.read()
    codes = re.findall(r"FC_STATUS_(\w+) = (\d+)", header)
    found = {int(code): name.lower() for name, code in codes}
    return {code: word for code, word in found.items()
            if '"%s"' % word in text}


def substitute(text, values):
    """As Grafana does it: $name and ${name}."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))",
                  lambda match: values[match.group(1) or match.group(2)], text)


def chosen(names, kind):
    """What Grafana writes for a variable with several values."""
    if kind == "prometheus":
        return "(" + "|".join(names) + ")"
    return "{" + ",".join(names) + "}"


BUILT_IN = {"__rate_interval": "15s", "__interval": "1s", "__range": "5m"}


def everything(kind):
    """Each variable as it stands when the dashboard is opened: All."""
    return {**BUILT_IN, "prefix": "collectd",
            **{variable["name"]: variable.get("allValue", "")
               for variable in variables(kind)
               if variable["type"] == "query"}}


def each_board():
    return [(kind, board(kind)) for kind in BOARDS]


def each_panel():
    return [(kind, panel) for kind in BOARDS for panel in panels(kind)]


def cells(grid):
    return [(x, y) for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])]


@graphs.only_plain
class Lint(unittest.TestCase):
    def test_boards_can_be_provisioned(self):
        uids = set()
        for kind, found in each_board():
            with self.subTest(board=kind):
                self.assertIn(found["schemaVersion"], SCHEMA_VERSIONS)
                self.assertIsNone(found["id"])
                self.assertFalse(found["editable"])
                self.assertNotIn("__inputs", found)
                for member in ("uid", "title", "description", "tags",
                               "refresh"):
                    self.assertTrue(found[member], member)
                self.assertEqual(set(found["time"]), {"from", "to"})
                uids.add(found["uid"])
        self.assertEqual(len(uids), len(BOARDS))

    def test_panels_say_what_they_show(self):
        for kind, panel in each_panel():
            with self.subTest(board=kind, panel=panel["title"]):
                self.assertTrue(panel["title"])
                self.assertGreater(len(panel["description"]), 20)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["targets"])
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"], panel["datasource"])

    def test_panels_use_the_datasource_variable(self):
        for kind, panel in each_panel():
            with self.subTest(board=kind, panel=panel["title"]):
                self.assertEqual(panel["datasource"],
                                 {"type": kind, "uid": "${datasource}"})

    def test_panels_have_titles_and_numbers_of_their_own(self):
        for kind, found in each_board():
            with self.subTest(board=kind):
                for member in ("id", "title"):
                    values = [panel[member] for panel in found["panels"]]
                    self.assertEqual(sorted(set(values)), sorted(values))

    def test_panels_do_not_overlap(self):
        for kind, found in each_board():
            with self.subTest(board=kind):
                taken = {}
                for panel in found["panels"]:
                    grid = panel["gridPos"]
                    self.assertLessEqual(grid["x"] + grid["w"], GRID_COLUMNS)
                    for cell in cells(panel["gridPos"]):
                        self.assertNotIn(cell, taken, panel["title"])
                        taken[cell] = panel["title"]

    def test_every_status_has_a_word_and_a_colour(self):
        codes = status_codes()
        self.assertEqual(len(codes), 6)
        for kind in BOARDS:
            mappings = [
                item["options"] for panel in panels(kind)
                for item in panel["fieldConfig"]["defaults"]["mappings"] +
                [mapping for override in panel["fieldConfig"]["overrides"]
                 for changed in override["properties"]
                 if changed["id"] == "mappings"
                 for mapping in changed["value"]]
                if "2" in item["options"]]
            self.assertEqual(len(mappings), 2, "state timeline and table")
            for mapping in mappings:
                self.assertEqual({int(code): shown["text"]
                                  for code, shown in mapping.items()}, codes)
                colours = [shown["color"] for shown in mapping.values()]
                self.assertEqual(len(set(colours)), len(codes))

    def test_state_timelines_draw_no_gap_over(self):
        for kind, panel in each_panel():
            with self.subTest(board=kind, panel=panel["title"]):
                defaults = panel["fieldConfig"]["defaults"]
                self.assertIsNone(defaults["thresholds"]["steps"][0]["value"])
                if panel["type"] in ("state-timeline", "timeseries"):
                    self.assertIs(defaults["custom"]["spanNulls"], False)
                    self.assertIs(defaults["custom"]["insertNulls"], False)

    def test_state_timelines_show_their_words(self):
        """Grafana shows the names of thresholds where it merges values of a
        field that is coloured by them (grafana#71804)."""
        found = [(kind, panel) for kind, panel in each_panel()
                 if panel["type"] == "state-timeline"]
        self.assertEqual(len(found), 4)
        for kind, panel in found:
            with self.subTest(board=kind, panel=panel["title"]):
                self.assertEqual(panel["fieldConfig"]["defaults"]["color"],
                                 {"mode": "fixed", "fixedColor": "text"})
                for override in panel["fieldConfig"]["overrides"]:
                    self.assertNotIn("color", [
                        changed["id"] for changed in override["properties"]])

    def test_annotations_are_lines(self):
        """One moment in all: two in a row become a region."""
        for annotation in board("prometheus")["annotations"]["list"]:
            offsets = re.findall(r"offset (\S+)", annotation["expr"])
            self.assertEqual(offsets, ["$__interval"], annotation["name"])

    def test_the_api_of_now_is_not_that_of_an_hour_ago(self):
        for kind in BOARDS:
            panel, = [panel for panel in panels(kind)
                      if panel["title"] == API_NOW]
            defaults = panel["fieldConfig"]["defaults"]
            shown, = [item["options"] for item in defaults["mappings"]]
            self.assertEqual({int(value): word["text"]
                              for value, word in shown.items()},
                             {-1: "idle", 0: "unusable", 1: "usable"})
            self.assertEqual(defaults["noValue"], "silent")
            if kind == "prometheus":
                self.assertTrue(panel["targets"][0]["instant"])
            else:
                self.assertEqual(panel["timeFrom"], "5m")

    def test_variables_list_idle_instances(self):
        """Those have jobs, but no api_up."""
        for variable in variables("prometheus"):
            if variable["type"] == "query":
                self.assertRegex(variable["query"]["query"],
                                 r"\(collectd_firecrawl_job(s|_status)\b")

    def test_variables_follow_time_and_offer_all(self):
        wanted = {"prometheus": {"job", "instance", "firecrawl", "name"},
                  "graphite": {"host", "instance", "name"}}
        for kind in BOARDS:
            found = variables(kind)
            self.assertEqual([v["query"] for v in found
                              if v["type"] == "datasource"], [kind])
            queries = [v for v in found if v["type"] == "query"]
            self.assertEqual({v["name"] for v in queries}, wanted[kind])
            for variable in queries:
                self.assertEqual(variable["datasource"]["uid"],
                                 "${datasource}")
                self.assertEqual(variable["refresh"], 2, "on time change")
                self.assertTrue(variable["multi"] and variable["includeAll"])
                self.assertTrue(variable["allValue"] and variable["label"])

    def test_every_promql_query_selects_job_and_instance(self):
        for title, target in targets("prometheus"):
            for selector in re.findall(r"collectd_\w+\{[^}]*\}",
                                       target["expr"]):
                for matcher in ('job=~"$job"', 'instance=~"$instance"',
                                'firecrawl=~"$firecrawl"'):
                    self.assertIn(matcher, selector, title)

    def test_counters_are_rates_over_the_rate_interval(self):
        for title, target in targets("prometheus"):
            expression = target["expr"]
            for counter in re.finditer(r"(\w+)\((collectd_\w+_total)\{[^}]*\}"
                                       r"\[([^]]*)\]", expression):
                self.assertIn(counter.group(1), ("rate", "increase"), title)
                self.assertIn(counter.group(3),
                              ("$__rate_interval", "$__range"), title)
            self.assertEqual(len(re.findall(r"_total\{", expression)),
                             len(re.findall(r"_total\{[^}]*\}\[", expression)),
                             title)

    def test_provisioning_names_the_data_sources(self):
        text = graphs.shipped(
            "grafana/provisioning/datasources/firecrawl.yaml")
        self.assertEqual(re.findall(r"^ +type: (\w+)", text, re.M),
                         list(BOARDS))
        text = graphs.shipped("grafana/provisioning/dashboards/firecrawl.yaml")
        self.assertIn("type: file", text)


# JSON has the values of TypeScript's enums, not their names. Annotations have
# members of their data source, of which this package knows nothing.
TYPE = """
import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Json<T> =
  T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends (infer Item)[] ? Json<Item>[] :
  T extends object ? { [Name in keyof T]: Json<T[Name]> } : T;
type Annotation = Json<Omit<AnnotationQuery, "target">> &
  { [name: string]: unknown };
type Board = Json<Omit<Dashboard, "annotations">> &
  { annotations: { list: Annotation[] } };
"""


@graphs.only_plain
class Types(unittest.TestCase):
    SCHEMA = "@grafana/schema@13.2.3"
    COMPILER = "typescript@5.9.3"

    def test_boards_compile_as_grafanas_type(self):
        if not shutil.which("npm"):
            self.skipTest("npm is not installed: the dashboards' types are "
                          "not compared with Grafana's")
        with tempfile.TemporaryDirectory(prefix="fc-system-") as scratch:
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund",
                 "--ignore-scripts", self.SCHEMA, self.COMPILER],
                cwd=scratch, capture_output=True, text=True,
                timeout=120 * harness.PATIENCE)
            if done.returncode != 0:
                self.skipTest("npm cannot get %s: the dashboards' types are "
                              "not compared with Grafana's: %s" % (
                                  self.SCHEMA, done.stderr[-300:]))
            for kind in BOARDS:
                self.compile(scratch, kind)

    @staticmethod
    def compile(scratch, kind):
        """Unknown members are errors too: it is a literal."""
        source = os.path.join(scratch, kind + ".ts")
        with open(source, "w") as file:
            file.write(TYPE + "export const board: Board = %s;\n" %
                       json.dumps(board(kind), indent=1))
        graphs.run("node", scratch + "/node_modules/typescript/bin/tsc",
                   "--noEmit", "--strict", "--skipLibCheck",
                   "--moduleResolution", "bundler", "--module", "esnext",
                   source, cwd=scratch)


@graphs.only_plain
class Queries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.mkdtemp(prefix="fc-system-")
        if not os.environ.get("FC_KEEP"):
            cls.addClassCleanup(shutil.rmtree, scratch, ignore_errors=True)
        cls.rig = graphs_rig.Rig(scratch)
        cls.addClassCleanup(cls.rig.stop)
        cls.started = time.time()
        cls.rig.wait_until_ended()

    def test_every_promql_query_has_data(self):
        for values in ({}, self.prometheus_choice()):
            for title, target in targets("prometheus"):
                self.assert_promql(title, target, values)

    def prometheus_choice(self):
        """Two of the Firecrawl jobs, by what the variables' queries give."""
        values = everything("prometheus")
        for variable in variables("prometheus"):
            if variable["type"] != "query":
                continue
            match = re.fullmatch(r"label_values\((.*), (\w+)\)",
                                 variable["query"]["query"])
            found = self.rig.prometheus.label_values(
                match.group(2), substitute(match.group(1), values))
            self.assertTrue(found, variable["name"])
            values[variable["name"]] = chosen(found, "prometheus")
        return values

    def assert_promql(self, title, target, values):
        expression = substitute(target["expr"],
                                {**everything("prometheus"), **values})

        def data():
            if target.get("instant"):
                return self.rig.prometheus.query(expression)
            return self.rig.prometheus.query_range(
                expression, self.started, time.time(), "1s")
        return wait_for(data, "data of %r: %s" % (title, expression), 10)

    def test_every_graphite_query_has_data(self):
        for values in ({}, self.graphite_choice()):
            for title, target in targets("graphite"):
                self.assert_graphite(title, target["target"], values)

    def graphite_choice(self):
        values = everything("graphite")
        for variable in variables("graphite"):
            if variable["type"] != "query":
                continue
            found = self.rig.graphite.find(
                substitute(variable["query"], values))
            if variable["regex"]:
                pattern = re.compile(variable["regex"].strip("/"))
                found = [match.group(1)
                         for match in map(pattern.match, found) if match]
            self.assertTrue(found, variable["name"])
            values[variable["name"]] = chosen(found, "graphite")
        return values

    def assert_graphite(self, title, target, values):
        target = substitute(target, {**everything("graphite"), **values})

        def data():
            found = self.rig.graphite.render(target)
            for series in found:
                self.assertNotRegex(series["target"], r"[(){}]|testhost",
                                    title + ": not a name for people")
            return any(value is not None for series in found
                       for value, _ in series["datapoints"])
        wait_for(data, "data of %r: %s" % (title, target), 10)

    def test_annotations_find_the_failed_job(self):
        for annotation in board("prometheus")["annotations"]["list"]:
            for series in self.assert_promql(annotation["name"], annotation,
                                             {}):
                self.assertEqual(len(series["values"]), 1, "a line")
        for annotation in board("graphite")["annotations"]["list"]:
            self.assert_graphite(annotation["name"],
                                 annotation["target"]["target"], {})

    def test_an_idle_instance_is_called_so(self):
        """It counts jobs and requests, but has no api_up."""
        prometheus, graphite = (
            target for kind in BOARDS for title, target in targets(kind)
            if title == API_NOW)
        for name, value in ("idle", -1), ("prod", 1), ("staging", 0):
            expression = substitute(prometheus["expr"], {
                **everything("prometheus"), "firecrawl": name})
            target = substitute(graphite["target"], {
                **everything("graphite"), "instance": name})

            def now():
                self.count_for_idle()
                return self.values_of(expression), self.last_of(target)
            wait_for(lambda: now() == ([value], [value]),
                     "%s is %d: %s, %s" % (name, value, expression, target),
                     20)

    def count_for_idle(self):
        for counter in "jobs-failed", "total_requests":
            self.rig.collectd.ask("PUTVAL testhost/firecrawl-idle/%s "
                                  "interval=1 N:0" % counter)

    def values_of(self, expression):
        return [float(series["value"][1])
                for series in self.rig.prometheus.query(expression)]

    def last_of(self, target):
        """What Grafana's lastNotNull takes of each series."""
        return [value for series in self.rig.graphite.render(target)
                for value in [value for value, _ in series["datapoints"]
                              if value is not None][-1:]]

    def test_rules_see_what_there_is_and_nothing_else(self):
        seen = {"FirecrawlJobFailed", "FirecrawlJobCancelled",
                "FirecrawlJobLost", "FirecrawlJobStalled",
                "FirecrawlJobStatusUnknown", "FirecrawlResultExpiresSoon",
                "FirecrawlAPIUnusable", "FirecrawlKeyRejected",
                "FirecrawlRateLimited", "FirecrawlRequestsFailing",
                "FirecrawlEndpointSunset"}

        rules = []

        def states(*wanted):
            return {name for name, _, state in rules if state in wanted}

        def missing():
            rules[:] = self.rig.prometheus.rules()
            return sorted(seen - states("pending", "firing"))
        wait_until_empty(missing, "alerts whose condition holds", 20)
        self.assertEqual({health for _, health, _ in rules}, {"ok"})
        self.assertEqual(states("inactive"), {
            "FirecrawlJobsFailing", "FirecrawlPollsLate",
            "FirecrawlEndpointSunsetNear", "FirecrawlPluginAbsent",
            "FirecrawlInstanceSilent", "FirecrawlStateFileUnusable"})
        for name in states("recording"):
            self.assertTrue(self.rig.prometheus.query(name), name)

    def test_every_series_is_in_a_panel_of_both(self):
        names = set(self.rig.prometheus.names())
        self.assertEqual(len(names), 16, sorted(names))
        shown = " ".join(target["expr"] for _, target in targets("prometheus"))
        for name in names:
            self.assertRegex(shown, name + r"\b")
        shown = " ".join(target["target"] for _, target in targets("graphite"))
        for file in self.rig.graphite.find("collectd.*.firecrawl-prod.*"):
            self.assertRegex(shown, r"-\$instance\." +
                             file.partition("-")[0] + r"\b")

    def test_every_name_that_is_written_somewhere_exists(self):
        names = set(self.rig.prometheus.names())
        for path in graphs.all_text_files():
            with open(path) as file:
                for name in set(re.findall(r"\bcollectd_firecrawl_\w+",
                                           file.read())):
                    self.assertIn(name, names, path)

    def test_status_codes_are_stored_as_they_are(self):
        series = self.rig.graphite.render(
            "collectd.testhost.firecrawl-prod.job_status-stock-levels")
        values = [value for value, _ in series[0]["datapoints"]
                  if value is not None]
        self.assertEqual(sorted(set(values)), [1, 3])
