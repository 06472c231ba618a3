"""TLS of a plugin that listens at a port: files that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

import grpc

_CERT, _KEY, _CLIENT_CA = "OUTBOARD_TLS_CERT", "OUTBOARD_TLS_KEY", "OUTBOARD_TLS_CLIENT_CA"


class _Files:
    def __init__(self, cert: str, key: str, client_ca: str | None) -> None:
        self._paths = [Path(path) for path in (cert, key, client_ca) if path]
        self._stamps: list[tuple[int, int]] = []

    def _look(self) -> list[tuple[int, int]]:
        found = [path.stat() for path in self._paths]
        return [(info.st_ino, info.st_mtime_ns) for info in found]

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What they hold now."""
        self._stamps = self._look()
        cert, key, *client_ca = (path.read_bytes() for path in self._paths)
        return grpc.ssl_server_certificate_configuration([(key, cert)], *client_ca)

    def read_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The same if it is new, at each handshake; None leaves what is in force."""
        try:
            return None if self._look() == self._stamps else self.read()
        except OSError:
            return None


def server_credentials() -> grpc.ServerCredentials | None:
    """Those of $OUTBOARD_TLS_CERT and its companions; None: the plugin speaks no TLS."""
    cert, key, client_ca = (os.environ.get(name) for name in (_CERT, _KEY, _CLIENT_CA))
    if not (cert and key):
        return None
    files = _Files(cert, key, client_ca)
    return grpc.dynamic_ssl_server_credentials(
        files.read(), files.read_changed, require_client_authentication=bool(client_ca)
    )


def tls_fault() -> str:
    """What is wrong with these variables and their files; empty: nothing."""
    cert, key, client_ca = (os.environ.get(name) for name in (_CERT, _KEY, _CLIENT_CA))
    if bool(cert) != bool(key) or (client_ca and not cert):
        return f"TLS needs both, ${_CERT} and ${_KEY}"
    try:
        server_credentials()
    except OSError as error:
        return f"cannot read a file of TLS: {error}"
    return ""
