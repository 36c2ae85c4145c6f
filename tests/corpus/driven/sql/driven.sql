-- What the functions want by name is made here
CREATE EXTENSION driven;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE others (id integer);
CREATE TEMPORARY TABLE things (id integer, of colour);
INSERT INTO things VALUES (1, 'red');
CREATE INDEX ON things (id);
SELECT of_name('TABLE things') IS NOT NULL;
DROP TABLE things;
SELECT same_fixed(number_fixed());
