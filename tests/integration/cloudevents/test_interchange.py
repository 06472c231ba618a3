"""Exchanges events between the host's code and an independent CloudEvents protobuf implementation.

One side is `event_tool`, the host's own check and JSON code behind pipes; the other is the class
CloudEvent of google-cloud-eventarc-publishing. OUTBOARD_BIN names the folder of built programs.
"""

import datetime
import json
import os
import pathlib
import random
import struct
import subprocess

import pytest
from google.cloud.eventarc_publishing_v1.types import CloudEvent
from google.protobuf import any_pb2, duration_pb2, message

UTC = datetime.UTC
Value = CloudEvent.CloudEventAttributeValue


def tool() -> str:
    """The path of event_tool; fails where it is not built."""
    folder = os.environ.get("OUTBOARD_BIN")
    if not folder:
        pytest.fail("OUTBOARD_BIN is not set; set it to the folder of built programs (build/bin)")
    path = pathlib.Path(folder, "event_tool")
    if not path.exists():
        pytest.fail(f"{path} does not exist; build the target event_tool")
    return str(path)


def ask(mode: str, *items: bytes) -> list[tuple[bool, bytes]]:
    """What the host says to each item: whether it passed, and the result or the error."""
    data = b"".join(struct.pack(">I", len(item)) + item for item in items)
    out = subprocess.run([tool(), mode], input=data, capture_output=True, check=True, timeout=60)
    answers, rest = [], out.stdout
    while rest:
        passed, size = struct.unpack(">BI", rest[:5])
        answers.append((passed == 1, rest[5 : 5 + size]))
        rest = rest[5 + size :]
    assert len(answers) == len(items)
    return answers


def passed(mode: str, item: bytes) -> bytes:
    """The result of an item that must pass."""
    [(ok, result)] = ask(mode, item)
    assert ok, result.decode()
    return result


def core(**fields) -> CloudEvent:
    """A small event, with `fields` set as well."""
    return CloudEvent(
        **{"id": "1", "source": "tracker", "spec_version": "1.0", "type_": "story.created"} | fields
    )


def every_kind() -> CloudEvent:
    """An event with an attribute of each kind."""
    return core(
        attributes={
            "subject": Value(ce_string="story/12 größe 🎈"),
            "time": Value(ce_timestamp=datetime.datetime(2026, 1, 31, 12, 0, 0, 120000, UTC)),
            "dataschema": Value(ce_uri="https://schemas.example/story"),
            "ref": Value(ce_uri_ref="/stories/12#top"),
            "flag": Value(ce_boolean=True),
            "off": Value(ce_boolean=False),
            "count": Value(ce_integer=-5),
            "raw": Value(ce_bytes=b"\x00\xff"),
            "datacontenttype": Value(ce_string="application/json"),
        },
        binary_data=b'{"story_id": 12, "ratio": 1.0}',
    )


def test_the_host_passes_their_event_and_they_read_ours():
    theirs = every_kind()
    ours = passed("check", CloudEvent.serialize(theirs))
    assert CloudEvent.deserialize(ours) == theirs


def test_the_host_moves_text_data_to_binary_data():
    ours = passed("check", CloudEvent.serialize(core(text_data="größe")))
    assert CloudEvent.deserialize(ours) == core(binary_data="größe".encode())


def test_the_host_sets_the_version():
    ours = passed("check", CloudEvent.serialize(core(spec_version="")))
    assert CloudEvent.deserialize(ours) == core()


def test_proto_data_goes_through():
    packed = any_pb2.Any()
    packed.Pack(duration_pb2.Duration(seconds=90))
    ours = CloudEvent.deserialize(passed("check", CloudEvent.serialize(core(proto_data=packed))))
    unpacked = duration_pb2.Duration()
    assert ours.proto_data.Unpack(unpacked)
    assert unpacked.seconds == 90


def test_their_event_as_json():
    shown = json.loads(passed("to-json", CloudEvent.serialize(every_kind())))
    assert shown == {
        "specversion": "1.0",
        "id": "1",
        "source": "tracker",
        "type": "story.created",
        "subject": "story/12 größe 🎈",
        "time": "2026-01-31T12:00:00.120Z",
        "dataschema": "https://schemas.example/story",
        "ref": "/stories/12#top",
        "flag": True,
        "off": False,
        "count": -5,
        "raw": "AP8=",
        "datacontenttype": "application/json",
        "data": {"story_id": 12, "ratio": 1.0},
    }


