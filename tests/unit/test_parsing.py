"""What is wrong with a body is said in the words of JSON, whichever way it came."""

import orjson
import pytest

from handlers.parsing import parse, parse_json
from handlers.wire import SubmitMessage
from rooms.errors import ValidationFailed

GOOD = {"channel_id": "00000000-0000-0000-0000-000000000001", "author_id": "ann", "content": "hello"}


@pytest.mark.parametrize(
    "wrong", [{"metadata": 5}, {"attachments": "x"}, {"attachments": ["x"]}, {"content": 5}]
)
def test_a_body_from_a_socket_is_refused_as_one_of_a_request_is(wrong: dict[str, object]) -> None:
    """No word of Python's is in the sentence."""
    said = []
    for read, sent in ((parse, GOOD | wrong), (parse_json, orjson.dumps(GOOD | wrong))):
        with pytest.raises(ValidationFailed) as refused:
            read(SubmitMessage, sent)
        said.append(refused.value.details)
    assert said[0] == said[1]
    assert "dictionary" not in said[0]
