"""Titles: what a conversation is about, in a few of its own words.

A title is made without a language model, and is the same each time: words that come often, and early, and
are not the small ones of their language. An agent that knows better says it in a message of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rooms.rows import Message
from rooms.rules import name_key
from rooms.stop_words import STOP_WORDS

MIN_MESSAGES = 4
MAX_LENGTH = 60
WORDS = 4
MIN_WORD = 3  # letters: shorter ones are seldom names of things
EARLY, EARLY_WEIGHT = 2, 2  # what is said in the first messages counts so many times
TITLE = "title"  # in the metadata of an agent's message

_WORD = re.compile(r"[^\W\d_](?:[\w'’.+#-]*[\w+#])?")
_ADDRESS = re.compile(r"\w+://\S+|www\.\S+")
_SENTENCE = re.compile(r"[.!?。！？\n]")
# Han, kana, Thai, Lao, Burmese and Khmer, where no space shows the ends of words.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{4}")


def find_title(messages: Sequence[Message], agent_id: str) -> str | None:
    """Return a title for what was said, the oldest message first, or None if no word was said.

    The agent's own newest one counts, if it has said one.
    """
    stated = (said.details.get(TITLE) for said in reversed(messages) if said.author_id == agent_id)
    own = next((text for text in stated if isinstance(text, str) and text.strip()), None)
    if own is not None:
        return _cut(own)
    by_people = [message.content for message in messages if not message.by_agent]
    texts = [_ADDRESS.sub(" ", text) for text in by_people or [message.content for message in messages]]
    if any(_UNSPACED.search(text) for text in texts[:1]):
        return _first_sentence(texts)
    return _cut(" ".join(_salient(texts))) or _first_sentence(texts)


def _salient(texts: Iterable[str]) -> list[str]:
    """Return the words that stand out, in the order in which they were first said."""
    first: dict[str, str] = {}
    weights: Counter[str] = Counter()
    for place, text in enumerate(texts):
        for word in _WORD.findall(text):
            key = name_key(word.replace("’", "'"))
            if len(key) >= MIN_WORD and key not in STOP_WORDS:
                first.setdefault(key, word[0].upper() + word[1:])
                weights[key] += EARLY_WEIGHT if place < EARLY else 1
    kept = {key for key, _ in weights.most_common(WORDS)}
    return [word for key, word in first.items() if key in kept]


def _first_sentence(texts: Iterable[str]) -> str | None:
    sentences = (part.strip() for text in texts for part in _SENTENCE.split(text))
    found = next(filter(None, sentences), None)
    return _cut(found) if found else None


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 1].rstrip() + "…"
