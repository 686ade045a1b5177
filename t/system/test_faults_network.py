# SPDX-License-Identifier: MIT
"""The rows of the fault rig that need a network of their own: a name server
that is mute or lies, routes that lead nowhere, a slow link, no more ports."""

import os
import time

import namespace
from faults import (Rig, Row, footprint, lines_of, needs_all, wait_for,
                    wait_until_empty)
from namespace import NameServer
from raw_server import RawServer, listens, reply, says
from test_faults_tls import Certificates

HOME = ["127.0.0.1"]

# (row, name, host, error counter, what the log says, how it is mended: what its
# name comes to, a command, or nothing if it is not)
ROWS = [
    ("N1", "dns-mute", "mute.example", "dns", "Resolving timed", HOME),
    ("N2", "dns-no-such-name", "gone.example", "dns", "esolv", HOME),
    ("N2", "dns-servfail", "fails.example", "dns", "esolv", HOME),
    ("N3", "dns-private-address", "private.example", "connect|timeout", "",
     None),
    ("N4", "blackhole", "192.0.2.9", "timeout", "timed out",
     "ip addr add 192.0.2.9/32 dev lo"),
    ("N4", "unreachable", "198.51.100.1", "connect", "",
     "ip route del unreachable 198.51.100.1; "
     "ip addr add 198.51.100.1/32 dev lo"),
    ("N4", "prohibited", "198.51.100.2", "connect", "",
     "ip route del prohibit 198.51.100.2; ip addr add 198.51.100.2/32 dev lo"),
    ("N12", "only-ipv6-broken", "[2001:db8::1]", "connect", "", None),
]

NAMES = {
    "mute.example": NameServer.MUTE,
    "fails.example": NameServer.FAILS,
    "private.example": ["198.51.100.3"],
    "both.example": ["2001:db8::1"] + HOME,
    "flips.example": HOME,
    "lies.example": HOME,
}


class Everywhere(RawServer):
    address = "0.0.0.0"


class NetworkTest(Rig):
    def setUp(self):
        super().setUp()
        if not namespace.available():
            self.skipTest("no network namespaces with veth")
        self.resolv = os.path.join(self.directory("net"), "resolv.conf")
        self.name_servers("127.0.0.1")
        self.near, self.far = namespace.make_pair(self.resolv)
        self.addCleanup(self.near.stop)
        self.addCleanup(self.far.stop)

    def name_servers(self, address):
        with open(self.resolv, "w") as file:
            file.write("nameserver %s\n" % address)

    def server(self, fault, **options):
        server = self.near.call(lambda: Everywhere(fault, **options))
        self.addCleanup(server.stop)
        return server

    def resolver(self):
        resolver = self.near.call(lambda: NameServer(dict(NAMES)))
        self.addCleanup(resolver.stop)
        return resolver

    def run_daemon(self):
        return self.faulty_daemon(self.blocks, wrapper=self.near.wrapper())

    def metrics(self, daemon):
        return self.near.call(daemon.instance_metrics)


class NetworkFaults(NetworkTest):
    def setUp(self):
        super().setUp()
        self.names = self.resolver()
        self.mends = []
        for row, name, host, counter, text, mend in ROWS:
            self._add_row(Row(row, name, None, counter, text,
                              recovers=bool(mend)), host, mend)
        self._add_slow()
        self._add_liar()
        self._add_well()

    def _add_row(self, row, host, mend):
        server = self.server(says(reply()))
        server.healed = True  # the way to it is broken
        self.add(row, server, "http://%s:%d" % (host, server.port))
        if mend == HOME:
            self.mends.append(lambda: self.names.names.update({host: HOME}))
        elif mend:
            self.mends.append(lambda: self.near.run("sh", "-ec", mend))

    def _add_slow(self):
        """20 KB over a link that takes 20 seconds for them."""
        fault = says(reply(headers=["X: " + "y" * 20000]))
        server = self.far.call(lambda: Everywhere(fault))
        self.add(Row("N5", "slow-link", fault, "timeout", "timed out"), server,
                 "http://203.0.113.1:%d" % server.port)

    def _add_liar(self):
        """A name that leads to somebody else's server."""
        certificates = Certificates(self.directory("tls"))
        context = certificates.context(certificates.make(
            "else", "DNS:else.example"))
        self.liar = self.server(listens, tls=context)
        self.add(Row("N3", "dns-lies", listens, "tls", "subject|certificate",
                     recovers=False), self.liar,
                 "https://lies.example:%d" % self.liar.port,
                 'CACert "%s.pem"' % certificates.ca)

    def _add_well(self):
        """No fault: the other address is tried."""
        self.both = self.server(says(reply()))
        self.both.healed = True
        self.blocks.append(self.block("well", "http://both.example:%d" %
                                      self.both.port))

    def heal_all(self):
        super().heal_all()
        for mend in self.mends:
            mend()

    def test_names_that_lie_and_routes_that_lead_nowhere(self):
        daemon = self.run_daemon()
        started, questions = time.monotonic(), self.names.questions
        self.wait_faults(daemon)
        rate = (self.names.questions - questions) / (
            time.monotonic() - started)
        self.assertLess(rate, 4 * 2 * len(NAMES))
        self.go(daemon)
        self.assertEqual(self.liar.received, b"")
        metrics = self.metrics(daemon)
        self.assertEqual(metrics["well", "job_status", "job-well"], 1)
        self.assertEqual([key for key, value in metrics.items() if
                          key[:2] == ("well", "errors_total") and value], [])
        self.check_invariants(daemon, self.jobs() | {("well", "job-well")})
        self.end(daemon, self.passed() + [("N12", "one-of-two-addresses")])

    def test_it_ends_soon_while_names_and_routes_lead_nowhere(self):
        daemon = self.run_daemon()
        wait_for(lambda: self.names.questions > 3, "it asks for names")
        self.end(daemon)


