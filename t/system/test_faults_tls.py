# SPDX-License-Identifier: MIT
"""The rows of the fault rig about TLS: certificates, handshakes, HTTP/2 and
proxies. A server is trusted at first; then its certificate, its TLS or what it
says through it is a bad one."""

import os
import shutil
import ssl
import subprocess

import h2_server
from faults import Rig, Row
from raw_server import RawServer, Refused, listens, says, silent

CA_CONFIG = """
[ca]
default_ca = x
[x]
database = %(dir)s/index
serial = %(dir)s/serial
new_certs_dir = %(dir)s
policy = any
copy_extensions = copy
unique_subject = no
default_md = sha256
[any]
commonName = supplied
"""

WEAK = "DEFAULT:@SECLEVEL=0"
GOOD = "IP:127.0.0.1"
FAR = "20990101000000Z"

# (row, name, subject alternative names, key, digest, from, to, trusted)
CERTIFICATES = [
    ("L1", "unknown-ca", GOOD, "ec", "sha256", "20200101000000Z", FAR, False),
    ("L2", "expired", GOOD, "ec", "sha256", "20200101000000Z",
     "20200102000000Z", True),
    ("L2", "not-yet-valid", GOOD, "ec", "sha256", "20980101000000Z", FAR,
     True),
    ("L2", "wrong-host", "DNS:example.org", "ec", "sha256", "20200101000000Z",
     FAR, True),
    ("L2", "wrong-common-name", None, "ec", "sha256", "20200101000000Z", FAR,
     True),
    ("L2", "sha1", GOOD, "ec", "sha1", "20200101000000Z", FAR, True),
    ("L2", "rsa-1024", GOOD, "rsa:1024", "sha256", "20200101000000Z", FAR,
     True),
    ("L5", "replaced-while-kept", "DNS:example.org", "ec", "sha256",
     "20200101000000Z", FAR, True),
]


def plain_text(connection, server):
    """To a TLS handshake, which has no end of a request."""
    del server
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
    connection.recv(65536)


def stalls(connection, server):
    del connection
    server.fault_ended.wait()


def nonsense(connection, server):
    """A ServerHello of 512 bytes of which none is right."""
    del server
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x02\x00\x02\x00\x01\xfc" + b"\xaa" * 508)
    connection.recv(65536)


# (row, name, fault instead of a handshake, error counter)
HANDSHAKES = [
    ("L3", "plain-on-tls", plain_text, "tls"),
    ("L3", "handshake-stall", stalls, "timeout"),
    ("L3", "handshake-nonsense", nonsense, "tls"),
    ("L3", "closed-at-hello", lambda connection, server: connection.recv(1),
     "tls"),
]

# (row, name, what the server's TLS is restricted to)
RESTRICTIONS = [
    ("L3", "tls-1-0", {"maximum_version": ssl.TLSVersion.TLSv1}),
    ("L3", "tls-1-1", {"maximum_version": ssl.TLSVersion.TLSv1_1}),
    ("L3", "no-common-cipher", {"maximum_version": ssl.TLSVersion.TLSv1_2,
                                "ciphers": "NULL-SHA256:@SECLEVEL=0"}),
]

