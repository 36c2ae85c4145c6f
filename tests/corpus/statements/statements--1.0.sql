/* tests/corpus/statements/statements--1.0.sql */

\echo Use "CREATE EXTENSION statements" to load this file. \quit

CREATE FUNCTION lose(bytes int) RETURNS void LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'statements_lose';
CREATE FUNCTION pin(bytes int) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'statements_pin';
CREATE FUNCTION unpin(handle bigint) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'statements_unpin';
CREATE FUNCTION map(bytes int) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'statements_map';
CREATE FUNCTION attach(handle bigint) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'statements_attach';
CREATE FUNCTION forget(bytes int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'statements_forget';
