"""Who may come in over TCP: tokens and their roles, TLS and certificates of clients, and what is reloaded."""

from __future__ import annotations

import http.client
import json
import queue
import re
import secrets
import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from http_host import JSON, HttpHost, ask, post
from http_host import bearer_of as bearer
from outboard.event.v1 import event_pb2
from outboard.host.v1 import admin_pb2, pipeline_pb2, publisher_pb2
from running_host import BIN, event, wait_for
from tls import Identity, make

READ, PUBLISH, OPERATE, FEED = (secrets.token_hex(32) for _ in range(4))
SERVICES = [
    admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
    publisher_pb2.DESCRIPTOR.services_by_name["PublisherService"],
    pipeline_pb2.DESCRIPTOR.services_by_name["PipelineService"],
]
# What each role may call: operate all of it.
ROLES = {
    "GetStatus": "read", "ListLanes": "read", "Tail": "read", "ListDead": "read", "GetDead": "read",
    "GroupDead": "read", "Why": "read",
    "Publish": "publish", "PublishStream": "publish", "Invoke": "publish", "InvokeStream": "publish",
}
METHODS = [(service.full_name, method) for service in SERVICES for method in service.methods]


def write_tokens(folder: Path) -> Path:
    file = folder / "tokens"
    replace(file, f"# name role token\ngrafana read {READ}\nfeeder publish {PUBLISH}\nops operate {OPERATE}\n"
                  f"feed publish {FEED} story.# task.*\n")
    return file


def replace(file: Path, text: str) -> None:
    """As people do: whole, by a rename."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


@dataclass
class Guarded:
    host: HttpHost

    def address(self) -> str:
        return str(self.host.status()["grpc_address"])

    def call(self, service: str, name: str, request: bytes = b"", token: str | None = OPERATE, *,
             channel: grpc.Channel | None = None, metadata: tuple[tuple[str, str], ...] = (),
             timeout: float = 20) -> grpc.StatusCode:
        """How a call with these bytes ends; a stream's first answer counts as OK."""
        own = channel or grpc.insecure_channel(self.address())
        try:
            method = next(m for s, m in METHODS if s == service and m.name == name)
            more = metadata + ((("authorization", f"Bearer {token}"),) if token else ())
            if method.client_streaming:
                call = own.stream_stream(f"/{service}/{name}")
                next(iter(call(iter([request]), metadata=more, timeout=timeout)), None)
            elif method.server_streaming:
                next(iter(own.unary_stream(f"/{service}/{name}")(request, metadata=more, timeout=timeout)), None)
            else:
                own.unary_unary(f"/{service}/{name}")(request, metadata=more, timeout=timeout)
        except grpc.RpcError as error:
            self.details = str(error.details())
            return error.code()
        finally:
            if channel is None:
                own.close()
        return grpc.StatusCode.OK


ADMIN = "outboard.host.v1.AdminService"
PUBLISHER = "outboard.host.v1.PublisherService"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("guarded")
    with HttpHost(folder, grpc="127.0.0.1:0", token_file=str(write_tokens(folder))) as host:
        yield Guarded(host)


def refused(host: HttpHost) -> dict[str, float]:
    """The counters of refusals, by edge and cause."""
    status, _, text = ask(host.connect(), "GET", "/metrics", headers=bearer(READ))
    assert status == 200
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines()
            if line.startswith(("outboard_access_refused", "outboard_publish_denied"))}


# ---- Tokens and roles ----


@pytest.mark.parametrize(("service", "method"), METHODS, ids=lambda value: getattr(value, "name", None))
def test_no_call_goes_without_a_token_that_is_known(guarded: Guarded, service: str, method: Any) -> None:
    """Of every call there is, also of those that were added since."""
    assert guarded.call(service, method.name, token=None) is grpc.StatusCode.UNAUTHENTICATED
    assert "authorization: Bearer TOKEN" in guarded.details
    wrong = secrets.token_hex(32)
    assert guarded.call(service, method.name, token=wrong) is grpc.StatusCode.UNAUTHENTICATED
    assert wrong not in guarded.details


