"""The mailbox that stands in for a relay."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from channels_kit import an_email, secrets_of
from tidings.channels import EmailSettings, Mailbox, open_email_channel
from tidings.errors import InvalidConfiguration
from tidings.model import Accepted, Deferred, Refused


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def test_messages_are_kept_in_order() -> None:
    emails = [an_email(delivery_id=f"dlv_{number}") for number in range(3)]
    async with open_email_channel(EmailSettings(), secrets_of({})) as channel:
        outcomes = [await channel.send(each) for each in emails]
        assert isinstance(channel, Mailbox)
        assert (outcomes, channel.messages()) == ([Accepted(detail="captured")] * 3, tuple(emails))


async def test_only_the_last_thousand_are_kept() -> None:
    mailbox = Mailbox()
    for number in range(1003):
        await mailbox.send(an_email(delivery_id=f"dlv_{number}"))
    kept = [each.delivery_id for each in mailbox.messages()]
    assert (len(kept), kept[0], kept[-1]) == (1000, "dlv_3", "dlv_1002")


async def test_each_message_is_a_file_that_a_repeat_overwrites(tmp_path: Path) -> None:
    outbox = tmp_path / "deep" / "outbox"
    async with open_email_channel(EmailSettings(transport=f"capture:{outbox}"), secrets_of({})) as channel:
        await channel.send(an_email(subject="first"))
        await channel.send(an_email(subject="second"))
        await channel.send(an_email(delivery_id="dlv_other"))
    assert names_in(outbox) == ["dlv_example.eml", "dlv_other.eml"]
    message = message_from_bytes((outbox / "dlv_example.eml").read_bytes(), policy=policy.default)
    assert message["Subject"] == "second"


@pytest.mark.parametrize("delivery_id", ["../escaped", "a/b", ""])
async def test_what_a_relay_could_not_be_given_is_refused_here_too(tmp_path: Path, delivery_id: str) -> None:
    mailbox = Mailbox(tmp_path)
    refused = [await mailbox.send(an_email(delivery_id=delivery_id)), await mailbox.send(an_email(recipient="nobody"))]
    assert [type(each) for each in refused] == [Refused, Refused]
    assert (mailbox.messages(), names_in(tmp_path)) == ((), [])


async def test_a_directory_that_went_away_defers(tmp_path: Path) -> None:
    got = await Mailbox(tmp_path / "gone").send(an_email())
    assert got == Deferred(detail="the mailbox cannot be written: No such file or directory")


async def test_a_directory_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidConfiguration, match=r"email\.transport: the directory .* cannot be made"):
        async with open_email_channel(EmailSettings(transport=f"capture:{tmp_path / 'file'}"), secrets_of({})):
            pass
