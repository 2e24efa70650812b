"""A small rule-based listener, after an idea of 1966: it turns what somebody says into a question.

It knows nothing and learns nothing. A text is cut into clauses; the first rule that fits one of them
gives the answer, into which a part of the clause may go with its pronouns turned around.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

READ = 1_000  # code points of a text that are looked at
LONG = 600  # from here on a text is too much to pick one thing out of it
CLAUSE = 120
ECHO = 80
REMEMBERED = 5

Answers = tuple[str, ...]


class Rule(NamedTuple):
    """What a clause has to look like, and the answers that take turns; {0} is the pattern's group."""

    pattern: re.Pattern[str]
    answers: Answers


def _rule(pattern: str, *answers: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), answers)


# Contractions are written out before anything is compared, so that the rules need one spelling each.
WRITTEN_OUT = {
    "i'm": "i am", "im": "i am", "i've": "i have", "i'd": "i would", "i'll": "i will", "u": "you",
    "you're": "you are", "you've": "you have", "it's": "it is", "that's": "that is", "what's": "what is",
    "whats": "what is", "who's": "who is", "isn't": "is not", "don't": "do not", "dont": "do not",
    "doesn't": "does not", "didn't": "did not", "can't": "cannot", "cant": "cannot", "won't": "will not",
    "couldn't": "could not", "wouldn't": "would not", "gonna": "going to", "wanna": "want to",
}  # fmt: skip
TURNED_AROUND = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are",
    "you": "I", "your": "my", "yours": "mine", "yourself": "myself",
}  # fmt: skip
# What turning single words around gets wrong.
CORRECTIONS = (
    (re.compile(r"\byou was\b"), "you were"),
    (re.compile(r"\bI were\b"), "I was"),
    (re.compile(r"\bI are\b"), "I am"),
    (re.compile(r"\b(to|for|with|about|of|from|at|than|want|need|ask|tell|help) I\b(?! am| was)"), r"\1 me"),
    (re.compile(r"(?:^| )I$"), " me"),
)

