-- A function that others have put beside one of the extension's may be called in its place.
DO $$
DECLARE
    planted text;
BEGIN
    SELECT string_agg(format('%s', planted.oid::regprocedure), ', ') INTO planted
      FROM pg_proc AS planted
     WHERE pronamespace = 'ext_memcheck'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = planted.oid AND deptype = 'e')
       AND EXISTS (SELECT FROM pg_depend JOIN pg_proc AS ours ON ours.oid = objid
                    WHERE classid = 'pg_proc'::regclass AND deptype = 'e' AND pronamespace = planted.pronamespace
                      AND ours.proname = planted.proname);
    IF planted IS NOT NULL THEN
        RAISE EXCEPTION 'schema ext_memcheck has functions that are not of the extension and have the names of its own'
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('These are: %s.', planted),
                  HINT = 'Drop them first.';
    END IF;
END
$$;

-- What there was and is no more. Who could call run_scenario() still can.

DO $$
DECLARE
    was regprocedure;
    is_now CONSTANT regprocedure := 'ext_memcheck.run_scenario(text, integer, text, text, integer, integer, text, text[], bigint)';
    caller record;
BEGIN
    FOREACH was IN ARRAY ARRAY[
        to_regprocedure('ext_memcheck.run_scenario(text, integer, text)'),
        to_regprocedure('ext_memcheck.run_scenario(text, integer)'),
        to_regprocedure('ext_memcheck.run_scenario(text)')]
    LOOP
        FOR caller IN
            SELECT DISTINCT quote_ident(rolname) AS name, is_grantable
              FROM pg_proc CROSS JOIN LATERAL aclexplode(proacl) JOIN pg_roles ON pg_roles.oid = grantee
             WHERE pg_proc.oid = was AND grantee <> proowner
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s%s', is_now, caller.name,
                CASE WHEN caller.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
    END LOOP;
END
$$;

DROP FUNCTION IF EXISTS
    ext_memcheck."begin"(text), ext_memcheck.run_scenario(text), ext_memcheck.run_scenario(text, integer),
    ext_memcheck.run_scenario(text, integer, text);
