"""The listener of the demo: what it says to whom, and that nothing can silence it."""

import time
from collections.abc import Sequence
from string import punctuation

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server import psychotherapist
from server.psychotherapist import RULES, URGENT, Psychotherapist

LONGEST = 300
LONGEST_TEXT = 4_000
SECONDS = 0.5  # of the processor's; a few milliseconds are usual; a quadratic pattern would need far more

ANYTHING = st.one_of(
    st.text(max_size=LONGEST_TEXT),
    # Texts that rules fit, and texts that nearly fit them again and again.
    st.lists(st.sampled_from(["I", "want", "you", "my", "how can", "because", "feel", "-", "'", "…"])).map(
        " ".join
    ),
    st.builds(str.__mul__, st.text(min_size=1, max_size=8), st.integers(0, LONGEST_TEXT // 8)),
)


def reply(*texts: str) -> str:
    """Return what a new listener says to the last of these texts."""
    return converse(*texts)[-1]


def converse(*texts: str) -> list[str]:
    """Return what a new listener says to each of these texts."""
    listener = Psychotherapist()
    return [listener.respond(text) for text in texts]


@pytest.mark.parametrize("text", ["hello", "Hi!", "good morning Eliza", "Hey there 👋"])
def test_a_greeting_is_returned_with_an_invitation(text: str) -> None:
    """Whoever says hello learns who answers, and is asked something."""
    assert reply(text) == "Hello! I am Eliza, a small program that listens. What is on your mind today?"


@pytest.mark.parametrize("text", ["bye", "Goodbye, Eliza.", "thanks, see you"])
def test_a_goodbye_is_returned(text: str) -> None:
    """Whoever leaves is not asked anything more."""
    assert "?" not in reply(text)
    assert "Goodbye" in reply(text)


@pytest.mark.parametrize(
    "text",
    ["Who are you?", "are you human", "Are you a bot?", "What's your name?", "how do you work?", "help"],
)
def test_it_says_what_it_is(text: str) -> None:
    """Questions about itself are answered honestly, with the way to a real agent."""
    answer = reply(text)
    assert "rules" in answer
    assert "Parley" in answer
    assert "scripts/bot.py" in answer


@pytest.mark.parametrize("text", ["How do I write an agent?", "how can i build my own bot"])
def test_it_tells_how_to_write_an_agent(text: str) -> None:
    """Who wants to do better is shown where to begin."""
    assert "scripts/bot.py" in reply(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("I feel lost without you", "Where does it come from, feeling lost without me?"),
        ("I want a new job", "What would a new job give you?"),
        ("I need to sleep more", "What would it be like to sleep more?"),
        ("I'm tired of my work", "And what is it like, being tired of your work?"),
        ("I’m tired", "And what is it like, being tired?"),
        ("I can't help you", "What would happen if you could help me?"),
        ("I don't like Mondays", "What would have to happen for you to like Mondays?"),
        ("are you angry with me", "Would it make a difference to you if I were angry with you?"),
        ("I hate myself", "What is it about yourself that moves you so?"),
        ("I was at your house", "So you were at my house. How was that for you?"),
        ("My brother sold my car", "What is your brother like, on an ordinary day?"),
    ],
)
def test_a_statement_comes_back_turned_around(text: str, answer: str) -> None:
    """What somebody says of himself is asked back, with the pronouns of the other side."""
    assert reply(text) == answer


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("I dreamt of a house", "dream"),
        ("computers are strange", "machine"),
        ("Why is that so?", "reason"),
        ("why don't you say something useful", "rules"),
        ("yes", "sure"),
        ("no", "not"),
        ("thank you", "welcome"),
        ("sorry!", "sorry"),
        ("everybody knows that", "exception"),
        ("what time is it", "look that up"),
        ("because of the rain", "whole story"),
        ("my name is Ada", "Ada"),
        ("test", "works"),
    ],
)
def test_a_theme_is_recognised(text: str, theme: str) -> None:
    """A word that has a rule gets an answer about it."""
    assert theme in reply(text)


def test_the_rule_of_higher_rank_answers() -> None:
    """Of several clauses the one that says most is taken, wherever it stands."""
    assert reply("Hello, the sun shines and I feel alone.") == "Where does it come from, feeling alone?"


def test_no_more_than_one_clause_is_echoed() -> None:
    """The rest of what somebody wrote stays where it is."""
    answer = reply("I want a red bicycle, then I will ride to Rome; nobody can stop me")
    assert answer == "What would a red bicycle give you?"


