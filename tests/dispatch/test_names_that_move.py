"""A name service that changes its answer between the attempts of one delivery: the guard looks again each time."""

from collections.abc import Sequence

from channels_kit import SECRET, SECRETS, secrets_of
from dispatch_kit import all_in, dispatching, open_desk, quick, rulebook
from sink_kit import Reply, http_sink
from tidings.channels import WebhookSettings, open_webhook_channel
from tidings.model import State

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
"""The first is allowed and stands for a public address; the second is not and stands for a private one."""


class Names:
    """Answers with one list of addresses after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def states_of(*answers: Sequence[str], replies: Sequence[Reply]) -> tuple[State, list[str], int]:
    """Deliver one webhook to a name; return how it ended, what each attempt came to and how many posts arrived."""
    settings = WebhookSettings(allow_networks=(f"{OUTSIDE}/32",), resolve_ttl=0)
    async with (
        http_sink(SECRET) as sink,
        open_webhook_channel(settings, secrets_of(SECRETS), resolve=Names(*answers)) as channel,
        open_desk(rulebook(f"name: crm, url: 'http://crm.example.com:{sink.port}/'")) as desk,
        dispatching(desk, channel=channel, schedules=quick(*[10] * 5)),
    ):
        sink.script(*replies)
        (name,) = await desk.publish(1)
        expected = State.DELIVERED if answers[-1] == [OUTSIDE] else State.DEAD
        await all_in(desk, expected, [name])
        delivery, attempts = await desk.delivery(name)
    return delivery.state, [each.detail for each in attempts], len(sink.received)


async def test_a_name_that_leads_inside_at_the_second_attempt_is_refused() -> None:
    failing = Reply(status=503, headers={"connection": "close"})
    state, details, posts = await states_of([OUTSIDE], [INSIDE], replies=[failing])
    assert (state, posts, len(details)) == (State.DEAD, 1, 2)
    assert details[1].startswith("the endpoint's address is not a public one")


async def test_addresses_inside_among_others_are_left_out_at_every_attempt() -> None:
    failing = Reply(status=503, headers={"connection": "close"})
    answers = [INSIDE, OUTSIDE], [INSIDE, "10.0.0.1", OUTSIDE], [OUTSIDE]
    state, details, posts = await states_of(*answers, replies=[failing, failing])
    assert (state, posts, details) == (State.DELIVERED, 3, ["", "", ""])
