"""Files that are uploaded: known by their bytes, kept for who may post, shown to who has the link."""

import asyncio
import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from handlers import uploads
from rooms import media
from rooms.media import DOCX
from tests.rest import API, Reply, Rest
from tests.running import Parley, running_parley

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
MATROSKA = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82"
TEXT = "grüße\n".encode()
AGENT = "/api/media/agents/bot/upload-media"


def archive(*names: str) -> bytes:
    """Return a ZIP file with these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, "<x/>")
    return packed.getvalue()


KNOWN = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(64),
    "image/gif": b"GIF89a" + bytes(64),
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(64),
    "audio/mpeg": b"ID3\x03\0\0\0\0\0\0" + bytes(64),
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(64),
    "audio/ogg": b"OggS\0\x02" + bytes(64),
    "audio/flac": b"fLaC\0\0\0\x22" + bytes(64),
    "audio/aac": b"\xff\xf1\x50\x80" + bytes(64),
    "audio/mp4": b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42" + bytes(64),
    "video/mp4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(64),
    "video/quicktime": b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(64),
    "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
    + bytes(64),
    "application/pdf": b"%PDF-1.7\n%abc\n" + bytes(64),
    DOCX: archive("[Content_Types].xml", "word/document.xml"),
    "text/plain": TEXT,
}
REFUSED = {
    "nothing": b"",
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "html behind spaces": b"\xef\xbb\xbf \n <html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "xml": b'<?xml version="1.0"?><svg/>',
    "archive": archive("a.txt"),
    "spreadsheet": archive("[Content_Types].xml", "xl/workbook.xml"),
    "program": b"\x7fELF" + bytes(64),
    "windows program": b"MZ" + bytes(64),
    "matroska": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x88matroska"
    + bytes(64),
    "text in another encoding": "grüße".encode("latin-1"),
    "text with NUL": b"a\0b",
    "noise": bytes(range(256)),
}


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users and an agent."""
    await parley.agent("bot")
    return await parley.service.new_channel("talk", "ann", "ben", "bot")


def path_of(channel_id: str) -> str:
    """Return where a channel's files are uploaded."""
    return f"{API}/channels/{channel_id}/upload-media"


async def upload(client: Rest, path: str, content: Any = PNG, name: str = "a.png", **more: str) -> Reply:
    """Upload a file as elizaOS's clients do, with whatever else they say of it behind it."""
    form = aiohttp.FormData(quote_fields=False)  # as browsers do
    form.add_field("file", io.BytesIO(content), filename=name, content_type="image/png")
    for field, text in more.items():
        form.add_field(field, text)
    return await client.request("POST", path, data=form)


def kept(parley: Parley) -> list[Path]:
    """Return every file in the directory of uploads."""
    return [path for path in (parley.data_dir / "media").rglob("*") if path.is_file()]


async def test_a_file_is_what_its_bytes_say(parley: Parley, channel_id: str) -> None:
    """Whatever the client says: media are shown, anything else is to be saved, and nothing is guessed at."""
    for kind, content in KNOWN.items():
        made = (await upload(parley.service, path_of(channel_id), content, "../../etc/x.html")).data
        assert (made["type"], made["size"]) == (kind, len(content))
        assert (made["originalName"], made["url"].rpartition("/")[2]) == ("x.html", made["filename"])
        shown = await parley.anonymous.get(made["url"])
        assert (shown.status, shown.raw) == (200, content)
        assert shown.headers["Content-Type"].partition(";")[0] == kind
        is_medium = kind.startswith(("image", "audio", "video"))
        assert shown.headers["Content-Disposition"] == ("inline" if is_medium else "attachment")
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_what_may_not_be_uploaded_is_refused(parley: Parley, channel_id: str) -> None:
    """Even if it says that it is an image; nothing of it is left."""
    for case, content in REFUSED.items():
        refused = await upload(parley.service, path_of(channel_id), content)
        assert refused.refusal == (400, "VALIDATION_ERROR"), case
    assert kept(parley) == []


