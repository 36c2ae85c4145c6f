-- What there was and is no more. Who could call run_scenario() still can.

DO $$
DECLARE
    was regprocedure;
    is_now CONSTANT regprocedure := 'ext_memcheck.run_scenario(text, integer, text, text, integer, integer)';
    caller record;
BEGIN
    FOREACH was IN ARRAY ARRAY[
        pg_catalog.to_regprocedure('ext_memcheck.run_scenario(text, integer, text)'),
        pg_catalog.to_regprocedure('ext_memcheck.run_scenario(text, integer)'),
        pg_catalog.to_regprocedure('ext_memcheck.run_scenario(text)')]
    LOOP
        FOR caller IN
            SELECT DISTINCT pg_catalog.quote_ident(rolname) AS name, is_grantable
              FROM pg_catalog.pg_proc
              CROSS JOIN LATERAL pg_catalog.aclexplode(proacl)
              JOIN pg_catalog.pg_roles ON pg_roles.oid = grantee
             WHERE pg_proc.oid = was AND grantee <> proowner
        LOOP
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s%s', is_now, caller.name,
                CASE WHEN caller.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
    END LOOP;
END
$$;

DROP FUNCTION IF EXISTS
    "begin"(text), run_scenario(text), run_scenario(text, integer), run_scenario(text, integer, text),
    dsm_tracking(), track_dsm_handle(bigint), clear_dsm_tracking(),
    register_shmem_probe(text, bigint), probe_check(text), clear_shmem_registry();