@pytest.mark.parametrize(("service", "method"), METHODS, ids=lambda value: getattr(value, "name", None))
def test_a_role_allows_what_it_says(guarded: Guarded, service: str, method: Any) -> None:
    for role, token in (("read", READ), ("publish", PUBLISH), ("operate", OPERATE)):
        code = guarded.call(service, method.name, token=token, timeout=1)
        allowed = role in ("operate", ROLES.get(method.name, "operate"))
        assert (code is not grpc.StatusCode.PERMISSION_DENIED) == allowed, (role, code)
        if not allowed:
            assert method.name in guarded.details
            assert f"may {role}" in guarded.details


def test_the_admin_socket_asks_for_no_token(guarded: Guarded) -> None:
    assert guarded.host.publish([event(1)]) == ["e1"]


def test_refusals_are_counted_and_logged_without_the_token(guarded: Guarded) -> None:
    before = refused(guarded.host)
    guarded.call(ADMIN, "GetStatus", token=None)
    guarded.call(ADMIN, "PurgeDead", token=READ)
    wrong = secrets.token_hex(32)
    guarded.call(ADMIN, "GetStatus", token=wrong)
    expected = {f'outboard_access_refused_requests_total{{edge="grpc",cause="{cause}"}}'
                for cause in ("no_token", "role", "unknown_token")}
    wait_for("each is counted", lambda: expected == {
        name for name, count in refused(guarded.host).items() if count > before.get(name, 0)})
    text = guarded.host.log_text()
    assert "refused: " in text
    assert not any(token in text for token in (READ, PUBLISH, OPERATE, FEED, wrong))
    assert not any(token in json.dumps(guarded.host.status()) for token in (READ, PUBLISH, OPERATE, FEED))


def publish(guarded: Guarded, token: str, *types: str) -> list[tuple[int, str]]:
    events = [event_pb2.Event(id=f"p{n}", source="storyboard", type=kind, spec_version="1.0")
              for n, kind in enumerate(types)]
    with grpc.insecure_channel(guarded.address()) as channel:
        method = channel.unary_unary(f"/{PUBLISHER}/Publish", publisher_pb2.PublishRequest.SerializeToString,
                                     publisher_pb2.PublishResponse.FromString)
        answer = method(publisher_pb2.PublishRequest(events=events), timeout=20,
                        metadata=(("authorization", f"Bearer {token}"),))
    return [(result.code, result.message) for result in answer.results]


def test_a_token_may_be_for_some_types_only(guarded: Guarded) -> None:
    before = refused(guarded.host).get('outboard_publish_denied_events_total{publisher="feed"}', 0)
    results = publish(guarded, FEED, "story.post", "user.post", "task.put", "task.put.x")
    assert [code for code, _ in results] == [0, 7, 0, 7]
    assert "feed may not publish user.post, only story.#, task.*" in results[1][1]
    assert "its line in " in results[1][1]
    wait_for("they are counted", lambda: refused(guarded.host).get(
        'outboard_publish_denied_events_total{publisher="feed"}') == before + 2)
    assert [code for code, _ in publish(guarded, PUBLISH, "user.post")] == [0]


def test_tokens_change_while_the_host_runs(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path)
    with HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(tokens)) as host:
        guarded = Guarded(host)
        assert guarded.call(ADMIN, "GetStatus", token=READ) is grpc.StatusCode.OK
        fresh = secrets.token_hex(32)
        replace(tokens, f"grafana read {fresh}\n")
        wait_for("the new token is known", lambda: guarded.call(ADMIN, "GetStatus", token=fresh) is grpc.StatusCode.OK)
        assert guarded.call(ADMIN, "GetStatus", token=READ) is grpc.StatusCode.UNAUTHENTICATED
        replace(tokens, "grafana raed nonsense\n")
        wait_for("the log says it", lambda: "the tokens stay as they were" in host.log_text()
                 or guarded.call(ADMIN, "GetStatus", token=OPERATE) is None)
        assert guarded.call(ADMIN, "GetStatus", token=fresh) is grpc.StatusCode.OK