async def test_what_was_uploaded_may_be_attached(parley: Parley, channel_id: str) -> None:
    """With the type that the answer names, whether by its kind or in full."""
    for path in (path_of(channel_id), AGENT):
        made = (await upload(parley.service, path, KNOWN["image/webp"])).data
        attachment = {"url": made["url"], "contentType": made["type"], "size": made["size"]}
        stored = await parley.service.submit(channel_id, "look", author_id="ann", attachments=[attachment])
        assert stored.data["attachments"] == [attachment]


async def test_a_file_for_an_agent_is_told_by_its_kind(parley: Parley, channel_id: str) -> None:
    """As elizaOS's page shows it; what else a client says of the file is passed over."""
    kinds = {}
    for kind, content in KNOWN.items():
        made = (await upload(parley.service, AGENT, content, contentType="x", metadata="{}")).data
        kinds[kind] = made["type"]
        assert made["url"].startswith("/media/uploads/agents/bot/")
    assert kinds == {
        kind: kind.partition("/")[0] if kind.startswith(("image", "audio", "video")) else "document"
        for kind in KNOWN
    }


async def test_files_are_for_those_who_may_post(parley: Parley, channel_id: str) -> None:
    """A stranger learns nothing of the channel; an observer may look on; nobody's file is kept before."""
    ann, stranger, looker = await parley.user("ann"), await parley.user("eve"), await parley.user("cay")
    await parley.service.add(channel_id, "cay", role="observer")
    assert (await upload(stranger, path_of(channel_id))).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await upload(stranger, AGENT)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await upload(looker, path_of(channel_id))).refusal == (403, "PERMISSION_DENIED")
    for unknown in ("x", "11111111-2222-3333-4444-555555555555"):
        assert (await upload(ann, path_of(unknown))).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await upload(parley.anonymous, path_of(channel_id))).refusal == (401, "AUTHENTICATION_FAILED")
    assert kept(parley) == []
    assert (await upload(ann, path_of(channel_id))).status == 200
    assert (await upload(ann, AGENT)).status == 200


async def test_a_link_that_is_not_whole_leads_nowhere(parley: Parley, channel_id: str) -> None:
    """Another place, another ending, another token, or a path that leaves the directory."""
    url = (await upload(parley.service, path_of(channel_id))).data["url"]
    other = await parley.service.new_channel("other", "ann")
    head, _, name = url.rpartition("/")
    token = name.partition(".")[0]
    ticket = parley.node.ctx.cursors.write_ticket(bytes(24))
    broken = [
        url.replace(channel_id, other),
        url.replace("/channels/", "/agents/"),
        url.replace(".png", ".jpg"),
        url.replace(".png", ""),
        f"{head}/{token[:20]}{'A' if token[20] != 'A' else 'B'}{token[21:]}.png",
        f"{head}/{ticket}.png",
        f"{head}/..%2f..%2fparley.db",
        f"{head}/a.png",
    ]
    for path in broken:
        assert (await parley.anonymous.get(path)).refusal == (404, "RESOURCE_NOT_FOUND"), path
    (path,) = kept(parley)
    assert re.fullmatch(r"[0-9a-f]{32}\.png", path.name)
    assert path.stem not in url


async def test_a_part_of_a_file_can_be_asked_for(parley: Parley, channel_id: str) -> None:
    """As players do that show a video from its middle."""
    url = (await upload(parley.service, path_of(channel_id), KNOWN["video/mp4"])).data["url"]
    part = await parley.anonymous.having(Range="bytes=4-7").get(url)
    assert (part.status, part.raw) == (206, b"ftyp")


async def test_a_file_outlasts_the_server(tmp_path: Path) -> None:
    """Its link leads to it after a restart."""
    async with running_parley(tmp_path / "data") as parley:
        await parley.agent("bot")
        url = (await upload(parley.service, AGENT)).data["url"]
    async with running_parley(tmp_path / "data") as parley:
        assert (await parley.anonymous.get(url)).raw == PNG


