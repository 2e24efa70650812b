"""A small rule-based conversationalist."""

from __future__ import annotations


class Psychotherapist:
    """Somebody who listens."""

    def respond(self, text: str) -> str:
        """Return what to say to the text."""
        return f"Tell me more about {text[:40]!r}."