def test_streams_end_once_their_token_is_taken_away(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path)
    with HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(tokens)) as host, \
            grpc.insecure_channel(str(host.status()["grpc_address"])) as to:
        requests: dict[str, queue.SimpleQueue[Any]] = {"PublishStream": queue.SimpleQueue(),
                                                       "InvokeStream": queue.SimpleQueue()}
        mine = (("authorization", f"Bearer {PUBLISH}"),)

        def stream(service: str, name: str, request: Any, response: Any) -> Any:
            call = to.stream_stream(f"/{service}/{name}", request.SerializeToString, response.FromString)
            return call(iter(requests[name].get, None), metadata=mine)

        publishing = stream(PUBLISHER, "PublishStream", publisher_pb2.PublishStreamRequest,
                            publisher_pb2.PublishStreamResponse)
        calling = stream("outboard.host.v1.PipelineService", "InvokeStream", pipeline_pb2.InvokeStreamRequest,
                         pipeline_pb2.InvokeStreamResponse)
        tail = to.unary_stream(f"/{ADMIN}/Tail", admin_pb2.TailRequest.SerializeToString,
                               admin_pb2.TailResponse.FromString)
        following = tail(admin_pb2.TailRequest(last=10), metadata=(("authorization", f"Bearer {READ}"),))
        one = event_pb2.Event(id="1", source="storyboard", type="story.post", spec_version="1.0")
        batch = publisher_pb2.PublishStreamRequest(request_id=1, events=[one])
        call = pipeline_pb2.InvokeStreamRequest(calls=[{"call_id": 1, "call": {"pipeline": "none", "operation": "o"}}])
        requests["PublishStream"].put(batch)
        assert next(publishing).results[0].confirmed
        assert next(following).event.id == "1"
        requests["InvokeStream"].put(call)
        assert next(calling).answers[0].error.failure.reason == "NO_PIPELINE"
        replace(tokens, f"ops operate {OPERATE}\n")
        with pytest.raises(grpc.RpcError) as ended:
            list(following)
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        requests["InvokeStream"].put(call)
        assert next(calling).answers[0].error.failure.reason == "TOKEN_REFUSED"
        requests["PublishStream"].put(batch)
        with pytest.raises(grpc.RpcError) as refused_stream:
            list(publishing)
        assert refused_stream.value.code() is grpc.StatusCode.UNAUTHENTICATED
        for waiting in requests.values():
            waiting.put(None)


# ---- HTTP ----


def test_http_asks_for_tokens_too(guarded: Guarded) -> None:
    host = guarded.host
    status, headers, text = ask(host.connect(), "POST", "/events", json.dumps(event(2)), JSON)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "authorization: Bearer TOKEN" in json.loads(text)["detail"]
    assert post(host.connect(), event(2), JSON | bearer(READ))[0] == 403
    assert post(host.connect(), event(2), JSON | bearer(secrets.token_hex(32)))[0] == 401
    assert post(host.connect(), event(2), JSON | bearer(PUBLISH))[0] == 202
    assert post(host.connect(), event(2), JSON | bearer(OPERATE))[0] == 202
    assert ask(host.connect(), "GET", "/metrics")[0] == 401
    assert ask(host.connect(), "GET", "/metrics", headers=bearer(PUBLISH))[0] == 403
    assert ask(host.connect(), "GET", "/metrics", headers=bearer(READ))[0] == 200


def test_probes_need_no_token_and_learn_no_more_than_whether_it_is_ready(guarded: Guarded) -> None:
    assert guarded.host.get("/healthz") == (200, "ok\n")
    assert guarded.host.get("/readyz") == (200, "ready\n")
    status, _, text = ask(guarded.host.connect(), "GET", "/readyz", headers=bearer(READ))
    assert status == 200
    assert "all/faulty" in text


