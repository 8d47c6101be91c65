# Counts tests in the output of go test -json, cargo test, vitest and node --test,
# and prints "passed failed skipped". With show=1 it prints the output for people
# instead: lines of other programs, and what failed Go tests wrote.
function field(name,   at, rest) {
  at = index($0, "\"" name "\":\"")
  if (!at) return ""
  rest = substr($0, at + length(name) + 4)
  return substr(rest, 1, match(rest, /[^\\]"/))
}
/^\{"(Time|ImportPath|Action)":/ {
  action = field("Action"); test = field("Test"); key = field("Package") " " test
  if (action == "output" || action == "build-output") {
    out = field("Output"); gsub(/\\n/, "", out); gsub(/\\t/, "    ", out); gsub(/\\"/, "\"", out); gsub(/\\u003e/, ">", out); gsub(/\\u003c/, "<", out)
    if (action == "build-output") print_line[++lines] = out
    else text[key] = text[key] out "\n"
  } else if (action == "fail") {
    if (test != "") failed++
    print_line[++lines] = "FAIL " key "\n" text[key]
  } else if (test != "" && action == "pass") passed++
  else if (test != "" && action == "skip") skipped++
  if (action == "pass" || action == "skip") delete text[key]
  next
}
# A Go test that runs through make prints other lines as well; all others are kept.
{ print_line[++lines] = $0 }
/^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) passed += $(i-1); if ($i ~ /^failed/) failed += $(i-1); if ($i ~ /^ignored/) skipped += $(i-1) } }
/^ *Tests  / { for (i = 2; i <= NF; i++) { if ($i == "passed") passed += $(i-1); if ($i == "failed") failed += $(i-1); if ($i == "skipped") skipped += $(i-1) } }
/^(#|ℹ) pass [0-9]+/ { passed += $3 }
/^(#|ℹ) fail [0-9]+/ { failed += $3 }
/^(#|ℹ) skipped [0-9]+/ { skipped += $3 }
END {
  if (show) for (i = 1; i <= lines; i++) print print_line[i]
  else printf "%d %d %d\n", passed, failed, skipped
}
