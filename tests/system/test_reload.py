"""Changing the rules under a running gateway."""

import os
import signal
from pathlib import Path

import pytest

from gateway_kit import RunningGateway, eventually, running_gateway, write_config
from rulebook_kit import RULES, write_rulebook
from tidings.events import convert_one, sample
from tidings.events.v1.event_pb2 import Event

LOWER = RULES.replace("`100`", "`10`")


def reminder(event_id: str, points: float = 50) -> Event:
    event = convert_one(sample("pointsExpiryReminder")).event
    event.event_id = event_id
    event.points_expiry_reminder.points_scheduled_for_expiry = points
    event.points_expiry_reminder.scheduled_expiry_date = "2099-12-31"
    return event


def entries(gateway: RunningGateway, event: str) -> list[dict[str, object]]:
    return [entry for entry in gateway.log if entry["event"] == event]


async def loaded(gateway: RunningGateway) -> dict[str, object]:
    async def look() -> list[dict[str, object]]:
        return [entry for entry in entries(gateway, "rulebook.loaded") if entry.get("changed")]

    return (await eventually(look))[-1]


async def refused(gateway: RunningGateway) -> dict[str, object]:
    async def look() -> list[dict[str, object]]:
        return entries(gateway, "rulebook.refused")

    return (await eventually(look))[-1]


async def matched(gateway: RunningGateway, event_id: str) -> list[str]:
    return list((await gateway.publish(reminder(event_id))).matched_rules)


async def test_a_changed_file_goes_live_by_itself(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(rules), reload={"every": "100ms"})
    async with running_gateway(config) as gateway:
        assert await matched(gateway, "before") == []
        (rules / "loyalty.yaml").write_text(LOWER)
        await loaded(gateway)
        assert await matched(gateway, "after") == ["points-expiring"]


async def test_sighup_reloads_at_once(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(rules), reload={"every": 0})
    async with running_gateway(config) as gateway:
        (rules / "loyalty.yaml").write_text(LOWER)
        gateway.process.send_signal(signal.SIGHUP)
        await loaded(gateway)
        assert await matched(gateway, "after") == ["points-expiring"]


@pytest.mark.parametrize("broken", [LOWER.replace("`10`", "10"), "version: 1\nrul", ""], ids=["bad", "half", "emptied"])
async def test_a_broken_change_keeps_what_is_live_until_it_is_mended(tmp_path: Path, broken: str) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(rules), reload={"every": "100ms"})
    async with running_gateway(config) as gateway:
        (rules / "loyalty.yaml").write_text(broken)
        said = await refused(gateway)
        assert str(said["first"]).startswith("loyalty.yaml:")
        assert await matched(gateway, "while broken") == []
        (rules / "loyalty.yaml").write_text(LOWER)
        await loaded(gateway)
        assert await matched(gateway, "mended") == ["points-expiring"]


async def test_an_editor_that_renames_and_a_swapped_link_are_seen(tmp_path: Path) -> None:
    first = write_rulebook(tmp_path / "first", crm="http://127.0.0.1:9/")
    second = write_rulebook(tmp_path / "second", crm="http://127.0.0.1:9/", rules=LOWER)
    link = tmp_path / "current"
    link.symlink_to(first)
    config = write_config(tmp_path, rules=str(link), reload={"every": "100ms"})
    async with running_gateway(config) as gateway:
        (first / ".loyalty.yaml.swp").write_text(RULES.replace("`100`", "`60`"))
        os.replace(first / ".loyalty.yaml.swp", first / "loyalty.yaml")  # noqa: PTH105 (the rename itself is the test)
        revision = (await loaded(gateway))["revision"]
        assert await matched(gateway, "renamed") == []
        link.with_name("next").symlink_to(second)
        link.with_name("next").rename(link)

        async def swapped() -> bool:
            return (await loaded(gateway))["revision"] != revision

        assert await eventually(swapped)
        assert await matched(gateway, "swapped") == ["points-expiring"]


async def test_files_linked_through_a_hidden_folder_are_seen_once(tmp_path: Path) -> None:
    """The way Kubernetes mounts a ConfigMap: visible links through a hidden link that is swapped."""
    contents = {
        name: write_rulebook(tmp_path / name, crm="http://127.0.0.1:9/", rules=text)
        for name, text in (("old", RULES), ("new", LOWER))
    }
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "..data").symlink_to(contents["old"])
    for name in ("loyalty.yaml", "brands", "templates"):
        (mount / name).symlink_to(f"..data/{name}")
    config = write_config(tmp_path, rules=str(mount), reload={"every": "100ms"})
    async with running_gateway(config) as gateway:
        assert await matched(gateway, "old") == []
        (mount / "..next").symlink_to(contents["new"])
        (mount / "..next").rename(mount / "..data")
        await loaded(gateway)
        assert await matched(gateway, "new") == ["points-expiring"]


@pytest.mark.long
async def test_what_was_decided_is_sent_as_it_was_decided(tmp_path: Path) -> None:
    """A retry after a reload, and after a restart, still composes with the rulebook that decided."""
    from sink_kit import Reply, http_sink

    async with http_sink("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD") as sink:
        sink.script(Reply(status=503, headers={"Retry-After": "1"}))
        rules = write_rulebook(tmp_path / "rules", crm=sink.url)
        config = write_config(tmp_path, rules=str(rules), reload={"every": "100ms"})
        async with running_gateway(config) as gateway:
            answer = await gateway.publish(reminder("decided-before", points=500))
            (rules / "loyalty.yaml").write_text(RULES.replace("type: loyalty.points_expiring", "type: loyalty.changed"))
            await loaded(gateway)
        async with running_gateway(config) as gateway:
            await gateway.ended(answer.delivery_ids[1])
        assert [call.json["type"] for call in sink.received] == ["loyalty.points_expiring"] * 2
