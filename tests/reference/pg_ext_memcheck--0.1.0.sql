-- What the reference implementation's version 0.1.0 has in a database, as far as an update meets it: the objects with their
-- names, arguments and results. The functions do nothing.

CREATE SCHEMA ext_memcheck;

CREATE TABLE ext_memcheck.violation_log (
    id serial PRIMARY KEY,
    ts timestamptz NOT NULL DEFAULT now(),
    backend_pid integer NOT NULL,
    check_type text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    source_lib text NOT NULL DEFAULT ''
);

CREATE FUNCTION ext_memcheck.begin(ext_context_pattern text DEFAULT '', options jsonb DEFAULT NULL) RETURNS text
    LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.end()
    RETURNS TABLE (check_type text, severity text, detail text, ts timestamptz, source_lib text)
    STRICT LANGUAGE sql AS $$ SELECT '', '', '', now(), '' $$;
CREATE FUNCTION ext_memcheck.run_scenario(scenario_name text, iterations integer DEFAULT 100,
                                          workload text DEFAULT 'SELECT 1') RETURNS text
    STRICT LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.flush_violations() RETURNS integer STRICT LANGUAGE sql AS $$ SELECT 0 $$;
CREATE FUNCTION ext_memcheck.clear_violations() RETURNS void
    LANGUAGE sql AS $$ DELETE FROM ext_memcheck.violation_log $$;
CREATE FUNCTION ext_memcheck.dsm_tracking()
    RETURNS TABLE (segid bigint, backend_pid integer, attach_at timestamptz, size_bytes bigint, detached boolean)
    STRICT LANGUAGE sql AS $$ SELECT 0::bigint, 0, now(), 0::bigint, false $$;
CREATE FUNCTION ext_memcheck.track_dsm_handle(handle bigint) RETURNS text STRICT LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.clear_dsm_tracking() RETURNS void STRICT LANGUAGE sql AS $$ SELECT $$;
CREATE FUNCTION ext_memcheck.register_shmem_probe(seg_name text, allocated_size bigint) RETURNS text
    STRICT LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.probe_check(seg_name text) RETURNS boolean STRICT LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION ext_memcheck.clear_shmem_registry() RETURNS void STRICT LANGUAGE sql AS $$ SELECT $$;

CREATE VIEW ext_memcheck.scenarios AS SELECT 'growth_benchmark'::text AS name, ''::text AS description;
