-- The same for version 0.0.1, which knew no libraries and no view of scenarios at first.

CREATE SCHEMA ext_memcheck;

CREATE TABLE ext_memcheck.violation_log (
    id serial PRIMARY KEY,
    ts timestamptz NOT NULL DEFAULT now(),
    backend_pid integer NOT NULL,
    check_type text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL
);

CREATE FUNCTION ext_memcheck.begin(target_mode text) RETURNS text STRICT LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.end() RETURNS TABLE (check_type text, severity text, detail text, ts timestamptz)
    STRICT LANGUAGE sql AS $$ SELECT '', '', '', now() $$;
CREATE FUNCTION ext_memcheck.run_scenario(senario_name text, iterations integer DEFAULT 100) RETURNS text
    STRICT LANGUAGE sql AS $$ SELECT ''::text $$;
CREATE FUNCTION ext_memcheck.flush_violations() RETURNS integer STRICT LANGUAGE sql AS $$ SELECT 0 $$;
CREATE FUNCTION ext_memcheck.clear_violations() RETURNS void
    LANGUAGE sql AS $$ DELETE FROM ext_memcheck.violation_log $$;
