# SPDX-License-Identifier: MIT
"""Network namespaces for the fault rig: one for the daemon, one for a peer at
the other end of a slow link. Servers of this process can stand in either: a
thread of its own enters the namespace for the time in which a socket is made.
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

# 192.0.2.1 and .9 are static neighbours on a veth pair: packets to them go out
# and are never answered. 203.0.113.1 is the peer, at 1 KB/s.
SETUP = """\
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
ip route add unreachable 2001:db8::/32
ip link add w0 type veth peer name w1
ip addr add 203.0.113.2/24 dev w0
ip link set w0 up
mount --bind "$1" /etc/resolv.conf
echo ready
exec cat
"""

PEER = """\
set -e
ip addr add 203.0.113.1/24 dev w1
ip link set lo up
ip link set w1 up
tc qdisc add dev w1 root tbf rate 8kbit burst 1600 limit 8000
echo ready
exec cat
"""


def available():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-n", "-m", "ip", "link", "add", "v0", "type", "veth",
         "peer", "name", "v1"], capture_output=True, check=False
    ).returncode == 0


class Namespace:
    """Lives as long as its shell, which ends with its standard input."""

    def __init__(self, script, *arguments, before=lambda pid: None):
        self.process = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c",
             "echo entered; read go\n" + script, "sh", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._expect(b"entered\n")
        before(self.process.pid)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        self._expect(b"ready\n")

    def _expect(self, line):
        said = self.process.stdout.readline()
        if said != line:
            self.stop()
            raise AssertionError("a namespace said %r" % said)

    def wrapper(self):
        return ["nsenter", "-t", str(self.process.pid), "-n", "-m"]

    def run(self, *command):
        return subprocess.run(self.wrapper() + list(command), check=True,
                              capture_output=True, text=True).stdout

    def call(self, function):
        """function() in a thread that is in the network namespace."""
        result = []

        def enter():
            with open("/proc/%d/ns/net" % self.process.pid) as file:
                if LIBC.setns(file.fileno(), CLONE_NEWNET):
                    result.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                result.append(function())
            except OSError as error:
                result.append(error)
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def make_pair(resolv):
    """(the daemon's namespace, its peer's)"""
    near = Namespace(SETUP, resolv)
    try:
        far = Namespace(PEER, before=lambda pid: near.run(
            "ip", "link", "set", "w1", "netns", str(pid)))
    except BaseException:
        near.stop()
        raise
    return near, far


class NameServer:
    """Answers A and AAAA questions from {name: [addresses]}. A name with
    FAILS gets SERVFAIL, one with MUTE no answer; one that is not there does not
    exist. Must be made within the namespace."""

    FAILS, MUTE = "fails", "mute"

    def __init__(self, names, port=53):
        self.names = names
        self.questions = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.ended = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        self.socket.settimeout(0.1)
        while not self.ended:
            with contextlib.suppress(OSError):
                data, client = self.socket.recvfrom(4096)
                self.questions += 1
                answer = self._answer(data)
                if answer:
                    self.socket.sendto(answer, client)
        self.socket.close()

    def _answer(self, data):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        kind = struct.unpack(">H", data[at + 1:at + 3])[0]
        known = self.names.get(".".join(labels))
        if known == self.MUTE:
            return None
        code = 3 if known is None else 2 if known == self.FAILS else 0
        packed = self._packed(kind, [] if code else known)
        return data[:2] + struct.pack(
            ">HHHHH", 0x8180 | code, 1, len(packed), 0, 0) + \
            data[12:at + 5] + b"".join(
                struct.pack(">HHHIH", 0xc00c, kind, 1, 0, len(address)) +
                address for address in packed)

    @staticmethod
    def _packed(kind, addresses):
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        return [socket.inet_pton(family, address) for address in addresses
                if family and (":" in address) == (kind == 28)]

    def stop(self):
        self.ended = True
        self.thread.join()


__all__ = ["NameServer", "available", "make_pair"]
