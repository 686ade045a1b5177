"""The rows of the fault rig that need a network of their own: a mute name
server, routes that lead nowhere. The daemon runs in a network and a mount
namespace."""

import os
import re
import subprocess
import sys
import unittest

from harness import PATIENCE, SystemTest, parse_metrics, wait_until_empty

# Packets to a static neighbour on a veth pair go out and are never answered.
NAMESPACE = """\
set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 192.0.2.2/24 dev v0
ip link set v0 up
ip link set v1 up
for host in 1 9; do
  ip neigh add 192.0.2.$host lladdr 02:00:00:00:00:0$host dev v0
done
ip route add unreachable 198.51.100.1
ip route add prohibit 198.51.100.2
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""

# (row of faults.md, name, host, name server, error counter, what the log says)
ROWS = [
    ("N1", "dns-mute", "mute.example", "192.0.2.1", "dns", "Resolving timed"),
    ("N2", "dns-dead", "dead.example", "127.0.0.1", "dns", "esolv"),
    ("N4", "blackhole", "192.0.2.9", "192.0.2.1", "timeout", "timed out"),
    ("N4", "unreachable", "198.51.100.1", "192.0.2.1", "connect", ""),
    ("N4", "prohibited", "198.51.100.2", "192.0.2.1", "connect", ""),
    ("N12", "no-ipv6", "[2001:db8::1]", "192.0.2.1", "connect", ""),
]

READ_URL = ("import sys, urllib.request as r; "
            "print(r.urlopen(sys.argv[1]).read().decode())")

INSTANCE = """
  <Instance "%s">
    URL "http://%s:8080"
    APIKey "fc-0123456789abcdef"
    Timeout 1000
    Extract "job"
  </Instance>
"""


def can_have_namespaces():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-n", "-m", "ip", "link", "add", "v0", "type", "veth",
         "peer", "name", "v1"], capture_output=True, check=False
    ).returncode == 0


@unittest.skipUnless(can_have_namespaces(), "no network namespaces with veth")
class NetworkFaults(SystemTest):
    def check(self, rows, server):
        resolv = os.path.join(self.directory("net"), "resolv.conf")
        with open(resolv, "w") as file:
            file.write("nameserver %s\n" % server)
        daemon = self.collectd(
            "".join(INSTANCE % (name, host) for _, name, host, *_ in rows),
            name="ns-" + server,
            wrapper=["unshare", "-n", "-m", "sh", "-c", NAMESPACE, "sh",
                     resolv])

        def missing():
            metrics, log = self.metrics(daemon), daemon.log_text()
            return [name for _, name, _, _, counter, text in rows
                    if not metrics.get((name, "errors_total", counter)) or
                    not re.search(r"firecrawl plugin: %s: .*%s" % (name, text),
                                  log)]
        wait_until_empty(missing, "every fault counts and is explained", 30)
        status, seconds = daemon.stop()
        self.assertEqual(status, 0)
        self.assertLessEqual(seconds, 2.0 * PATIENCE)

    @staticmethod
    def metrics(daemon):
        """From within the namespace."""
        return parse_metrics(subprocess.run(
            ["nsenter", "-t", str(daemon.process.pid), "-n", sys.executable,
             "-c", READ_URL, "http://127.0.0.1:%d/metrics" % daemon.prometheus],
            capture_output=True, text=True, check=False).stdout)

    def test_a_mute_name_server_and_routes_that_lead_nowhere(self):
        self.check([row for row in ROWS if row[3] == "192.0.2.1"], "192.0.2.1")

    def test_no_name_server_at_all(self):
        self.check([row for row in ROWS if row[3] == "127.0.0.1"], "127.0.0.1")