def test_a_batch_with_a_type_that_is_not_for_the_token_is_refused_whole(guarded: Guarded) -> None:
    headers = {"Content-Type": "application/cloudevents-batch+json"} | bearer(FEED)
    batch = [event(10), event(11, kind="user.post")]
    status, answer = post(guarded.host.connect(), batch, headers)
    assert status == 403
    assert [(error["index"], error["id"]) for error in answer["errors"]] == [(1, "e11")]
    assert "feed may not publish user.post" in answer["detail"]
    assert post(guarded.host.connect(), batch[:1], headers)[0] == 202


# ---- TLS ----


@dataclass
class Certificates:
    ca: Identity
    server: Identity
    client_ca: Identity
    client: Identity
    other_ca: Identity
    other_client: Identity
    expired: Identity


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ca, client_ca, other = (make(folder, name) for name in ("ca", "client-ca", "other-ca"))
    return Certificates(ca, make(folder, "server", ca, host="localhost"), client_ca, make(folder, "client", client_ca),
                        other, make(folder, "other-client", other), expired(folder, client_ca))


def expired(folder: Path, issuer: Identity) -> Identity:
    """A client whose certificate was good for a day, years ago."""
    made = Identity(folder / "expired.pem", folder / "expired.key")
    request, serial = folder / "expired.csr", folder / "expired.cnf"
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                    "/CN=expired", "-keyout", made.key, "-out", request], check=True, capture_output=True)
    (folder / "index").write_text("")
    (folder / "serial").write_text("1234\n")
    serial.write_text(f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir="
                      f"{folder}\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
    subprocess.run(["openssl", "ca", "-batch", "-config", serial, "-cert", issuer.certificate, "-keyfile", issuer.key,
                    "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-in", request, "-notext", "-out",
                    made.certificate], check=True, capture_output=True)
    return made


def tls_of(server: Identity, client_ca: Identity | None = None) -> dict[str, str]:
    files = {"cert_file": str(server.certificate), "key_file": str(server.key)}
    return files | ({"client_ca_file": str(client_ca.certificate)} if client_ca else {})


def channel(address: str, ca: Identity, client: Identity | None = None, name: str = "localhost") -> grpc.Channel:
    shown = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.certificate.read_bytes(), *shown),
                               options=(("grpc.ssl_target_name_override", name),))


def https(host: HttpHost, ca: Identity, client: Identity | None = None,
          name: str = "localhost") -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(ca.certificate))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    connection = http.client.HTTPSConnection(name, host.port(), timeout=30, context=context)
    plain = socket.create_connection(("127.0.0.1", host.port()), 30)
    connection.sock = context.wrap_socket(plain, server_hostname=name)
    return connection


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Any:
    folder = tmp_path_factory.mktemp("encrypted")
    with HttpHost(folder, grpc="127.0.0.1:0", token_file=str(write_tokens(folder)),
                  tls=tls_of(certificates.server, certificates.client_ca)) as host:
        yield Guarded(host)


def test_with_tls_and_a_certificate_and_a_token_all_works(encrypted: Guarded, certificates: Certificates) -> None:
    with channel(encrypted.address(), certificates.ca, certificates.client) as to:
        assert encrypted.call(ADMIN, "GetStatus", channel=to) is grpc.StatusCode.OK
        assert encrypted.call(ADMIN, "GetStatus", channel=to, token=None) is grpc.StatusCode.UNAUTHENTICATED
    connection = https(encrypted.host, certificates.ca, certificates.client)
    assert post(connection, event(1), JSON | bearer(PUBLISH))[0] == 202
    large = event(2, data={"text": "x" * 900_000})
    assert post(connection, large, JSON | bearer(PUBLISH))[0] == 202
    assert len(ask(connection, "GET", "/metrics", headers=bearer(READ))[2]) > 10_000


def strangers(c: Certificates) -> dict[str, Identity | None]:
    return {"none": None, "of another CA": c.other_client, "expired": c.expired}


@pytest.mark.parametrize("who", ["none", "of another CA", "expired"])
def test_a_client_needs_a_good_certificate(encrypted: Guarded, certificates: Certificates, who: str) -> None:
    client = strangers(certificates)[who]
    with channel(encrypted.address(), certificates.ca, client) as to:
        assert encrypted.call(ADMIN, "GetStatus", channel=to) is grpc.StatusCode.UNAVAILABLE
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask(https(encrypted.host, certificates.ca, client), "GET", "/healthz")
    test_with_tls_and_a_certificate_and_a_token_all_works(encrypted, certificates)


