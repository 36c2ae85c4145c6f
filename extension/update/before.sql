-- What stands in the way of the objects of this version, in a database with those of the reference implementation.
-- Its version 0.0.1 has neither the library of a violation nor, in end(), a column for it.

ALTER TABLE ext_memcheck.violation_log ADD COLUMN IF NOT EXISTS source_lib text NOT NULL DEFAULT '';

DO $$
BEGIN
    IF (SELECT pg_catalog.pg_get_function_result(oid) FROM pg_catalog.pg_proc
         WHERE oid = pg_catalog.to_regprocedure('ext_memcheck."end"()'))
       NOT LIKE '%source_lib%'
    THEN
        DROP FUNCTION ext_memcheck."end"();
    END IF;
END
$$;
