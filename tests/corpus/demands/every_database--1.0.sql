\echo Use "CREATE EXTENSION every_database" to load this file. \quit

CREATE FUNCTION remember(bytes int) RETURNS void
AS 'MODULE_PATHNAME', 'remember' LANGUAGE C STRICT;

CREATE FUNCTION forget(bytes int) RETURNS void
AS 'MODULE_PATHNAME', 'forget' LANGUAGE C STRICT;

-- Returns when there is a worker in this database.
CREATE FUNCTION wait_for_worker() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
	                   WHERE backend_type = 'every_database worker' AND datname = current_database()) LOOP
		PERFORM pg_catalog.pg_sleep(0.01);
		PERFORM pg_catalog.pg_stat_clear_snapshot();
	END LOOP;
END;
$$;
