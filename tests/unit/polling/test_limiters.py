"""What the rate limiter of an account leaves to the next one of the account, and to others with its token."""

from exporter.polling.limiters import Limiters
from tests.support.accounts import account


def at_once(_seconds: float) -> None:
    """Wait for no time."""


def test_an_account_that_begins_anew_waits_for_its_slot_and_lets_no_other_one_wait_for_it() -> None:
    limiters = Limiters()
    slow, quick = account("slow", max_requests_per_second=0.01), account("quick", max_requests_per_second=50.0)
    limiters.made(slow)[0].take_turn(at_once)
    of_quick, _ = limiters.made(quick)
    again, continues = limiters.made(slow)
    assert continues
    assert again.take_turn(at_once) > 90
    assert of_quick.take_turn(at_once) < 1


def test_accounts_with_the_same_token_share_what_their_api_asks_for() -> None:
    limiters = Limiters()
    limiters.made(account("a"))[0].pause(100)
    assert limiters.made(account("b"))[0].take_turn(at_once) > 90
    assert limiters.made(account("a"))[0].take_turn(at_once) > 90
