DO $do$ BEGIN IF to_regtype('mcspec_pair') IS NULL THEN CREATE TYPE mcspec_pair AS (i integer, t text); END IF; END $do$;
DO $do$ BEGIN IF to_regtype('mcspec_short') IS NULL THEN CREATE DOMAIN mcspec_short AS text CHECK (length(VALUE) < 6); END IF; END $do$;
CREATE TABLE IF NOT EXISTS mcspec_pairs AS SELECT i, 'row ' || i AS t FROM generate_series(1, 20) AS i;