def test_clients_refuse_a_host_of_another_name_or_ca(encrypted: Guarded, certificates: Certificates) -> None:
    for ca, name in ((certificates.ca, "elsewhere"), (certificates.other_ca, "localhost")):
        with channel(encrypted.address(), ca, certificates.client, name) as to:
            assert encrypted.call(ADMIN, "GetStatus", channel=to) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ssl.SSLCertVerificationError):
            https(encrypted.host, ca, certificates.client, name)


def test_plaintext_at_a_tls_port_gets_nowhere_and_harms_nobody(encrypted: Guarded, certificates: Certificates) -> None:
    assert encrypted.call(ADMIN, "GetStatus") is grpc.StatusCode.UNAVAILABLE
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(encrypted.host.connect(), "GET", "/healthz")
    wait_for("the log tells it in its own form", lambda: " WARN  grpc: " in encrypted.host.log_text())
    assert not re.search(r"^[DIEW]\d{4} ", encrypted.host.log_text(), re.MULTILINE)
    test_with_tls_and_a_certificate_and_a_token_all_works(encrypted, certificates)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_are_spoken(encrypted: Guarded, certificates: Certificates,
                                         version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca.certificate))
    context.load_cert_chain(certificates.client.certificate, certificates.client.key)
    context.minimum_version = context.maximum_version = version
    for port in (encrypted.host.port(), int(encrypted.address().rpartition(":")[2])):
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="localhost") as to:
            assert to.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def serial_at(port: int, ca: Identity, client: Identity) -> str:
    """That of the certificate that is shown there; empty: no handshake came about."""
    context = ssl.create_default_context(cafile=str(ca.certificate))
    context.load_cert_chain(client.certificate, client.key)
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="localhost") as to:
            return str((to.getpeercert() or {}).get("serialNumber", ""))
    except (ssl.SSLError, ConnectionError):
        return ""


def test_certificates_are_replaced_while_the_host_runs(tmp_path: Path, certificates: Certificates) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    live = Identity(folder / "live.pem", folder / "live.key")
    client_ca = Identity(folder / "clients.pem", folder / "none")

    def put(server: Identity, clients: Identity) -> None:
        for source, target in ((server.certificate, live.certificate), (server.key, live.key),
                               (clients.certificate, client_ca.certificate)):
            replace(target, source.read_text())

    put(certificates.server, certificates.client_ca)
    with HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(write_tokens(tmp_path)),
                  tls=tls_of(live, client_ca)) as host:
        ports = {"http": host.port(), "grpc": int(str(host.status()["grpc_address"]).rpartition(":")[2])}
        old = {name: serial_at(port, certificates.ca, certificates.client) for name, port in ports.items()}
        assert all(old.values())
        kept = https(host, certificates.ca, certificates.client)  # Goes on with what it has.
        replacement = make(folder, "server-2", certificates.ca, host="localhost")
        put(replacement, certificates.other_ca)
        for name, port in ports.items():
            wait_for(f"{name} shows the new one to clients of the new CA",
                     lambda port=port, name=name: serial_at(port, certificates.ca, certificates.other_client)
                     not in ("", old[name]))
        assert ask(kept, "GET", "/healthz")[0] == 200
        with channel(str(host.status()["grpc_address"]), certificates.ca, certificates.client) as to:
            assert Guarded(host).call(ADMIN, "GetStatus", channel=to) is grpc.StatusCode.UNAVAILABLE
        # A key that does not belong to it: what was there goes on, or comes back with the fitting one.
        replace(live.key, certificates.server.key.read_text())
        wait_for("the log says it", lambda: serial_at(ports["http"], certificates.ca, certificates.other_client)
                 and "the certificate stays as it was" in host.log_text())
        replace(live.key, replacement.key.read_text())
        for port in ports.values():
            wait_for("it goes on", lambda port=port: serial_at(port, certificates.ca, certificates.other_client))