class NoNameServer(NetworkTest):
    def test_no_name_server_at_all(self):
        self.name_servers("127.0.0.53")
        server = self.server(says(reply()))
        self.add(Row("N2", "dns-dead", None, "dns", "esolv"), server,
                 "http://dead.example:%d" % server.port)
        daemon = self.run_daemon()
        self.wait_faults(daemon)
        self.wait_told(daemon, lambda row: row.told)
        resolver = self.near.call(lambda: NameServer(
            {"dead.example": HOME}))
        self.addCleanup(resolver.stop)
        self.name_servers("127.0.0.1")
        server.heal()
        self.wait_well(daemon, "it recovers", 90)
        self.check_invariants(daemon, self.jobs())
        self.end(daemon, self.passed())


class NoPorts(NetworkTest):
    JOBS = 6

    def test_no_more_ports(self):
        fault = says(reply())
        reused, exhausted = self.server(fault), self.server(
            lambda connection, server: server.fault_ended.wait())
        reused.healed = True
        self.blocks.append(self.block(
            "reused", "http://127.0.0.1:%d" % reused.port,
            'Extract "a"\nExtract "b"\nExtract "c"'))
        self.add(Row("N14", "no-more-ports", None, "connect", ""), exhausted,
                 more="".join('Extract "more-%d"\n' % i
                              for i in range(self.JOBS)))
        self.near.run("sh", "-c", "echo 10000 10001 "
                      ">/proc/sys/net/ipv4/ip_local_port_range")
        daemon = self.run_daemon()
        self.wait_faults(daemon)
        exhausted.heal()
        self.wait_well(daemon, "it recovers", 90)
        # The look at it needs a port itself.
        wait_for(lambda: self.metrics(daemon).get(
            ("reused", "api_up", "")) == 1, "one connection is enough")
        self.assertLessEqual(reused.connections, 2)
        self.check_invariants(daemon, self.jobs())
        self.end(daemon, self.passed())


class Flip(NetworkTest):
    @needs_all
    def test_an_address_that_changes(self):
        """libcurl keeps an address for a minute."""
        names = self.resolver()
        certificates = Certificates(self.directory("tls"))
        good = certificates.context(certificates.make(
            "good", "DNS:flips.example"))
        bad = certificates.context(certificates.make("bad", "DNS:bad.example"))
        server = self.server(says(reply()), tls=lambda connection, healed: (
            good if [connection.getsockname()[0]] == HOME else bad))
        self.add(Row("N3", "dns-flips", None, "tls", "subject"), server,
                 "https://flips.example:%d" % server.port,
                 'CACert "%s.pem"' % certificates.ca)
        daemon = self.run_daemon()
        self.wait_well(daemon, "it is well at first", 30)
        before = footprint(daemon)
        names.names["flips.example"] = ["127.0.0.2"]
        wait_until_empty(lambda: [
            row.name for row in self.rows if not row.shows(
                self.metrics(daemon), lines_of(daemon))],
            "the new address is found out", 90)
        names.names["flips.example"] = HOME
        self.wait_well(daemon, "it recovers", 150)
        self.check_invariants(daemon, self.jobs(), before)
        self.end(daemon, self.passed())