async def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """One byte more than the setting allows, announced or not; the largest one is kept."""
    async with running_parley(tmp_path / "data", max_upload_mb=1) as parley:
        await parley.agent("bot")
        largest = PNG.ljust(1 << 20, b"\0")
        assert (await upload(parley.service, AGENT, largest)).data["size"] == 1 << 20
        assert (await upload(parley.service, AGENT, largest + b"\0")).refusal == (413, "PAYLOAD_TOO_LARGE")
        assert (await upload(parley.service, AGENT, largest * 4)).refusal == (413, "PAYLOAD_TOO_LARGE")
        assert len(kept(parley)) == 1


BOUNDARY = "b"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


NO_FORM = ["application/json", "multipart/mixed; boundary=b", "image/png"]
NO_FILE = [
    b"",
    b"no parts",
    END,
    HEAD,
    HEAD + PNG,
    HEAD + PNG + b"\r\n--b",
    b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\n' + PNG + END,
    b"--b\r\n\r\n" + PNG + END,
    b"--b\r\nContent-Length: x\r\n\r\n" + PNG + END,
    (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 30) + HEAD + PNG + END,
]


async def test_a_body_without_a_whole_file_is_refused(parley: Parley, channel_id: str) -> None:
    """Cut, empty, of another form, or with fields without end; nothing of it is left."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    for body in NO_FILE:
        reply = await parley.service.request("POST", AGENT, data=body, headers=headers)
        assert reply.refusal == (400, "VALIDATION_ERROR"), body[:100]
    assert kept(parley) == []


async def test_a_body_that_is_no_form_is_refused(parley: Parley, channel_id: str) -> None:
    """The answer says which one is wanted."""
    for kind in NO_FORM:
        headers = {"Content-Type": kind}
        reply = await parley.service.request("POST", AGENT, data=HEAD + PNG + END, headers=headers)
        assert reply.refusal == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert "multipart/form-data" in reply.error["details"]


async def test_a_form_without_a_boundary_is_refused(parley: Parley, channel_id: str) -> None:
    """It cannot be read."""
    headers = {"Content-Type": "multipart/form-data"}
    reply = await parley.service.request("POST", AGENT, data=HEAD + PNG + END, headers=headers)
    assert reply.refusal == (400, "VALIDATION_ERROR")


async def test_a_client_that_goes_leaves_nothing(
    parley: Parley, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has sent until then is removed; so is what comes too slowly."""
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", 0.2)
    assert parley.service.secret is not None
    host, port = "127.0.0.1", parley.node.port
    request = (
        f"POST {AGENT} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {parley.service.secret}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
    ).encode()
    for goes in (True, False):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request + HEAD + PNG)
        await writer.drain()
        if not goes:
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
    async with asyncio.timeout(30):
        while kept(parley):
            await parley.anonymous.get("/healthz")


async def test_a_disk_that_is_full_is_said(
    parley: Parley, channel_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file may be kept later."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media, "keep", fail)
    assert (await upload(parley.service, AGENT)).refusal == (503, "UNAVAILABLE")


async def test_uploads_are_charged(tmp_path: Path) -> None:
    """Like any other write of a user, on each of the paths."""
    async with running_parley(tmp_path / "data", rate_limits="on") as parley:
        channel_id = await parley.service.new_channel("talk", "ann")
        ann = await parley.user("ann")
        paths = [path_of(channel_id), f"/api/media/channels/{channel_id}/upload-media"]
        taken = 0
        while (status := (await upload(ann, paths[taken % 2])).status) == 200:
            taken += 1
            assert taken < 200, "nothing limits this client"
    assert status == 429
    assert taken == 60


def test_what_was_begun_long_ago_is_removed(tmp_path: Path) -> None:
    """What is being uploaded now is not."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / "new").write_bytes(PNG)
    old = incoming / "old"
    old.write_bytes(PNG)
    os.utime(old, (0, 0))
    media.tidy(tmp_path)
    assert [path.name for path in incoming.iterdir()] == ["new"]
