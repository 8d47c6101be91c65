#!/bin/sh
# Feeds both kits the same random cases and demands the same bytes.
#
#   fuzz.sh [N [SEED [OPERATION…]]]   N cases (50000), by default with a new seed, which is printed
#   fuzz.sh chain [N [SEED]]          N traces (1000000) kept at 1/10 by one kit and decided again by the other
#
# Exit 1 with the first difference and its case.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kit=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$kit/go" && go build -o "$work/go-driver" ./internal/driver)
target=${CARGO_TARGET_DIR:-$kit/rust/target}
(cd "$kit/rust" && cargo build -q --release -p driver 2>"$work/cargo") || { cat "$work/cargo" >&2; exit 1; }
cp "$target/release/driver" "$work/rust-driver"

oracle() { python3 "$here/oracle.py" "$@"; }

if [ "${1:-}" = chain ]; then
    count=${2:-1000000}
    seed=${3:-$(date +%s)}
    echo "chain: $count traces, seed $seed"
    oracle roots "$count" "$seed" >"$work/roots"
    for way in "go rust" "rust go"; do
        first=${way% *} second=${way#* }
        "$work/$first-driver" <"$work/roots" >"$work/first"
        oracle next "$work/roots" "$work/first" >"$work/next"
        "$work/$second-driver" <"$work/next" >"$work/second"
        printf '%s, then %s: ' "$first" "$second"
        oracle kept "$work/second"
    done
    exit
fi

count=${1:-50000}
seed=${2:-$(date +%s)}
[ $# -ge 2 ] && shift 2 || set --
echo "fuzz: $count cases, seed $seed"
python3 "$here/generate.py" "$count" "$seed" "$@" >"$work/cases"
"$work/go-driver" <"$work/cases" >"$work/go" &
go=$!
"$work/rust-driver" <"$work/cases" >"$work/rust"
wait $go
if ! cmp -s "$work/go" "$work/rust"; then
    line=$(cmp "$work/go" "$work/rust" 2>&1 | sed 's/.*line \([0-9]*\).*/\1/')
    for part in cases go rust; do
        printf '%-6s' "$part"
        sed -n "${line}p" "$work/$part"
    done
    exit 1
fi
oracle check "$work/cases" "$work/go"
