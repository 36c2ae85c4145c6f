//! The schema and the table, who may use what, and what is said about each object.

use pgrx::prelude::*;

// An update runs this as well, in which the objects are there. What is of that name and not the extension's is refused by the
// server (`checkMembershipInCurrentExtension` in pg_depend.c).
extension_sql!(
    r#"
-- The server has a script begin with the schema that the extension is put into, which others may write to.
SET LOCAL search_path TO pg_catalog, pg_temp;
CREATE SCHEMA IF NOT EXISTS ext_memcheck;

-- What default privileges or an earlier owner have given. Who can put a function into the schema can have it called in place
-- of one of these.
DO $$
DECLARE
    owner CONSTANT regrole := (SELECT nspowner FROM pg_namespace WHERE nspname = 'ext_memcheck');
    creator record;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE oid = owner) THEN
        RAISE EXCEPTION 'schema ext_memcheck is owned by role %, which is not a superuser', owner
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('ALTER SCHEMA ext_memcheck OWNER TO %s;', quote_ident(current_user));
    END IF;
    FOR creator IN
        SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS name
          FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl)
         WHERE nspname = 'ext_memcheck' AND privilege_type = 'CREATE' AND grantee <> nspowner
    LOOP
        EXECUTE format('REVOKE CREATE ON SCHEMA ext_memcheck FROM %s CASCADE', creator.name);
    END LOOP;
END
$$;

SET LOCAL search_path TO ext_memcheck, pg_temp;

CREATE TABLE IF NOT EXISTS violation_log (
    id serial PRIMARY KEY,
    ts timestamptz NOT NULL DEFAULT now(),
    backend_pid int NOT NULL,
    check_type text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    source_lib text NOT NULL DEFAULT ''
);
SELECT pg_catalog.pg_extension_config_dump('violation_log', '');
SELECT pg_catalog.pg_extension_config_dump('violation_log_id_seq', '');
"#,
    name = "objects",
    bootstrap
);

extension_sql_file!("catalog.sql", name = "catalog", finalize);
