"""Certificates that a test makes for itself, and TLS ports of a real RabbitMQ that show them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from broker import Broker
from node import free_port
from wire import binary

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")


@dataclass
class Identity:
    """Files in PEM."""

    certificate: Path
    key: Path


def make(folder: Path, name: str, issuer: Identity | None = None, *, host: str = "") -> Identity:
    """An identity that the issuer signs, or that signs itself and others; `host` is the name or IP of a server."""
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    signed = ("-CA", issuer.certificate, "-CAkey", issuer.key) if issuer else ()
    kind = "IP" if host[:1].isdigit() else "DNS"
    names = ("-addext", f"subjectAltName={kind}:{host}") if host else ()
    ca = f"basicConstraints=critical,CA:{str(issuer is None).upper()}"
    subprocess.run(["openssl", "req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", *signed, *names, "-addext", ca,
                    "-keyout", made.key, "-out", made.certificate], check=True, capture_output=True)
    return made


def listen(broker: Broker, server: Identity, *, clients_of: Identity | None = None) -> int:
    """One more port of the broker, until it ends; with `clients_of`, only for those with a certificate of that CA."""
    port = free_port()
    options = [f"{{certfile,{binary(str(server.certificate))}}}", f"{{keyfile,{binary(str(server.key))}}}"]
    if clients_of is not None:
        options += [f"{{cacertfile,{binary(str(clients_of.certificate))}}}", "{verify,verify_peer}",
                    "{fail_if_no_peer_cert,true}"]
    broker.evaluate(f'{{ok,_}}=application:ensure_all_started(ssl),'
                    f'ok=rabbit_networking:start_ssl_listener({{"127.0.0.1",{port}}},[{",".join(options)}],1)')
    return port
