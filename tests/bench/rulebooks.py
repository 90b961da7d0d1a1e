"""Rulebooks of any size for the benchmarks: conditions of every common shape over twenty events."""

from tidings.model import Source
from tidings.rulebook import Rulebook, load

EVENTS = (
    "pointsExpiryReminder",
    "pointsIssued",
    "tierUpgraded",
    "tierDowngraded",
    "tierDowngradeReminder",
    "tierRenewed",
    "pointsExpired",
    "pointsRedeemed",
    "customerAdded",
    "customerUpdated",
    "transactionAdded",
    "badgeEarned",
    "CouponIssue",
    "CouponRedeem",
    "rewardIssued",
    "promotionIssued",
    "groupCreated",
    "streakStart",
    "targetValueAchieved",
    "partnerProgramLinked",
)
ORG = 50750
PROGRAMME = 1933

_BRAND = f"""version: 1
brands:
  - org: {ORG}
    name: Example Rewards
    from: rewards@example.com
    endpoints: [{{name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}}]
"""


def conditions(count: int) -> list[tuple[str, str]]:
    """Return (event, condition) pairs; exactly two match ``pointsExpiryReminder``'s sample, however many there are."""
    chosen = [
        ("pointsExpiryReminder", "data.pointsScheduledForExpiry > `100`"),
        ("pointsExpiryReminder", f"data.loyaltyProgramId == `{PROGRAMME}` && data.loyaltyProgramDetails.isDefault"),
    ]
    for number in range(count - len(chosen)):
        event = EVENTS[number % len(EVENTS)]
        if event == "pointsExpiryReminder" and number // len(EVENTS) % 2:
            chosen.append((event, f"data.pointsScheduledForExpiry > `{1_000 + number}`"))
        elif event in _WITHOUT_PROGRAMME:
            chosen.append((event, f"eventId == 'evt-{number}'"))
        else:
            chosen.append((event, f"data.loyaltyProgramId == `{10_000 + number}` && orgId == `{ORG}`"))
    return chosen


_WITHOUT_PROGRAMME = frozenset(
    {
        "customerAdded",
        "customerUpdated",
        "badgeEarned",
        "CouponIssue",
        "CouponRedeem",
        "rewardIssued",
        "groupCreated",
        "streakStart",
        "targetValueAchieved",
        "transactionAdded",
        "partnerProgramLinked",
    }
)


def sources(count: int) -> tuple[Source, ...]:
    """Return the files of a rulebook with ``count`` rules, two hundred a file."""
    files = [Source(path="brands/example.yaml", data=_BRAND.encode())]
    pairs = conditions(count)
    for start in range(0, count, 200):
        rules = "".join(
            f"  - id: rule-{start + number}\n    event: {event}\n    when: {condition}\n"
            "    notify: [{webhook: {to: crm}}]\n"
            for number, (event, condition) in enumerate(pairs[start : start + 200])
        )
        files.append(Source(path=f"rules-{start:05}.yaml", data=f"version: 1\nrules:\n{rules}".encode()))
    return tuple(files)


def rulebook(count: int) -> Rulebook:
    """Compile a rulebook with ``count`` rules."""
    return load(sources(count))