def test_a_long_clause_is_echoed_in_part() -> None:
    """An echo ends at a word, early."""
    answer = reply("I want " + "a bigger and better boat " * 10)
    assert answer.endswith("… give you?")
    assert len(answer) < psychotherapist.ECHO + 30


def test_markup_is_never_echoed() -> None:
    """Only words come back, so that no answer can be more than text."""
    assert "<" not in reply("I want <script>alert(1)</script>")
    assert "@" not in reply("I love @everyone")


def test_an_answer_is_not_given_twice_in_a_row() -> None:
    """The answers of one rule take turns."""
    first, second, *_ = converse("I feel old", "I feel cold", "I feel bold")
    assert first.replace("old", "cold") != second


def test_the_same_conversation_goes_the_same_way() -> None:
    """Two listeners who hear the same say the same."""
    texts = ["hello", "I am Ada", "My cat is ill", "hm", "hm", "so it goes on", "why?", "why?"]
    assert converse(*texts) == converse(*texts)


def test_something_said_earlier_comes_back() -> None:
    """Where no rule fits, the listener returns to what was told before, once."""
    _, later, last = converse("My cat is ill", "the weather is nice", "the trees are green")
    assert "your cat is ill" in later
    assert "cat" not in last


def test_listeners_share_no_memory() -> None:
    """What one person tells is not told to another."""
    Psychotherapist().respond("My cat is ill")
    assert "cat" not in reply("the weather is nice")


def test_a_repeated_message_is_noticed() -> None:
    """The same sentence again gets another answer than the first time."""
    assert reply("the weather is nice", "The weather is nice!").startswith("You have just said that.")


def test_a_repeated_greeting_is_only_a_greeting() -> None:
    """One word may be said twice."""
    assert reply("hello", "hello") == "Hello again. What would you like to talk about?"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "🙂", "???", "...", "42", "\ud800", punctuation])
def test_a_message_without_words_is_asked_for_some(text: str) -> None:
    """Marks and pictures are answered too."""
    assert reply(text) == "What would that be in words?"


@pytest.mark.parametrize("text", ["你好", "Привет, как дела?", "नमस्ते", "مرحبا", "é"])
def test_another_script_is_asked_for_english(text: str) -> None:
    """Nobody is left to wonder why the answer does not fit."""
    assert "English" in reply(text)


def test_a_very_long_message_is_too_much() -> None:
    """Out of a page nothing is picked at random."""
    assert "a lot at once" in reply("I want everything. " * 200)


@pytest.mark.parametrize(
    "text", ["I want to kill myself", "hm, suicide", "x" * 200 + ". I want to die. " * 40]
)
def test_despair_is_sent_to_people(text: str) -> None:
    """No question comes back where only a person can help, however it is said."""
    answer = reply(text)
    assert "crisis line" in answer
    assert "?" not in answer


@given(ANYTHING)
@example("I want " + "x" * 3_993)
@example("my " * 1_333)
@example("how can i " * 400)
@example("i was i were " * 300)
@example(" " * 4_000)
@example("{0} {} %s I am {0!r}")
@example("ﷺ" * 4_000)
def test_any_text_gets_a_short_answer_at_once(text: str) -> None:
    """It never fails, never says nothing, never says much and never needs long."""
    listener = Psychotherapist()
    begin = time.thread_time()
    answers = [listener.respond(text) for _ in range(3)]
    assert time.thread_time() - begin < SECONDS
    for answer in answers:
        assert answer.strip()
        assert len(answer) <= LONGEST
        assert answer.isprintable()
        answer.encode()


@given(st.lists(st.text(max_size=60), max_size=20))
def test_any_conversation_goes_on(texts: Sequence[str]) -> None:
    """Memory and turns do not change that there is an answer."""
    assert all(answer.strip() and len(answer) <= LONGEST for answer in converse(*texts))


@pytest.mark.parametrize("rule", [*URGENT, *RULES], ids=lambda rule: rule.answers[0][:30])
def test_a_rule_echoes_what_its_pattern_takes(rule: psychotherapist.Rule) -> None:
    """An answer with a gap belongs to a pattern with exactly one group."""
    has_gap = any("{0}" in answer for answer in rule.answers)
    assert rule.pattern.groups == int(has_gap)
    assert all(len(answer) + psychotherapist.ECHO <= LONGEST for answer in rule.answers if "{0}" in answer)