# (row, name, what the proxy does after a CONNECT, error counter)
PROXIES = [
    ("N11", "proxy-refused", None, "connect"),
    ("N11", "proxy-407", says(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic "
                              b"realm=\"x\"\r\nContent-Length: 0\r\n\r\n"),
     "connect"),
    ("N11", "proxy-502", says(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"),
     "connect"),
    ("N11", "proxy-closes", lambda connection, server:
     server.read_request(connection), "connect"),
    ("N11", "proxy-silent", silent, "timeout"),
    ("N11", "proxy-says-200-and-no-tls",
     says(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "tls"),
]

# (row, name, what becomes of the CA file)
CA_FILES = [
    ("L4", "ca-missing", os.unlink),
    ("L4", "ca-empty", lambda path: open(path, "w").close()),
    ("L4", "ca-no-certificate",
     lambda path: open(path, "w").write("no certificate\n")),
    ("L4", "ca-directory", lambda path: (os.unlink(path), os.mkdir(path))),
]


def openssl(*command):
    subprocess.run(["openssl", *command], check=True, capture_output=True)


class Certificates:
    """An authority that signs whatever it is told to."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = self._path("ca")
        for name, text in (("index", ""), ("serial", "01\n"),
                           ("config", CA_CONFIG % {"dir": directory})):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=ca",
                "-days", "9999", "-keyout", self.ca + ".key", "-out",
                self.ca + ".pem")

    def _path(self, name):
        return os.path.join(self.directory, name)

    def make(self, name, names=GOOD, key="ec", digest="sha256",
             begin="20200101000000Z", end=FAR):
        path = self._path(name)
        curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] \
            if key == "ec" else []
        extension = ["-addext", "subjectAltName=" + names] if names else []
        openssl("req", "-new", "-newkey", key, *curve, "-nodes", "-subj",
                "/CN=example.org", *extension, "-keyout", path + ".key",
                "-out", path + ".csr")
        openssl("ca", "-batch", "-config", self._path("config"), "-md", digest,
                "-startdate", begin, "-enddate", end, "-in", path + ".csr",
                "-cert", self.ca + ".pem", "-keyfile", self.ca + ".key",
                "-notext", "-out", path + ".pem", "-rand_serial")
        return path

    @staticmethod
    def context(path, alpn=(), maximum_version=None, ciphers=WEAK):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1
        if maximum_version:
            context.maximum_version = maximum_version
        context.set_ciphers(ciphers)
        context.load_cert_chain(path + ".pem", path + ".key")
        if alpn:
            context.set_alpn_protocols(alpn)
        return context


class TlsServer(RawServer):
    """Has a good certificate while it is healed, and another TLS or none at all
    while it is broken."""

    def __init__(self, fault, good, bad):
        super().__init__(fault)
        self.tls = lambda connection, healed: good if healed else bad


class Proxy(RawServer):
    """Tunnels to the server behind it while it is healed."""

    def __init__(self, fault, behind):
        super().__init__(fault)
        self.behind = behind

    def serve(self, connection):
        self.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self.behind.healed = True
        self.behind.handle(connection)

    def broken(self):
        super().broken()
        self.behind.broken()


class RefusingProxy(Proxy, Refused):
    pass


class TlsFaults(Rig):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.directory("tls"))
        self.other = Certificates(self.directory("other-tls"))
        self.good = self.certificates.make("good")
        self.context = self.certificates.context(self.good)
        for rows in (self._certificate_rows, self._handshake_rows,
                     self._ca_rows, self._h2_rows, self._proxy_rows):
            rows()

    def _add_tls(self, row, server, ca=None, more="", url=None):
        self.add(row, server, url or "https://127.0.0.1:%d" % server.port,
                 'CACert "%s"\n%s' % (ca or self.certificates.ca + ".pem",
                                      more))

    def _certificate_rows(self):
        for row, name, names, key, digest, begin, end, trusted in CERTIFICATES:
            authority = self.certificates if trusted else self.other
            bad = authority.make(name, names, key, digest, begin, end)
            self._add_tls(
                Row(row, name, listens, "tls", "ertificate|subject"),
                TlsServer(listens, self.context, authority.context(bad)))

    def _handshake_rows(self):
        for row, name, fault, counter in HANDSHAKES:
            self._add_tls(Row(row, name, fault, counter, ""),
                          TlsServer(fault, self.context, None))
        for row, name, options in RESTRICTIONS:
            self._add_tls(Row(row, name, listens, "tls", ""), TlsServer(
                listens, self.context,
                self.certificates.context(self.good, **options)))

    def _ca_rows(self):
        self.ca_files = {}
        for row, name, change in CA_FILES:
            path = os.path.join(self.directory("cas"), name)
            shutil.copy(self.certificates.ca + ".pem", path)
            self.ca_files[path] = change
            self._add_tls(Row(row, name, listens, "tls", ""),
                          TlsServer(listens, self.context, self.context), path)

    def _h2_rows(self):
        context = self.certificates.context(self.good, ["h2"])
        for name, fault in h2_server.FAULTS:
            self._add_tls(
                Row("N10", name, fault, "http|connect|timeout|body|tls", ""),
                h2_server.H2Server(fault, context))

    def _proxy_rows(self):
        for row, name, fault, counter in PROXIES:
            behind = RawServer(fault, self.context)
            self.addCleanup(behind.stop)
            proxy = (Proxy if fault else RefusingProxy)(fault, behind)
            self._add_tls(Row(row, name, fault, counter, ""), proxy,
                          url="https://127.0.0.1:%d" % behind.port,
                          more='Proxy "http://127.0.0.1:%d"\n'
                          'Header "X-Team: fc-0123456789abcdef"' % proxy.port)

    def break_all(self):
        super().break_all()
        for path, change in self.ca_files.items():
            change(path)

    def heal_all(self):
        for path in self.ca_files:
            if os.path.isdir(path):
                os.rmdir(path)
            shutil.copy(self.certificates.ca + ".pem", path)
        super().heal_all()

    def test_every_fault_is_told_and_recovered_from(self):
        daemon = self.come_and_go()
        for row in self.rows:
            self.assertEqual(row.server.received, b"", row.name)
            if row.row == "N11":
                for _, request in row.server.requests:
                    self.assertTrue(request.startswith(b"CONNECT "), request)
                    self.assertNotIn(b"fc-0123456789abcdef", request)
        self.end(daemon, self.passed())