def test_they_read_what_the_host_makes_of_json():
    source = {
        "specversion": "1.0",
        "id": "2",
        "source": "/tracker",
        "type": "task.put",
        "subject": "story/12",
        "time": "2026-01-31T13:00:00.000001+01:00",
        "dataschema": "urn:story",
        "flag": True,
        "count": 2147483647,
        "traceparent": "00-ab-cd-01",
        "data": {"a": [1, None]},
    }
    theirs = CloudEvent.deserialize(passed("from-json", json.dumps(source).encode()))
    assert (theirs.id, theirs.source, theirs.type_) == ("2", "/tracker", "task.put")
    assert theirs.spec_version == "1.0"
    assert json.loads(theirs.binary_data) == {"a": [1, None]}
    assert dict(theirs.attributes) == {
        "subject": Value(ce_string="story/12"),
        "time": Value(ce_timestamp=datetime.datetime(2026, 1, 31, 12, 0, 0, 1, UTC)),
        "dataschema": Value(ce_uri="urn:story"),
        "flag": Value(ce_boolean=True),
        "count": Value(ce_integer=2147483647),
        "traceparent": Value(ce_string="00-ab-cd-01"),
        "datacontenttype": Value(ce_string="application/json"),
    }


def test_json_and_back_is_their_event_again():
    # What JSON keeps apart: text, integers, booleans, and the attributes that the specification types.
    theirs = every_kind()
    for name in ("ref", "raw"):
        del theirs.attributes[name]
    shown = passed("to-json", CloudEvent.serialize(theirs))
    assert CloudEvent.deserialize(passed("from-json", shown)) == theirs


def field(number: int, payload: bytes) -> bytes:
    """A short field of wire type 2."""
    return bytes([number << 3 | 2, len(payload)]) + payload


@pytest.mark.parametrize(
    "more",
    [
        field(1, b"\xff"),
        field(2, b"\xc0\x80"),
        field(4, b"\xed\xa0\x80"),
        field(7, b"\xf5\x80\x80\x80"),
        field(5, field(1, b"subject") + field(2, field(3, b"\xff"))),
        field(5, field(1, b"ref") + field(2, field(6, b"\xff"))),
        field(8, field(1, b"a/\xff")),
        b"\x32\x05abc",
        b"\x4b",
        b"\x00\x00",
    ],
)
def test_both_refuse_what_is_broken(more: bytes):
    base = CloudEvent.serialize(core()) if more[0] not in (0x0A, 0x12, 0x22) else b""
    rest = b"".join(
        field(number, text)
        for number, text in ((1, b"1"), (2, b"tracker"), (4, b"story.created"))
        if not base and more[0] >> 3 != number
    )
    broken = base + rest + more
    [(ok, error)] = ask("check", broken)
    assert not ok
    assert error
    with pytest.raises(message.DecodeError):
        CloudEvent.deserialize(broken)


def test_the_host_alone_refuses_what_is_no_cloudevent():
    refused = {
        "id: is missing": core(id=""),
        "source: is missing": core(source=""),
        "type: is missing": core(type_=""),
        "spec_version": core(spec_version="0.3"),
        "reserved": core(attributes={"id": Value(ce_string="x")}),
        "no CloudEvents attribute name": core(attributes={"Subject": Value(ce_string="x")}),
        "no value is set": core(attributes={"x": Value()}),
    }
    answers = ask("check", *(CloudEvent.serialize(event) for event in refused.values()))
    for problem, (ok, error) in zip(refused, answers, strict=True):
        assert not ok
        assert problem in error.decode()


def random_text(rng: random.Random) -> str:
    return "".join(rng.choice('abc ß日🎈\n"\\') for _ in range(rng.randrange(12)))


def random_value(rng: random.Random) -> Value:
    return rng.choice(
        [
            lambda: Value(ce_boolean=rng.random() < 0.5),
            lambda: Value(ce_integer=rng.randrange(-(2**31), 2**31)),
            lambda: Value(ce_string=random_text(rng)),
            lambda: Value(ce_bytes=rng.randbytes(rng.randrange(9))),
            lambda: Value(ce_uri=f"urn:{rng.randrange(10**6)}"),
            lambda: Value(ce_uri_ref=f"/x/{rng.randrange(10**6)}"),
            lambda: Value(
                ce_timestamp=datetime.datetime.fromtimestamp(rng.randrange(-(10**10), 10**11), UTC)
            ),
        ]
    )()


def random_event(rng: random.Random) -> CloudEvent:
    event = core(id=f"id-{rng.random()}", binary_data=rng.randbytes(rng.randrange(300)))
    for _ in range(rng.randrange(6)):
        event.attributes[f"x{rng.randrange(10**6)}"] = random_value(rng)
    return event


def test_random_events_go_through_unchanged():
    rng = random.Random(20260131)
    events = [random_event(rng) for _ in range(500)]
    answers = ask("check", *map(CloudEvent.serialize, events))
    for event, (ok, result) in zip(events, answers, strict=True):
        assert ok, result.decode()
        assert CloudEvent.deserialize(result) == event
