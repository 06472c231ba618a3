"""TLS in front of a plugin that speaks none, as a server with certificates of its own would: for tests."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from tls import Identity


class TlsFront:
    """Listens until it is closed; with `clients_of`, only for those with a certificate of that CA."""

    def __init__(self, server: Identity, dial: Callable[[], socket.socket], *, clients_of: Identity | None = None,
                 port: int = 0) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server.certificate, server.key)
        self.context.set_alpn_protocols(["h2"])
        if clients_of is not None:
            self.context.load_verify_locations(clients_of.certificate)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.dial = dial
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self.listener.getsockname()[1])
        self.clients: list[str] = []  # Common names of those who came in.
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as near, \
                self.dial() as far:
            self.open += [near, far]
            shown = near.getpeercert() or {}
            self.clients += [value for name in shown.get("subject", ()) for key, value in name if key == "commonName"]
            ends = {near: far, far: near}
            with selectors.DefaultSelector() as selector:
                for end in ends:
                    selector.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select():
                        end = key.fileobj
                        assert isinstance(end, socket.socket)
                        data = end.recv(1 << 16)
                        while end is near and near.pending():
                            data += near.recv(near.pending())
                        if not data:
                            return
                        ends[end].sendall(data)

    def close(self) -> None:
        """No more connections, and an end of those there are."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def to_unix(path: Path) -> Callable[[], socket.socket]:
    def dial() -> socket.socket:
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(path))
        return far

    return dial
