-- The digest of a disabled endpoint's url, which used to stand at the end of the reason, as " (address 0123456789ab)".

ALTER TABLE endpoint_state ADD COLUMN url_digest TEXT NOT NULL DEFAULT '';

UPDATE endpoint_state SET
    url_digest = substr(reason, -13, 12),
    reason = substr(reason, 1, length(reason) - 23)
WHERE reason LIKE '% (address ____________)';
