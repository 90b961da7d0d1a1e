-- columns_of_tables
-- The columns of every table, with their types.
SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position;

-- set_event_seq
-- Go on counting events after the last that there was.
SELECT setval('event_seq', greatest(:last::bigint, 1), :last > 0);

-- set_delivery_seq
-- Go on counting deliveries after the last.
SELECT setval('delivery_seq', greatest(max(seq), 1), max(seq) IS NOT NULL) FROM delivery;

-- set_suppression_seq
-- Go on counting suppressions after the last.
SELECT setval(pg_get_serial_sequence('suppression', 'seq'), greatest(max(seq), 1), max(seq) IS NOT NULL) FROM suppression;

-- set_rejected_seq
-- Go on counting rejected bodies after the last.
SELECT setval(pg_get_serial_sequence('rejected_body', 'seq'), greatest(max(seq), 1), max(seq) IS NOT NULL)
FROM rejected_body;