URGENT = (
    _rule(
        r"\b(?:kill|hurt|harm|cut) myself\b|\bsuicid|\bend (?:my life|it all)\b"
        r"|\bi (?:want to die|do not want to live)\b|\bself-? ?harm",
        "This matters too much for a program like me. Please talk to somebody you trust, or call your local "
        "emergency number or a crisis line now. You do not have to carry this alone.",
    ),
)
# In order of rank: of two rules that fit, the upper one answers.
RULES = (
    _rule(
        r"\b(?:who|what) are you\b|\bhow do you work\b|\bwho (?:made|wrote|built) you\b|^(?:please )?help$"
        r"|\bare you (?:an?|the|real|human|alive|conscious|eliza|(?:chat)?gpt)\b|\byour (?:name|rules|code)\b"
        r"|\bwhat (?:can|do) you do\b|\bhow (?:can|do) i (?:write|build|make|add|create) .*\b(?:bot|agent)",
        "I am Eliza: a small set of rules that ships with Parley, not a person and not a language model. "
        "To write a real agent, begin with scripts/bot.py. And who are you?",
        "I look for a word that I know, turn your sentence around and ask; that is all. I ship with Parley "
        "so that somebody answers you. A cleverer agent can begin as a copy of scripts/bot.py.",
    ),
    _rule(
        r"\bparley\b",
        "Parley keeps what we say, in order, and brings it to people and agents. What will you do with it?",
        "I live inside Parley, so I am hardly impartial. What do you make of it?",
    ),
    _rule(r"\b(?:sorry|apolog\w+)\b", "No need to be sorry. Do go on.", "That is all right. Where were we?"),
    _rule(
        r"^(?:good ?bye|bye|see (?:you|ya)|cya|good ?night|farewell|ciao)\b",
        "Goodbye. It was good to listen to you.",
        "Until next time. The channel keeps what we said; I keep very little.",
    ),
    _rule(
        r"\b(?:thanks|thank you|thx|cheers)\b",
        "You are welcome. Is there anything else on your mind?",
        "Gladly; but I only asked, and the answers were yours.",
    ),
    _rule(
        r"\bhow (?:are|do) you(?: do)?$|\bhow is it going\b|^what is up$",
        "Every day is the same to me, thank you. How has yours been?",
        "Rules have no moods. But how are you, really?",
    ),
    _rule(
        r"\b(?:dream(?:s|t|ed|ing)?|nightmares?)\b",
        "Which picture from a dream stays with you the longest?",
        "If that dream wanted to tell you something, what would it be?",
    ),
    _rule(
        r"\b(?:computers?|machines?|robots?|(?:chat)?bots?|(?<!')ai|llms?|agents?|algorithms?)\b",
        "What do you think a machine like me should be able to do?",
        "For a bot of your own, copy scripts/bot.py and change one function. What should it answer?",
        "Would you tell a machine something that you would not tell a person?",
    ),
    _rule(
        r"\bi (?:am |have been |was )?(?:feel|feeling|felt) (.+)",
        "Where does it come from, feeling {0}?",
        "When did you begin to feel {0}?",
        "What do you do when you feel {0}?",
    ),
    _rule(
        r"\bi (?:(?!do|did|not)\w+ )?(?:want|need|would like) to (.+)",
        "What would it be like to {0}?",
        "What keeps you from it?",
    ),
    _rule(
        r"\bi (?:(?!do|did|not)\w+ )?(?:want|need|would like) (?!\w+ to )(.+)",
        "What would {0} give you?",
        "Imagine a morning on which you have {0}. How does it begin?",
    ),
    _rule(
        r"\bi (?:\w+ )?(?:wish|hope|want|need|would like)\b",
        "What would be different if that came true?",
        "What could bring it closer?",
    ),
    _rule(
        r"(?:^|\bi am )(?:very |really |doing |not )?(?:fine|good|great|well|happy|bad)(?: today| too|$)",
        "What has made it so?",
        "I see. What would you like to talk about, then?",
    ),
    _rule(r"\bi am not (.+)", "What would change if you were {0}?", "Who says that you should be {0}?"),
    _rule(
        r"\bi (?:am going to|will)\b", "How will you know that it was right?", "And what comes after that?"
    ),
    _rule(r"\bi am (\w+ing\b.*)", "What do you hope will come of {0}?", "How long has it been like that?"),
    _rule(
        r"\bi am (.+)",
        "And what is it like, being {0}?",
        "How does being {0} change your days?",
        "Who else knows that you are {0}?",
    ),
    _rule(r"\bi do not (?:know|understand)\b", "What is your first guess?", "And if you did know?"),
    _rule(
        r"\b(?:cannot i|i cannot|i could not) (.+)",
        "What would happen if you could {0}?",
        "Who might help you to {0}?",
    ),
    _rule(
        r"\bi (?:do|did) not (.+)", "What would have to happen for you to {0}?", "Was that ever different?"
    ),
    _rule(r"\bi have to (.+)", "Who says that you have to {0}?", "And if you did not {0}?"),
    _rule(
        r"\bi (?:\w+ )?(?:think|believe|guess|suppose|know|remember)\b",
        "How did that come to you?",
        "Is there a part of you that sees it differently?",
    ),
    _rule(
        r"\bi (?:\w+ )?(?:love|like|enjoy|hate|miss|fear) (?!to )(.+)",
        "What is it about {0} that moves you so?",
        "Has it always been like that between you and {0}?",
    ),
    _rule(
        r"\bmy (mother|mom|mum|father|dad|parents|sister|brother|wife|husband|partner|girlfriend|boyfriend"
        r"|son|daughter|child|children|kids|baby|family|aunt|uncle|cousin|grand(?:mother|father|ma|pa))\b",
        "What is your {0} like, on an ordinary day?",
        "What would your {0} say if we asked?",
        "When were you last at ease with your {0}?",
    ),
    _rule(
        r"\bwhy\b.* you\b", "Because one of my rules says so; I have no other reasons. What had you hoped?"
    ),
    _rule(r"\bwhy\b", "What do you think is the reason?", "Would knowing why make it easier?"),
    _rule(
        r"\b(?:always|never(?! mind)|everybody|everyone|nobody|no one)\b",
        "Can you think of one exception?",
        "When did you last see it go differently?",
    ),
    _rule(
        r"\b(?:are you|you are) (.+)",
        "Would it make a difference to you if I were {0}?",
        "What brings up whether I am {0}?",
    ),
    _rule(
        r"\b(?:do|can|could|would|will|did|have) you\b",
        "I can listen and ask, and that is about all. What would you like me to ask?",
        "Not in a way that would please you, I fear. But what about yourself?",
    ),
    _rule(r"\bbecause\b", "Is that the whole story?", "And if it were for something else?"),
    _rule(
        r"^(?:what|how|when|where|who|whom|whose|which|is|are|does|did|can|should)\b",
        "I have nothing to look that up in, only questions of my own. What do you think?",
        "What answer would surprise you?",
    ),
    _rule(r"\bmy name is (\w+)", "I am pleased to meet you, {0}. What brings you here?"),
    _rule(r"^my (.+)", "Your {0}: why does that come to mind?", "Your {0}. What does that mean to you?"),
    _rule(r"^(i \w+ \w.*)", "So {0}. How was that for you?", "And when {0}, what goes through your head?"),
    _rule(
        r"^(?:hello|hi|hey|howdy|greetings|good (?:morning|afternoon|evening|day))\b(?: \w+){0,2}$",
        "Hello! I am Eliza, a small program that listens. What is on your mind today?",
        "Hello again. What would you like to talk about?",
    ),
    _rule(r"^(?:test|testing|ping)\b", "It works: this is my answer to you. What shall we talk about?"),
    _rule(r"^(?:yes|yeah|yep|sure|of course|right|true)\b", "What makes you so sure?", "And what follows?"),
    _rule(r"^(?:no|nope|not really|never)\b", "Why not?", "No is an answer too. What would be a yes?"),
    _rule(r"^(?:maybe|perhaps|it depends)\b", "What does it depend on?", "Which way do you lean?"),
)