@pytest.mark.parametrize(("change", "said"), [
    (lambda c, t: {"cert_file": str(t / "none.pem")}, "cannot read the certificate"),
    (lambda c, t: {"key_file": str(c.client.key)}, "give a certificate in PEM with the key that belongs to it"),
    (lambda c, t: {"client_ca_file": str(c.client.key)}, "has no certificate of a CA"),
])
def test_a_wrong_file_ends_the_start_and_is_named(tmp_path: Path, certificates: Certificates,
                                                  change: Callable[[Certificates, Path], dict[str, str]],
                                                  said: str) -> None:
    tls = tls_of(certificates.server, certificates.client_ca) | change(certificates, tmp_path)
    host = HttpHost(tmp_path, grpc="127.0.0.1:0", token_file=str(write_tokens(tmp_path)), tls=tls)
    with pytest.raises(AssertionError, match="the host ended with 1"):
        host.start()
    assert said in host.log_text()
    assert next(iter(change(certificates, tmp_path).values())) in host.log_text()
    assert "PRIVATE KEY" not in host.log_text()
    checked = outboard("check", "--no-plugins", "--config", str(host.config), cwd=tmp_path)
    assert (checked.returncode, said in checked.stderr) == (2, True)
    assert outboard("check", "--offline", "--config", str(host.config), cwd=tmp_path).returncode == 0


# ---- The verbs ----


def outboard(*words: str, env: dict[str, str] | None = None, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "outboard", *words], capture_output=True, text=True, timeout=60, check=False, cwd=cwd,
                          env={"PATH": "/usr/bin:/bin", **(env or {})})


def test_verbs_reach_a_host_over_tls(tmp_path: Path, encrypted: Guarded, certificates: Certificates) -> None:
    token = tmp_path / "token"
    token.write_text(OPERATE + "\n")
    flags = ("--address", encrypted.address(), "--token-file", str(token), "--ca", str(certificates.ca.certificate),
             "--cert", str(certificates.client.certificate), "--key", str(certificates.client.key),
             "--server-name", "localhost")
    done = outboard("status", "--json", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["host"] == "test"
    lines = tmp_path / "lines"
    lines.write_text(json.dumps(event(50)) + "\n")
    assert outboard("publish", "--file", str(lines), *flags, cwd=tmp_path).returncode == 0
    assert outboard("publish", "--type", "a.b", "--source", "s", *flags, cwd=tmp_path).returncode == 0
    env = {"OUTBOARD_ADDRESS": encrypted.address(), "OUTBOARD_TOKEN_FILE": str(token),
           "OUTBOARD_CA": str(certificates.ca.certificate), "OUTBOARD_CERT": str(certificates.client.certificate),
           "OUTBOARD_KEY": str(certificates.client.key), "OUTBOARD_SERVER_NAME": "localhost"}
    assert outboard("lane", "list", env=env, cwd=tmp_path).returncode == 0
    other = outboard("status", *flags[:-1], "elsewhere", cwd=tmp_path)
    assert other.returncode == 3
    assert "--server-name" in other.stderr


def test_verbs_say_what_is_wrong_with_a_token(tmp_path: Path, guarded: Guarded) -> None:
    token = tmp_path / "token"
    address = ("--address", guarded.address())
    none = outboard("status", *address, cwd=tmp_path)
    assert none.returncode == 1
    assert "--token-file" in none.stderr
    token.write_text(READ)
    flags = (*address, "--token-file", str(token))
    assert outboard("status", *flags, cwd=tmp_path).returncode == 0
    denied = outboard("dead", "purge", "--all", "--yes", *flags, cwd=tmp_path)
    assert denied.returncode == 1
    assert "grafana may read, and PurgeDead needs operate" in denied.stderr
    assert READ not in denied.stderr
    # A name that is not this machine's is spoken to over TLS alone.
    assert outboard("status", "--address", guarded.address().replace("127.0.0.1", "0.0.0.0"), cwd=tmp_path,
                    ).returncode == 3
