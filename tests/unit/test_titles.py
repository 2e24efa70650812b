"""Titles that are made of what was said: short, the same each time, in whatever language."""

from typing import Any

import pytest

from rooms import titles
from rooms.rows import Message
from rooms.stop_words import STOP_WORDS
from tests.unit.test_eliza import message

AGENT = "bot"


def said(*texts: str, **fields: Any) -> list[Message]:
    """Return messages of a user that say these texts."""
    return [message(id=str(number), content=text, **fields) for number, text in enumerate(texts)]


def by_agent(text: str, **details: Any) -> Message:
    """Return a message of the agent."""
    return message(author_id=AGENT, by_agent=True, content=text, details=details)


@pytest.mark.parametrize(
    ("texts", "title"),
    [
        (
            ["Hi, can you help me plan a weekend trip?", "A trip to Lisbon", "By train?", "Lisbon it is"],
            "Plan Weekend Trip Lisbon",
        ),
        (["How do I write a C++ parser?", "The parser is slow", "why", "parser"], "Write C++ Parser Slow"),
        (
            ["Ich möchte einen Kuchen backen", "Kuchen mit Äpfeln", "Äpfeln oder Birnen", "danke"],
            "Kuchen Backen Äpfeln Birnen",
        ),
        (["Как испечь яблочный пирог?", "пирог без сахара", "спасибо", "да"], "Испечь Яблочный Пирог Сахара"),
        (["see https://example.com/secret?token=abc for the invoice", "invoice", "yes", "ok"], "Invoice"),
        (["我想去北京旅游。需要什么？", "好的", "谢谢", "再见"], "我想去北京旅游"),
        (["東京のおすすめを教えて\n詳しく", "はい", "うん", "ok"], "東京のおすすめを教えて"),
        (["อยากไปเที่ยวเชียงใหม่", "ครับ", "ok", "ok"], "อยากไปเที่ยวเชียงใหม่"),
        (["the and of it", "you", "is", "to"], "the and of it"),
        (["👍 👍", "🎉", "🙂", "🙂"], "👍 👍"),
        (["  ", ".", "!", "?"], None),
    ],
)
def test_a_title_is_made_of_the_words_that_stand_out(texts: list[str], title: str | None) -> None:
    """Often and early counts, small words do not; where words have no ends it is the first sentence."""
    assert titles.find_title(said(*texts), AGENT) == title
    assert titles.find_title(said(*texts), AGENT) == title


def test_what_people_say_comes_before_what_agents_say() -> None:
    """Agents talk more; where nobody else has said anything, it is of them."""
    talk = [by_agent("Welcome to the wonderful machine"), *said("Invoices, please"), by_agent("machine")]
    assert titles.find_title(talk, AGENT) == "Invoices"
    assert titles.find_title([by_agent("Welcome, wonderful machine")], AGENT) == "Welcome Wonderful Machine"


def test_an_agent_that_knows_a_title_says_it() -> None:
    """In the metadata of a message; the newest counts, that of another agent does not."""
    other = message(author_id="other", by_agent=True, content="x", details={"title": "Other"})
    talk = [by_agent("a", title="Old"), by_agent("b", title="  Tea\nfor two "), by_agent("c", title=5), other]
    assert titles.find_title([*said("coffee"), *talk], AGENT) == "Tea for two"
    assert titles.find_title([by_agent("a", title="x" * 100)], AGENT) == "x" * 59 + "…"


def test_a_title_is_short() -> None:
    """However long the words, or the sentence, are."""
    for text in ("a" * 4_000, " ".join("abcdefghij"[n] * 50 for n in range(10)), "字" * 4_000):
        found = titles.find_title(said(text), AGENT)
        assert found is not None
        assert len(found) <= titles.MAX_LENGTH


def test_small_words_are_written_as_they_are_compared() -> None:
    """Otherwise none of them would be passed over."""
    assert all(word == word.casefold() for word in STOP_WORDS)
    assert {"the", "und", "très", "что"} <= STOP_WORDS
