-- lock_gateways
-- Let no gateway come, go or take its part of anything until the transaction ends.
SELECT pg_advisory_xact_lock(29805, 4);

-- put_gateway
-- Note that a gateway runs. One that is new there shares when another one sends; one that shares goes on while there is
-- another one.
INSERT INTO gateway (
    id, host, place, version, role, revision, started_at, seen_at, beats, dispatches, sharing
) VALUES (
    :id, :host, :place, :version, :role, :revision, :started_at, :seen_at, 1, :dispatches,
    EXISTS (SELECT 1 FROM gateway WHERE dispatches AND id <> :id)
)
ON CONFLICT (id) DO UPDATE SET
    revision = excluded.revision, seen_at = excluded.seen_at, beats = gateway.beats + 1,
    sharing = excluded.sharing AND :sharing::boolean;

-- gateways
-- The gateways that run, or ran until lately.
SELECT id, host, place, version, role, revision, started_at, seen_at, beats, dispatches, sharing
FROM gateway ORDER BY started_at, id;

-- drop_gateway
-- Forget a gateway that has left, or that has not told of itself since; with it go its shares.
DELETE FROM gateway WHERE id = :id AND beats <= :beats;

-- drop_rates
-- Forget rates that bind nobody any more.
DELETE FROM endpoint_rate WHERE free_at < :before;

-- count_dispatching
-- How many gateways send, and whether this is one of them.
SELECT count(*) AS gateways, coalesce(bool_or(id = :id), false) AS there FROM gateway WHERE dispatches;

-- shares_of_endpoint
-- What the gateways hold of an endpoint.
SELECT gateway_id, slots, wanted, turn_at FROM endpoint_share WHERE org_id = :org_id AND name = :name;

-- put_share
-- Note what a gateway holds of an endpoint.
INSERT INTO endpoint_share (org_id, name, gateway_id, slots, wanted, turn_at)
VALUES (:org_id, :name, :gateway_id, :slots, :wanted, :turn_at)
ON CONFLICT (org_id, name, gateway_id) DO UPDATE SET
    slots = excluded.slots, wanted = excluded.wanted, turn_at = excluded.turn_at;

-- drop_share
-- A gateway holds nothing of an endpoint, and wants nothing.
DELETE FROM endpoint_share WHERE org_id = :org_id AND name = :name AND gateway_id = :gateway_id;

-- rate_of_endpoint
-- From when on times of an endpoint's rate are free.
SELECT free_at FROM endpoint_rate WHERE org_id = :org_id AND name = :name;

-- put_rate
-- Note from when on times are free.
INSERT INTO endpoint_rate (org_id, name, free_at) VALUES (:org_id, :name, :free_at)
ON CONFLICT (org_id, name) DO UPDATE SET free_at = excluded.free_at;

-- endpoint_rates
-- From when on times of every endpoint's rate are free.
SELECT org_id, name, free_at FROM endpoint_rate ORDER BY org_id, name;

-- endpoint_pauses
-- Every endpoint that is left alone for a while.
SELECT org_id, name, breaker, probe_at, pause_ms, asked_until FROM endpoint_pause ORDER BY org_id, name;

-- put_pause
-- Note that an endpoint is left alone.
INSERT INTO endpoint_pause (org_id, name, breaker, probe_at, pause_ms, asked_until)
VALUES (:org_id, :name, :breaker, :probe_at, :pause_ms, :asked_until)
ON CONFLICT (org_id, name) DO UPDATE SET
    breaker = excluded.breaker, probe_at = excluded.probe_at, pause_ms = excluded.pause_ms,
    asked_until = excluded.asked_until;

-- drop_pause
-- An endpoint is left alone no more.
DELETE FROM endpoint_pause WHERE org_id = :org_id AND name = :name;
