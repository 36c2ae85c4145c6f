CREATE OR REPLACE FUNCTION mcspec_plx_probe(a text) RETURNS text LANGUAGE plx AS $f$
#!/bin/sh
echo "$1"x
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_echo(a text) RETURNS text LANGUAGE plx AS $f$
#!/bin/sh
echo "$1"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_list(a text[]) RETURNS text LANGUAGE plx AS $f$
#!/bin/sh
echo "$1"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_raises(a text) RETURNS text LANGUAGE plx AS $f$
#!/bin/sh
echo "$1" >&2; exit 1
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_wrong(a text) RETURNS text LANGUAGE plx AS $f$
#!/nosuch/sh
echo "$1"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unclosed(a text) RETURNS text LANGUAGE plx AS $f$ echo $f$;
