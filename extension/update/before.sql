-- What stands in the way of the objects of this version, in a database with those of the reference implementation.
-- Its version 0.0.1 has neither the library of a violation nor, in end(), a column for it.

-- The server has an update begin with the schema that the extension was put into, in which others may have planted operators
-- and functions that fit better than its own.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- Refused where the schema is not the extension's (`checkMembershipInCurrentExtension` in pg_depend.c).
CREATE SCHEMA IF NOT EXISTS ext_memcheck;

ALTER TABLE ext_memcheck.violation_log ADD COLUMN IF NOT EXISTS source_lib text NOT NULL DEFAULT '';

DO $$
BEGIN
    IF (SELECT pg_get_function_result(oid) FROM pg_proc WHERE oid = to_regprocedure('ext_memcheck."end"()'))
       NOT LIKE '%source_lib%'
    THEN
        DROP FUNCTION ext_memcheck."end"();
    END IF;
END
$$;
