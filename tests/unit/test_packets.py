"""Socket.IO packets: what is one is read, what is none is BadPacket and nothing else."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.packets import MAX_ATTACHMENTS, BadPacket, Packet, attach, read

SOUND = [
    ("0", Packet("0", "/", None, None)),
    ('0{"token":"x"}', Packet("0", "/", None, {"token": "x"})),
    ("0/servers/1,", Packet("0", "/servers/1", None, None)),
    ("0/servers/1", Packet("0", "/servers/1", None, None)),
    ('0/servers/1,{"a":1}', Packet("0", "/servers/1", None, {"a": 1})),
    ("1", Packet("1", "/", None, None)),
    ("1/x,", Packet("1", "/x", None, None)),
    ('2["a"]', Packet("2", "/", None, ["a"])),
    ('212["a",{"b":[1]}]', Packet("2", "/", 12, ["a", {"b": [1]}])),
    ('2/x,0["a"]', Packet("2", "/x", 0, ["a"])),
    ("2[7]", Packet("2", "/", None, [7])),
    ('2["a,/b"]', Packet("2", "/", None, ["a,/b"])),
    ("3/x,999999999999999[]", Packet("3", "/x", 999_999_999_999_999, [])),
    ('51-["a",{"_placeholder":true,"num":0}]',
     Packet("5", "/", None, ["a", {"_placeholder": True, "num": 0}], 1)),
    ('510-/x,7["a"]', Packet("5", "/x", 7, ["a"], MAX_ATTACHMENTS)),
    ('61-7["a"]', Packet("6", "/", 7, ["a"], 1)),
    ('2["\\ud800"]', Packet("2", "/", None, ["\ud800"])),
]  # fmt: skip

NONE = [
    "", " ", "7", "9[]", "x", "²", "-",
    "2", "2x", "2{}", "2[]", "2[null]", "2[[]]", "2[1.5]", '2"a"', "2[", '2["a"]x', '2["a",NaN]',
    '2["a",Infinity]', '2["a"],', '2-["a"]', '20-["a"]', '21-["a"]', '2/a["b"]',
    '299999999999999999999["a"]', '21.5["a"]', '2-1["a"]', '2٣["a"]',
    "0[]", "0x", '0"x"', "01", "0/x,1", "0/" + "x" * 201 + ",", "1{}", "1x", "11", '1/x,"a"',
    "3[]", "3", "31", "31{}", "4", '4{"message":"x"}', "4/x,",
    "5", '5["a"]', '50-["a"]', "51-", "51-[]", '511-["a"]', '5100-["a"]', '51000000000-["a"]', '5-1-["a"]',
    '5٣-["a"]', '6["a"]', '61-["a"]',
    "2" + "[" * 100_000, '2["a",' + '{"a":' * 100_000, "2[" + "9" * 5_000 + "]",
]  # fmt: skip


@pytest.mark.parametrize(("text", "packet"), SOUND, ids=[text for text, _ in SOUND])
def test_a_sound_packet_is_read(text: str, packet: Packet) -> None:
    """Type, namespace, ack id, data and the number of attachments are as written."""
    assert read(text) == packet


@pytest.mark.parametrize("text", NONE, ids=lambda text: text[:40])
def test_anything_else_is_no_packet(text: str) -> None:
    """What the protocol does not allow is refused as BadPacket."""
    with pytest.raises(BadPacket):
        read(text)


alphabet = st.sampled_from(list('0123456-/,[]{}"\\: abcnum_placeholdertrue٣²\ud800\u2028😀'))
heads = st.from_regex(r"\A[0-6](\d{1,3}-)?(/[^,]{0,5},)?\d{0,17}")
json = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.floats() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(text=st.text() | st.text(alphabet) | st.builds(lambda head, data: f"{head}{data}", heads, json))
def test_any_text_is_a_packet_or_none(text: str) -> None:
    """Reading raises BadPacket or returns a packet of a client's type."""
    try:
        packet = read(text)
    except BadPacket:
        return
    assert packet.type in "012356"
    assert packet.namespace.startswith("/")
    assert 0 <= packet.missing <= MAX_ATTACHMENTS
    assert packet.ack_id is None or packet.ack_id >= 0


@pytest.mark.parametrize(
    "unit", ["1", "2/", "/", "2[", '2["', "51-", "-", "\\", '2["\\ud800', "{", '"a":{', '2["a",{"a":']
)
def test_a_long_text_is_read_in_no_time(unit: str) -> None:
    """A megabyte of whatever repeats costs a fraction of a second, not the square of it."""
    began = time.process_time()
    for text in (unit * (1_000_000 // len(unit)), "2" + unit * (1_000_000 // len(unit))):
        with pytest.raises(BadPacket):
            read(text)
    assert time.process_time() - began < 2


def place(number: Any, mark: Any = True) -> dict[str, Any]:
    """Return what stands for an attachment."""
    return {"_placeholder": mark, "num": number}


def test_attachments_are_put_where_they_belong() -> None:
    """Each place gets its attachment, however deep; what only looks like a place stays."""
    packet = Packet("5", "/", None, ["a", place(1), {"b": [place(0)]}, place(1, "yes")], 2)
    attach(packet, [b"zero", b"one"])
    assert packet.data == ["a", b"one", {"b": [b"zero"]}, place(1, "yes")]


@pytest.mark.parametrize("number", [-1, 1, 10**30, "0", None, 0.0, [], {}], ids=str)
def test_a_place_without_an_attachment_is_no_packet(number: Any) -> None:
    """A place that names no attachment is BadPacket."""
    with pytest.raises(BadPacket):
        attach(Packet("5", "/", None, ["a", place(number)], 1), [b"zero"])


def test_a_place_too_deep_is_no_packet() -> None:
    """Nesting that is as deep as JSON may be is BadPacket, or read, and nothing else."""
    for depth in (100, 400, 1_000, 1_020, 1_500, 10_000):
        data = '["a",' + "[" * depth + "]" * depth + "]"
        try:
            attach(read(f"51-{data}"), [b"zero"])
        except BadPacket:
            assert depth > 100
