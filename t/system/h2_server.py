# SPDX-License-Identifier: MIT
"""HTTP/2 by hand (RFC 9113): as much of it as a healthy reply and broken frames
take. What the client says is not decoded."""

import contextlib
import struct

from raw_server import HEALTHY, RawServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = \
    0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = b"\x88"  # in the static table of HPACK
INTERNAL_ERROR, REFUSED_STREAM = 2, 7


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def number(value):
    return struct.pack(">I", value)


class Connection:
    """The server's end of one connection."""

    def __init__(self, socket):
        self.socket = socket
        self.data = b""

    def take(self, count):
        while len(self.data) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise OSError("the client has closed")
            self.data += piece
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def open(self):
        if self.take(len(PREFACE)) != PREFACE:
            raise OSError("not HTTP/2")
        self.send(frame(SETTINGS))

    def request(self):
        """The stream of the next request."""
        while True:
            head = self.take(9)
            self.take(int.from_bytes(head[:3], "big"))
            kind, flags = head[3], head[4]
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK))
            if kind == HEADERS:
                return int.from_bytes(head[5:], "big")

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, stream, body=HEALTHY):
        self.send(frame(HEADERS, END_HEADERS, stream, STATUS_200) +
                  frame(DATA, END_STREAM, stream, body))


def frames(make, once=True):
    """A fault that answers each request with make(stream), once or for ever."""
    def fault(connection, server):
        while True:
            stream = connection.request()
            connection.send(make(stream))
            while not once and not server.fault_ended.is_set():
                connection.send(make(stream))
    return fault


def closes(make):
    def fault(connection, server):
        del server
        connection.send(make(connection.request()))
    return fault


class H2Server(RawServer):
    def serve(self, connection):
        peer = Connection(connection)
        peer.open()
        while True:
            stream = peer.request()
            if not self.healed:
                return
            peer.answer(stream)

    def handle(self, connection):
        fault = self.fault

        def over_h2(socket, server):
            peer = Connection(socket)
            peer.open()
            with contextlib.suppress(OSError):
                fault(peer, server)

        self.fault = over_h2 if fault.__name__ != "over_h2" else fault
        super().handle(connection)


# (name, fault)
FAULTS = [
    ("h2-goaway", closes(lambda stream: frame(
        GOAWAY, 0, 0, number(0) + number(0)))),
    ("h2-goaway-error", closes(lambda stream: frame(
        GOAWAY, 0, 0, number(stream) + number(INTERNAL_ERROR)))),
    ("h2-refused-stream", frames(lambda stream: frame(
        RST_STREAM, 0, stream, number(REFUSED_STREAM)))),
    ("h2-reset-stream", frames(lambda stream: frame(
        RST_STREAM, 0, stream, number(INTERNAL_ERROR)))),
    ("h2-reset-mid-body", frames(lambda stream: frame(
        HEADERS, END_HEADERS, stream, STATUS_200) + frame(
            DATA, 0, stream, HEALTHY[:20]) + frame(
                RST_STREAM, 0, stream, number(INTERNAL_ERROR)))),
    ("h2-closed-mid-body", closes(lambda stream: frame(
        HEADERS, END_HEADERS, stream, STATUS_200) + frame(
            DATA, 0, stream, HEALTHY[:20]))),
    ("h2-no-frames", frames(lambda stream: b"HTTP/1.1 400 Bad\r\n\r\n")),
    ("h2-data-of-no-stream", frames(lambda stream: frame(DATA, 0, 0, b"x"))),
    ("h2-huge-frame", frames(lambda stream: b"\xff\xff\xff" +
                             frame(DATA, 0, stream)[3:] + b"x" * 100000)),
    ("h2-bad-hpack", frames(lambda stream: frame(
        HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff\xff\xff\xff"))),
    ("h2-settings-flood", frames(lambda stream: frame(SETTINGS) * 1000,
                                 once=False)),
    ("h2-ping-flood", frames(lambda stream: frame(PING, 0, 0, b"12345678") *
                             1000, once=False)),
    ("h2-header-flood", closes(lambda stream: frame(
        HEADERS, 0, stream, STATUS_200) + frame(
            CONTINUATION, 0, stream, b"\x00\x01x\x7f" + b"\x00" + b"y" * 127) *
                               10000)),
    ("h2-mute", frames(lambda stream: b"")),
]
