#!/bin/sh
# Runs PostgreSQL's isolation suite by pg_isolation_regress and by mcspec in turn, on private servers of one installation
# with the same settings, and compares the time they take.
#
# usage: bench/isolation.sh SOURCE [PG_CONFIG]
#   SOURCE     a source tree of the installation's major version, for src/test/isolation
#   PG_CONFIG  default: the first one in the path; its installation has to include isolationtester
#   ROUNDS     (environment) how often each is run; default 3
#   MCSPEC     (environment) the runner; default target/release/mcspec
set -eu

fail() { echo "$0: $*" >&2; exit 2; }
[ $# -ge 1 ] || fail "usage: $0 SOURCE [PG_CONFIG]"
suite=$(cd "$1/src/test/isolation" && pwd)
pg_config=${2:-pg_config}
mcspec=${MCSPEC:-target/release/mcspec}
bin=$("$pg_config" --bindir)
tools=$(dirname "$("$pg_config" --pgxs)")/../test/isolation
[ -x "$tools/pg_isolation_regress" ] || fail "no pg_isolation_regress in \"$tools\""
[ -x "$mcspec" ] || fail "no \"$mcspec\": run \"make build\""

work=$(mktemp -d)
chmod 755 "$work"
# The server refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then
	as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
	chown nobody "$work"
fi
stop() {
	$as "$bin/pg_ctl" -D "$work/data" -m immediate -s stop 2>/dev/null || :
	rm -rf "$work"
}
trap stop EXIT INT TERM

# What the servers of mcspec --transcript have.
$as "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$work/initdb.log"
cat >>"$work/data/postgresql.conf" <<-END
	listen_addresses = ''
	unix_socket_directories = '$work'
	fsync = off
	jit = off
	shared_buffers = 32MB
	max_prepared_transactions = 2
END
$as "$bin/pg_ctl" -D "$work/data" -l "$work/data/log" -w -s start

seconds() { date +%s.%N; }
theirs() {
	PGHOST=$work PGPORT=5432 PGUSER=postgres "$tools/pg_isolation_regress" --bindir="$bin" --inputdir="$suite" \
		--outputdir="$work/out" --schedule="$suite/isolation_schedule" --max-concurrent-tests=1 >"$work/theirs.log" 2>&1
}
specs=$(sed -n 's/^test: *//p' "$suite/isolation_schedule" | tr ' ' '\n' | sed "s|.*|$suite/specs/&.spec|")
ours() {
	# Everything counts: staging, initdb, starting servers.
	"$mcspec" run --transcript --expected "$suite/expected" --pg-config "$pg_config" -j "$1" --report tap $specs \
		>"$work/ours.log" 2>&1
}

mkdir "$work/out"
echo "seconds for $(echo "$specs" | wc -l) specs on $("$pg_config" --version), $(nproc) processors"
printf '%8s %22s %12s %12s\n' round pg_isolation_regress 'mcspec -j 1' 'mcspec -j 2'
for round in $(seq "${ROUNDS:-3}"); do
	a=$(seconds); theirs || echo "pg_isolation_regress: $(tail -n 8 "$work/theirs.log")"
	b=$(seconds); ours 1 || echo "mcspec: $(grep '^not ok' "$work/ours.log" || tail -n 5 "$work/ours.log")"
	c=$(seconds); ours 2 || echo "mcspec: $(grep '^not ok' "$work/ours.log" || tail -n 5 "$work/ours.log")"
	d=$(seconds)
	echo "$round $a $b $c $d" | awk '{ t = $3 - $2; one = $4 - $3; two = $5 - $4
		printf "%8d %22.1f %12.1f %12.1f  (%.2fx, %.2fx)\n", $1, t, one, two, one / t, two / t }'
done