AGAIN = ("You have just said that. Is there another way to put it?", "What is new about it this time?")
WORDLESS = ("What would that be in words?", "That says something, but I only understand words.")
FOREIGN = ("I am afraid that my rules are all in English. Would you say it in English?",)
TOO_MUCH = (
    "That is a lot at once. If only one sentence of it could stay, which would it be?",
    "I have lost the thread a little. Where in all this are you yourself?",
)
TOO_LITTLE = ("Go on; a few more words would help me.", "And what do you connect with that?")
GO_ON = ("I am listening; do go on.", "What does that mean to you?", "How did you notice?", "And then?")
EARLIER = (
    "A while ago it was this: {0}. Is there a connection?",
    "Something you said stays with me: {0}. What would you add today?",
)


class Psychotherapist:
    """Listens to one person; the same words in the same order always get the same answers."""

    def __init__(self) -> None:
        self._turns: Counter[Answers] = Counter()
        self._memory: deque[str] = deque(maxlen=REMEMBERED)
        self._last = ""

    def respond(self, text: str) -> str:
        """Return what to say to the text: never nothing, and never more than a few lines."""
        clauses = _clauses(text)
        said = " ".join(clauses).lower()
        answer = (
            self._apply(URGENT, clauses)
            or self._answer_manner(text, said)
            or self._apply(RULES, clauses)
            or self._go_on(said)
        )
        self._last = said
        self._remember(clauses)
        return answer

    def _apply(self, rules: Sequence[Rule], clauses: Sequence[str]) -> str:
        for rule in rules:
            for clause in clauses:
                if found := rule.pattern.search(clause):
                    return self._take_turn(rule.answers, _turn_around(found[found.lastindex or 0]))
        return ""

    def _answer_manner(self, text: str, said: str) -> str:
        """Answer how something was said, where that tells more than what was said."""
        if not any(character.isalpha() for character in text):
            return self._take_turn(WORDLESS)
        if not any(character.isascii() and character.isalpha() for character in text):
            return self._take_turn(FOREIGN)
        if said == self._last and " " in said:
            return self._take_turn(AGAIN)
        return self._take_turn(TOO_MUCH) if len(text) > LONG else ""

    def _go_on(self, said: str) -> str:
        """Keep the conversation alive when no rule fits."""
        if self._memory:
            return self._take_turn(EARLIER, self._memory.popleft())
        return self._take_turn(GO_ON if " " in said else TOO_LITTLE)

    def _remember(self, clauses: Sequence[str]) -> None:
        told = next((clause for clause in clauses if re.match(r"my \w+ \w", clause, re.IGNORECASE)), None)
        if told is not None:
            self._memory.append(_turn_around(told))

    def _take_turn(self, answers: Answers, echo: str = "") -> str:
        chosen = answers[self._turns[answers] % len(answers)]
        self._turns[answers] += 1
        return chosen.format(echo)


def _clauses(text: str) -> list[str]:
    """Return the text's clauses; marks, symbols and whatever else is no word end one."""
    read = unicodedata.normalize("NFC", text[:READ]).replace("’", "'")
    parts = re.split(r"[^\w' -]+|\bbut\b|\band(?= i\b)|(?=\bbecause\b)", read, flags=re.IGNORECASE)
    return [clause for part in parts if (clause := _replace(WRITTEN_OUT, part.strip(" '-"))[:CLAUSE])]


def _turn_around(clause: str) -> str:
    turned = _replace(TURNED_AROUND, clause)
    for pattern, right in CORRECTIONS:
        turned = pattern.sub(right, turned)
    return textwrap.shorten(turned, ECHO, placeholder="…")


def _replace(words: Mapping[str, str], clause: str) -> str:
    return " ".join(words.get(word.lower(), word) for word in clause.split())
