"""Views: which stretches of which channels one client is shown."""

from rooms.rows import Entry, Interval
from rooms.views import View

ONE, OTHER = "one", "other"


def shown(view: View, channel_id: str = ONE) -> list[int]:
    """Return which of the first twenty seqs are shown of a channel."""
    return [seq for seq in range(1, 21) if view.shows(Entry(seq, channel_id, "message", b""))]


def test_a_channel_is_shown_from_where_it_opens_until_it_closes() -> None:
    """And again if it opens again; opening or closing twice changes nothing."""
    view = View()
    view.open(ONE, 3)
    view.open(ONE, 5)
    view.close(ONE, 8)
    view.close(ONE, 10)
    view.open(ONE, 15)
    assert shown(view) == [3, 4, 5, 6, 7, *range(15, 21)]
    assert (shown(view, OTHER), view.is_open(ONE), view.open_from(ONE)) == ([], True, 15)


def test_what_is_dropped_is_not_shown() -> None:
    """Neither earlier nor later."""
    view = View([(ONE, Interval(1, 4)), (ONE, Interval(9, None)), (OTHER, Interval(2, None))])
    view.drop(ONE)
    assert (shown(view), view.known_channels) == ([], [OTHER])


def test_channels_that_are_shown_no_longer_are_forgotten() -> None:
    """Once their end has been passed; of one that goes on everything is known."""
    view = View([(ONE, Interval(1, 4)), (ONE, Interval(6, 9)), (OTHER, Interval(1, 5))])
    view.forget_before(5)
    assert (shown(view), shown(view, OTHER)) == ([1, 2, 3, 6, 7, 8], [])
    view.open(ONE, 12)
    view.forget_before(12)
    assert (view.first_shown(ONE), view.open_from(ONE)) == (1, 12)


def test_live_channels_are_those_whose_next_event_is_shown() -> None:
    """One that begins later is not among them yet."""
    view = View([(ONE, Interval(1, 6)), (OTHER, Interval(9, None))])
    assert (view.shown_at(5), view.shown_at(6), view.shown_at(9)) == ([ONE], [], [OTHER])


def test_one_channel_between_two_seqs() -> None:
    """Only what is shown of it anyway, or all if everything is."""
    view = View([(ONE, Interval(1, 4)), (ONE, Interval(6, None)), (OTHER, Interval(1, None))])
    assert shown(view.within(ONE, Interval(3, 8))) == [3, 6, 7]
    assert shown(View(shows_all=True).within(ONE, Interval(3, 8))) == [3, 4, 5, 6, 7]


def test_what_was_made_up_for_is_known() -> None:
    """Page by page, and nothing between it and what is shown from later on; a closed channel has no part."""
    view = View([(ONE, Interval(15, None))])
    for first, end in ((4, 6), (6, 9)):
        view.add_earlier(ONE, Interval(first, end))
        view.add_earlier(OTHER, Interval(first, end))
    assert (view.first_shown(ONE), shown(view)) == (4, [4, 5, 6, 7, 8, *range(15, 21)])
    assert view.known_channels == [ONE]


def test_a_channel_that_the_client_has_left_is_known_until_it_opens() -> None:
    """One that it was removed from is not among these."""
    view = View([(ONE, Interval(1, None)), (OTHER, Interval(1, None))])
    view.part(ONE)
    view.drop(OTHER)
    assert (shown(view), view.parted) == ([], {ONE})
    view.open(ONE, 20)
    assert (shown(view), view.parted) == ([20], set())
