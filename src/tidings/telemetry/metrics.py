"""Every metric of the gateway, declared once.

Names end in their unit: ``_seconds``, ``_bytes``, ``_total`` for what only grows. Label values come from small closed
sets, from the rulebook or from the configuration, never from events or customers, so that they stay few. A ``Metrics``
object owns its registry: nothing is process-wide, so two gateways in one process (as in the tests) do not add up.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)


class _OfPublishing:
    """What comes in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "tidings_events",
            "Events published, by what became of them: new, duplicate, reused (the id, with other content) or invalid.",
            ["outcome"],
            registry=registry,
        )
        self.publish_seconds = Histogram(
            "tidings_publish_seconds",
            "Time from a publish call, of one event or of many, to its committed answer.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "tidings_store_commit_seconds",
            "Time the store took to commit, waiting in line included: events with their deliveries (record), outcomes "
            "of deliveries (settle).",
            ["operation"],
            buckets=_LATENCY,
            registry=registry,
        )


class _OfDeliveries:
    """What goes out, and what waits to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "tidings_delivery_attempts",
            "Attempts at deliveries, by channel and outcome: accepted, deferred or refused.",
            ["channel", "outcome"],
            registry=registry,
        )
        self.ended = Counter(
            "tidings_deliveries_ended", "Deliveries that ended, by state.", ["channel", "state"], registry=registry
        )
        self.delivery_seconds = Histogram(
            "tidings_delivery_seconds",
            "Time from an event's commit to its delivery's acceptance.",
            ["channel"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.held = Counter(
            "tidings_deliveries_held",
            "Times a delivery was kept back: for its endpoint (its rate, because it was busy, its breaker, because it "
            "asked for a pause), by the shaping of e-mail (shaped), or by a gate (send_at, quiet hours, a cap).",
            ["kind"],
            registry=registry,
        )
        self.under_way = Gauge(
            "tidings_deliveries_under_way", "Deliveries being sent, as of the last second.", registry=registry
        )
        self.endpoint_breaker = Gauge(
            "tidings_endpoint_breaker",
            "State of the breaker of an endpoint of the rulebook that has failed: 0 closed, 1 probing, 2 open.",
            ["org", "endpoint"],
            registry=registry,
        )
        self.endpoints_disabled = Counter(
            "tidings_endpoints_disabled",
            "Endpoints disabled, because they said that they are gone or because they failed for too long.",
            ["why"],
            registry=registry,
        )
        self.relay_aside = Gauge(
            "tidings_relay_aside",
            "1 while an e-mail relay is set aside after failures in a row, until it takes a message again.",
            ["relay"],
            registry=registry,
        )
        self.relay_set_aside = Counter(
            "tidings_relay_set_aside",
            "Times an e-mail relay was set aside, failed tries of one that was set aside included.",
            ["relay"],
            registry=registry,
        )
        self.backlog = Gauge(
            "tidings_deliveries_open",
            "Deliveries that have not ended, by state; counted at most a minute ago, seldom when they are many. Absent "
            "while the store does not answer.",
            ["state"],
            registry=registry,
        )
        self.oldest_due_seconds = Gauge(
            "tidings_oldest_due_seconds",
            "How long the longest-due delivery has been due, at this moment; NaN while the store does not answer.",
            registry=registry,
        )


class _OfRules:
    """What rules do, and which are live."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.matches = Counter(
            "tidings_rule_matches",
            "Events that a rule matched, live or shadow.",
            ["rule", "mode"],
            registry=registry,
        )
        self.rule_failures = Counter(
            "tidings_rule_failures", "Events on which a rule could not be evaluated.", ["rule"], registry=registry
        )
        self.rulebook = Gauge(
            "tidings_rulebook_info", "1 for the rulebook revision that is live.", ["revision"], registry=registry
        )
        self.reloads = Counter(
            "tidings_rulebook_reloads",
            "Reloads of the rulebook, by outcome: live, unchanged or refused.",
            ["outcome"],
            registry=registry,
        )
        self.rulebook_failing = Gauge(
            "tidings_rulebook_failing",
            "1 while the folder holds a rulebook that was refused and an older one is live.",
            registry=registry,
        )

    def forget_rules(self, rule_ids: Iterable[str]) -> None:
        """Drop the counters of rules that have left the rulebook, lest they pile up."""
        for rule_id in rule_ids:
            self.matches.remove_by_labels({"rule": rule_id})
            self.rule_failures.remove_by_labels({"rule": rule_id})


class Metrics(_OfPublishing, _OfDeliveries, _OfRules):
    """The gateway's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for part in (_OfPublishing, _OfDeliveries, _OfRules):
            part.__init__(self, self.registry)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
