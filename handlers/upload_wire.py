"""What is answered to an upload."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from pydantic import BaseModel, Field


class Uploaded(BaseModel):
    """A file that is kept; ``url`` may stand in a message's attachments."""

    url: str = Field(description="a path of this server, good for whoever has it")
    type: str = Field(description="its MIME type; for an agent's image, audio, video or document")
    filename: str
    originalName: str
    size: int
