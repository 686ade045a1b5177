# SPDX-License-Identifier: MIT
"""A server that says bytes which no HTTP library would send: one listener for
each fault, broken and healed at any time.

A fault is a function of a connection; it runs in a thread of its own and may
sleep, since it ends with the connection or with the server."""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time

from harness import Listener

# A word of the faulty replies that must not come out anywhere.
SECRET = b"5ecret-b0dy"

HEALTHY = json.dumps({"success": True, "data": [], "status": "processing",
                      "expiresAt": "2036-11-25T05:00:00.000Z"}).encode()


def reply(code=200, body=HEALTHY, headers=(), version="HTTP/1.1",
          length=None):
    lines = ["%s %s X" % (version, code), "Content-Type: application/json",
             "Content-Length: %s" % (len(body) if length is None else length),
             *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    return data


def says(data):
    """A fault that reads a request, answers these bytes, and closes."""
    def fault(connection, server):
        if server.read_request(connection):
            connection.sendall(data)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
    return fault


def resets(data, read=True):
    """Sends these bytes, then a TCP reset."""
    def fault(connection, server):
        if read:
            server.read_request(connection)
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
    return fault


def listens(connection, server):
    """For a server that must not be told anything."""
    server.received += connection.recv(65536)


def silent(connection, server):
    server.read_request(connection)
    server.fault_ended.wait()


def drips(data):
    """One byte at a time, for ever slower than any time limit."""
    def fault(connection, server):
        server.read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            if server.fault_ended.wait(0.2):
                return
    return fault


def endless(head, piece):
    def fault(connection, server):
        server.read_request(connection)
        connection.sendall(head)
        while not server.fault_ended.is_set():
            connection.sendall(piece)
    return fault


class RawServer(Listener):
    """Faulty unless healed. `tls` is a context, or what returns one for a
    connection, by whether it is healed."""

    def __init__(self, fault, tls=None, listening=True):
        self.fault = fault
        self.tls = tls
        self.healed = False
        self.fault_ended = threading.Event()
        self.connections = 0
        self.received = b""  # through TLS, while it is faulty
        self.requests = []  # (monotonic time, head)
        super().__init__(listening)

    def broken(self):
        """Kept connections end at their next request."""
        self.fault_ended.clear()
        self.healed = False

    def heal(self):
        self.healed = True
        self.fault_ended.set()

    def read_request(self, connection):
        data = read_request(connection)
        if data:
            self.requests.append((time.monotonic(), data))
        return data

    def handle(self, connection):
        self.connections += 1
        # What the client does to the connection is not the server's failure.
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            healed = self.healed  # a handshake takes its time
            tls = self.tls(connection, healed) if callable(self.tls) else \
                self.tls
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            if healed:
                self.serve(connection)
            else:
                self.fault(connection, self)

    def serve(self, connection):
        while self.read_request(connection) and self.healed:
            connection.sendall(reply())

    def stop(self):
        self.fault_ended.set()
        super().stop()


class Refused(RawServer):
    """A port that nothing listens on while it is broken."""

    def __init__(self, fault):
        super().__init__(fault)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def broken(self):
        super().broken()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def heal(self):
        super().heal()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.listen()


class Full(Refused):
    """A port whose queue of connections is full."""

    def broken(self):
        super().broken()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.listen(0)
        self.waiting = [socket.socket() for _ in range(4)]
        for client in self.waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))

    def heal(self):
        for client in self.waiting:
            client.close()
        self.socket.close()
        super().heal()
