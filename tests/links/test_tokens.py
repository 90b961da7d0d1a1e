"""Tokens of links: nobody else makes one, nobody reads one, and whatever is handed in, there is an answer."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.links import LinkMaker, Purpose, Reader, TokenBox, UnusableSecret

OLD, NEW, OTHER = ("old secret " * 4, "new secret " * 4, "a stranger's secret " * 2)
BOX = TokenBox([NEW, OLD])
ASHA = Reader(org_id=50750, customer_id="381750905", category="reminders", delivery_id="dlv_" + "a" * 32)
TOKEN = str(BOX.seal(Purpose.UNSUBSCRIBE, ASHA))
PUBLIC_URL = "https://" + "h" * 192

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=256)
readers = st.builds(
    Reader,
    org_id=st.integers(0, 2**63 - 1),
    customer_id=texts,
    category=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", fullmatch=True),
    delivery_id=st.just("dlv_" + "a" * 32),
)


@given(readers, st.sampled_from(Purpose))
def test_what_is_sealed_comes_back_for_its_purpose_alone(reader: Reader, purpose: Purpose) -> None:
    token = BOX.seal(purpose, reader)
    if token is None:
        assert len(str(reader.customer_id).encode()) > 300
        return
    assert BOX.open(purpose, token) == reader
    assert [BOX.open(each, token) for each in Purpose if each is not purpose] == [None]
    assert BOX.seal(purpose, reader) == token


@given(st.text(max_size=1_000) | st.from_regex(r"[A-Za-z0-9_-]{0,1000}", fullmatch=True))
def test_whatever_is_handed_in_is_an_answer(text: str) -> None:
    assert BOX.open(Purpose.UNSUBSCRIBE, text) is None


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("Aaz09-_=% \n.é\x00"))
def test_a_token_changed_anywhere_is_none(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    for each in (changed, TOKEN[:place], TOKEN[:place] + character + TOKEN[place:]):
        assert each == TOKEN or BOX.open(Purpose.UNSUBSCRIBE, each) is None


@given(readers, readers)
def test_pieces_of_two_tokens_are_nobodys(one: Reader, two: Reader) -> None:
    tokens = [BOX.seal(Purpose.UNSUBSCRIBE, each) for each in (one, two)]
    if None in tokens or tokens[0] == tokens[1]:
        return
    first, second = map(str, tokens)
    for cut in range(4, min(len(first), len(second)), 7):
        mixed = first[:cut] + second[cut:]
        assert mixed in (first, second) or BOX.open(Purpose.UNSUBSCRIBE, mixed) is None


def test_nothing_in_a_token_can_be_read() -> None:
    raw = base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))
    for secret in (b"381750905", b"50750", b"reminders", b"dlv_"):
        assert secret not in raw
        assert secret.decode() not in TOKEN


def test_secrets_are_changed_without_breaking_links() -> None:
    before = TokenBox([OLD]).seal(Purpose.UNSUBSCRIBE, ASHA)
    assert BOX.open(Purpose.UNSUBSCRIBE, str(before)) == ASHA
    assert TokenBox([NEW]).open(Purpose.UNSUBSCRIBE, TOKEN) == ASHA
    assert TokenBox([OLD]).open(Purpose.UNSUBSCRIBE, TOKEN) is None
    assert TokenBox([OTHER]).open(Purpose.UNSUBSCRIBE, TOKEN) is None
    assert TokenBox([]).open(Purpose.UNSUBSCRIBE, TOKEN) is None


def test_a_link_made_today_works_for_years() -> None:
    """Neither format nor keys may change under e-mails that lie in mailboxes: this token was made by version 1."""
    made = (
        "AbRvuCoAHW8LIC4jiMG4FoHsStjAszXIrzCGzAR22CYUfDQZUUHJZdYmSvo"
        "gKQ5a9oZd3jaLkl1T9FTEcHsXF0jTz6V3V-LlumrHDf1l097b5sWsZQ_mteQ"
    )
    assert TokenBox(["for the test of links made long ago"]).open(Purpose.UNSUBSCRIBE, made) == ASHA


@pytest.mark.parametrize("secret", ["", "x" * 31])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(UnusableSecret, match="at least 32 characters"):
        TokenBox([NEW, secret])


@given(texts, st.integers(0, 2**63 - 1))
def test_every_link_fits_a_line_of_a_header(customer_id: str, org_id: int) -> None:
    make = LinkMaker(BOX, public_url=PUBLIC_URL)
    reader = Reader(org_id=org_id, customer_id=customer_id, category="c" * 100, delivery_id="dlv_" + "a" * 32)
    links = make(reader, address="a" * 64 + "@" + "b" * 253)
    assert all(len(f"{name}: {value}") <= 998 for name, value in links.headers.items())
    assert len(links.headers) == 2


def test_a_customer_too_long_for_a_token_is_known_by_their_address() -> None:
    make = LinkMaker(BOX, public_url="https://example.com")
    links = make(Reader(org_id=1, customer_id="é" * 256, category="offers"), address="a@example.com")
    token = links.unsubscribe.rpartition("/")[2]
    assert BOX.open(Purpose.UNSUBSCRIBE, token) == Reader(org_id=1, address="a@example.com", category="offers")
    assert links.preferences == ""
