"""Writes random cases for the drivers: generate.py N SEED [OPERATION…].

A case is made from a grammar with traps in it, from a random text, or from a vector
of the contract with a few characters changed.
"""

import importlib.util
import json
import pathlib
import random
import sys

CONTRACT = pathlib.Path(__file__).resolve().parent.parent
HEX = "0123456789abcdef"
ODD = ["", " ", "\t", ",", ";", "=", ":", "-", "%", "%2", "%zz", "%C3%A9", "%ff", "'", '"', "`", "\\", "\\'", "\n", "\x00", "\x7f", "é",
       "\u2028", "\U0001f600", "K", "ſ", "*", "/*", "*/", "--", "#", "$", "$$", "$a$", "?", "&", "@", "//", "[", "]", "(", ")", ".", "0", "9", "a", "F"]


class Random(random.Random):
    def hex(self, n):
        return "".join(self.choices(HEX, k=n))

    def maybe(self, p=0.5):
        return self.random() < p

    def odd(self, most=12):
        return "".join(self.choices(ODD, k=self.randint(0, most)))

    def mutated(self, text):
        for _ in range(self.choice([0, 0, 1, 1, 2, 4])):
            at = self.randint(0, len(text))
            text = text[:at] + self.choice(ODD) + text[at + self.randint(0, 2):]
        return text

    def word(self, letters="abcdefghij", most=8):
        return "".join(self.choices(letters, k=self.randint(1, most)))


def th(r):
    return r.choice(["0", "8", "c", "e666", "f3333", "fd70a", "never", "1", "ffffffffffffff", r.hex(r.randint(1, 14))])


def a_threshold(r):
    big = r.randint(0, 10 ** r.randint(1, 19))
    text = r.choice([
        lambda: "%d/%d" % (r.randint(0, 100), r.randint(0, 1000)), lambda: "1/%d" % big, lambda: "%d/%d" % (big, r.randint(0, 10 ** 18)),
        lambda: "1/%d" % (1 << r.randint(0, 60)), lambda: "%d/%d" % ((1 << 56) - r.randint(0, 99), 1 << 56),
        lambda: "0." + "".join(r.choices("0123456789", k=r.randint(0, 18))), lambda: "%d%%" % r.randint(0, 101),
        lambda: "%d.%d%%" % (r.randint(0, 100), r.randint(0, 10 ** r.randint(1, 15))), lambda: r.odd(), lambda: "1", lambda: "0",
    ])()
    case = {"op": "threshold", "ratio": r.mutated(text) if r.maybe(0.2) else text}
    if r.maybe(0.2):
        case["precision"] = r.randint(1, 14)
    return case


def ot(r):
    parts = r.choices([
        lambda: "th:" + r.choice(["0", "8", "e666", "never", "", "E6", r.hex(r.randint(1, 15))]),
        lambda: "rv:" + r.choice([r.hex(14), r.hex(13), r.hex(15), "FFFFFFFFFFFFFF", "ffffffffffffff", "00000000000000"]),
        lambda: r.word() + ":" + r.word("abc012._-"), lambda: r.odd(3), lambda: "x" * r.choice([1, 249, 260]) + ":y",
    ], weights=[6, 5, 3, 0.4, 0.2], k=r.randint(1, 3))
    return "ot=" + ";".join(p() for p in parts)


def state(r):
    members = [r.word("abz09_-*/@", 12) + "=" + r.word("ab !~:;", 12) for _ in range(r.choice([0, 0, 1, 2, 3, 30, 31, 32, 33]))]
    if len(members) > 3:
        members = ["k%d=v" % i for i in range(len(members))]
    if r.maybe(0.8):
        members.insert(r.randint(0, len(members)), ot(r))
    if members and r.maybe(0.1):
        members.append(r.choice(members))
    separator = r.choice([",", ",", ",", ", ", "\t,", ",,"])
    text = separator.join(members)
    if r.maybe(0.15):
        text = r.mutated(text)
    return [text] if r.maybe(0.8) else text.split(",", r.randint(0, 3))


def a_decide(r):
    how = r.choice(["root", "linked", "deferred", "child", "child", "child", "forced"])
    case = {"op": "decide", "how": how, "trace": r.hex(32), "flags": r.randint(0, 3), "state": state(r)}
    if how in ("root", "linked", "deferred"):
        case["th"] = th(r)
    if r.maybe(0.3):
        case["level"] = r.choice([1, 2])
    return case


def a_limiter(r):
    second, seconds = r.randint(0, 9), []
    for _ in range(r.randint(1, 6)):
        seconds.append({"second": second, "roots": r.choice([1, 2, 9, 10, 11, r.randint(1, 300)])})
        second += r.choice([-11, -10, -1, 0, 1, 1, 1, 1, 2, 5])
    return {"op": "limiter", "th": th(r), "per_second": r.choice([0, 1, 2, 10, r.randint(1, 100)]), "seconds": seconds}


def header(r):
    text = "-".join([r.choice(["00", "00", "00", "01", "fe", "ff", r.hex(2)]), r.choice([r.hex(32), r.hex(32), "0" * 32]),
                     r.choice([r.hex(16), r.hex(16), "0" * 16]), r.hex(2)])
    return r.mutated(text + r.choice(["", "", "", "-", "-x", "x"]))


def a_traceparent(r):
    return {"op": "traceparent", "header": header(r)}


def a_tracestate(r):
    return {"op": "tracestate", "lines": state(r)}


def a_replace_ot(r):
    return {"op": "replace_ot", "lines": state(r), "value": r.choice(["", "th:8", "rv:" + r.hex(14)])}


def member(r):
    text = r.choice(["", " "]) + r.word("abAB09!#") + r.choice(["=", "=", " = ", ""]) + r.choice(
        [r.word(), "%41%20", "%C3%A9", "%ff%fe", "%e2%82x", "%", "a b", "é", "a\"", "v" * r.choice([1, 100, 2000])])
    return text + r.choice(["", "", ";p", ";p=1;q", "; p = 1 ", ";é", ";"])


def a_baggage(r):
    lines = [",".join(member(r) for _ in range(r.choice([1, 2, 3, 70]))) for _ in range(r.randint(1, 3))]
    case = {"op": "baggage", "lines": [r.mutated(line) for line in lines]}
    if r.maybe(0.3):
        case["keys"] = [r.choice(["*", "a*", "b", r.word("abAB")]) for _ in range(r.randint(0, 3))]
    return case


def a_baggage_write(r):
    members = [{"key": r.choice([r.word("abAB"), r.odd(2)]), "value": r.choice([r.odd(), "v" * r.choice([1, 300])]), "properties": r.choice(["", "p=1"])}
               for _ in range(r.choice([1, 2, 5, 70]))]
    return {"op": "baggage_write", "members": members}


def a_b3(r):
    text = "-".join([r.hex(r.choice([16, 32, 32, 31])), r.hex(16)] + r.choice([[], ["1"], ["0"], ["d"], ["x"], [""], ["1", r.hex(16)], ["0", "x"]]))
    return {"op": "b3", "header": r.mutated(r.choice([text, text, text, "0", "1"]))}


def a_b3_multi(r):
    return {"op": "b3_multi", "trace": r.choice([r.hex(32), r.hex(16), "0" * 32, r.odd(2)]), "span": r.choice([r.hex(16), r.hex(15), "0" * 16]),
            "sampled": r.choice(["1", "0", "true", "false", "", "d", "x"]), "flags": r.choice(["", "", "1", "0"])}


def a_targets(r):
    hosts = ["example.com", "a.example.com", "EXAMPLE.com:80", "[::1]:80", "::1", "orders.placed", "orders.>", "orders", "orders.a.b", "", ":", "[", "é.example.com"]
    patterns = ["*", ".example.com", "example.com", "Example.COM", "orders.>", "orders.placed", ".>", ">", "", "::1", "é"]
    return {"op": "targets", "patterns": [r.mutated(r.choice(patterns)) if r.maybe(0.2) else r.choice(patterns[1:]) for _ in range(r.randint(0, 4))],
            "targets": [r.mutated(r.choice(hosts)) if r.maybe(0.2) else r.choice(hosts) for _ in range(4)]}


LEVELS = ["off", "edges", "standard", "detailed", "all", 1, None]
COMPONENTS = ["http", "grpc", "sql", "messaging", "app", "logs", "metrics", "cpu"]
ROUTES = ["/a", "/a/b", "/health*", "/*", "*", "/é*", "a*b", ""]


def part(r, known, odd=0.03):
    """One of the known values, now and then one of another kind."""
    return r.choice([None, True, 7, 1.5, -1, "x", [], {}, ["x"]]) if r.maybe(odd) else known()


def rule(r):
    out = {}
    if r.maybe(0.9):
        keys = r.sample(["route", "method", "kind", "name"], r.randint(0, 3)) + (["host"] if r.maybe(0.05) else [])
        out["match"] = part(r, lambda: {k: part(r, lambda: r.choice(ROUTES + ["GET", "server"])) for k in keys}, 0.01)
    if r.maybe(0.8):
        out["th"] = part(r, lambda: th(r), 0.01)
    if r.maybe(0.2):
        out["per_second"] = part(r, lambda: r.randint(0, 100), 0.01)
    if r.maybe(0.1):
        out["name"] = "n"
    return out


def redaction(r):
    return {k: v for k, v in {
        "key": part(r, lambda: r.choice(["user.email", "card.*", "*", "", "note", "é*"]), 0.01),
        "action": part(r, lambda: r.choice(["drop", "mask", "truncate", "hash"]), 0.01), "length": part(r, lambda: r.randint(0, 20), 0.02),
    }.items() if r.maybe(0.9)}


def document(r):
    makers = {
        "version": lambda: r.choice(["7", "", "é", "v" * r.choice([256, 257])]), "ttl_seconds": lambda: r.choice([0, 1, 60, 10 ** 9, 10 ** 9 + 1, 10 ** 30]),
        "level": lambda: r.choice(LEVELS[:4]) if r.maybe(0.95) else r.choice(LEVELS),
        "components": lambda: {r.choice(COMPONENTS): r.choice(LEVELS[:4]) for _ in range(r.randint(0, 4))},
        "log_level": lambda: r.choice(["trace", "debug", "info", "warn", "error"]), "log_lines_per_second": lambda: r.randint(0, 1000),
        "sampling": lambda: {k: v for k, v in {
            "th": th(r), "per_second": r.randint(0, 99), "summary_on_error": r.maybe(), "rules": [rule(r) for _ in range(r.randint(0, 4))], "later": 1,
        }.items() if r.maybe(0.6)},
        "redact": lambda: [redaction(r) for _ in range(r.randint(0, 3))], "propagate_to": lambda: [r.choice(["*", ".example.com", "a", "orders.>"])],
        "baggage_keys": lambda: r.choice([[], ["a"], ["a*", "b"]]), "unknown": lambda: r.choice([1.5e3, None, {"a": [[]]}, "\u2028"]),
    }
    keys = r.sample(sorted(makers), r.randint(0, 6))
    text = json.dumps({k: part(r, makers[k], 0.02) for k in keys}, ensure_ascii=r.maybe(), indent=r.choice([None, None, 1]))
    if r.maybe(0.1):
        text = r.mutated(text)
    if r.maybe(0.03):
        text = text[:-1] + r.choice([',"k":"\\ud83d\\ude00"}', ',"k":"\\ud83d"}', ',"k":"\\u00e9\\n\\/"}', ',"level":"off"}', ',"a":' + "[" * r.choice([31, 32]) + "]" * 32])
    return text


def a_policy(r):
    at, steps = 0, []
    for _ in range(r.randint(1, 4)):
        at += r.choice([0, 1, 59, 60, 61])
        step = r.choice([{"apply": document(r)}, {"apply": document(r)}, {"renew": True}, {"expire": True}, {"clear": True},
                         {"level": r.choice(LEVELS[:4]), "component": r.choice(COMPONENTS[:7])}, {"log_level": "warn"}])
        steps.append({**step, "at": at})
    facts = lambda: {"route": r.choice(["/a", "/a/b", "/healthz", "", "/é1", "a*b"]), "method": r.choice(["GET", "/a"]), "kind": "server",
                     "name": r.choice(["/a", "GET", ""]), "second": r.randint(0, 2)}
    return {"op": "policy", "steps": steps, "roots": [facts() for _ in range(r.randint(0, 4))],
            "keys": ["user.email", "card.number", "note", "é1", "x"], "targets": ["a", "b.example.com", "orders.x"], "baggage": ["a", "b", "ab"]}


def a_redact(r):
    return {"op": "redact", "action": r.choice(["truncate", "truncate", "mask", "drop"]), "length": r.randint(0, 12), "text": r.odd()}


def a_status(r):
    text = lambda: r.choice([r.word(), r.odd(), "é" * r.choice([63, 64, 65]), "\x01" * 200])
    return {"op": "status", "language": r.choice(["go", "rust"]), "version": text(), "service": text(), "instance": text(), "applied": text(),
            "levels": [r.choice(LEVELS[:4]) for _ in range(7)],
            "dropped": [{"reason": r.word(), "count": r.randint(0, 10 ** 15)} for _ in range(r.choice([0, 1, 9, 200]))]}


def a_request_url(r):
    return {"op": "request_url", "base": r.choice(["http://h/api/kit/policy", "http://h/p?x=1"]), "service": r.odd()}


def a_resource(r):
    digest = r.hex(r.choice([63, 64, 64, 64, 65]))
    env = {"OTEL_RESOURCE_ATTRIBUTES": r.mutated(",".join("%s=%s" % (r.choice(["service.name", "a", "b%20c", " d ", "service.version"]),
                                                                     r.choice(["1", "%C3%A9", "a%2Cb", "", "%ff"])) for _ in range(r.choice([0, 1, 2, 3]))))}
    for name in ["OTEL_SERVICE_NAME", "KUBERNETES_SERVICE_HOST", "HOSTNAME", "POD_NAME", "K8S_POD_NAME", "POD_NAMESPACE", "NODE_NAME", "K8S_CLUSTER_NAME"]:
        if r.maybe(0.3):
            env[name] = r.choice([r.word(), r.odd(3)])
    files = {}
    if r.maybe():
        files["/proc/self/cgroup"] = r.choice(["0::/\n", "0::/docker/%s\n" % digest, "1:a:/kubepods/cri-containerd-%s.scope\n" % digest])
    if r.maybe():
        files["/proc/self/mountinfo"] = "1 /overlay2/%s/diff /\n2 /var/lib/docker/containers/%s/hostname x\n" % (r.hex(64), digest)
    if r.maybe():
        files["/var/run/secrets/kubernetes.io/serviceaccount/namespace"] = r.choice(["shop\n", "\t", ""])
    return {"op": "resource", "env": env, "files": files, "service": r.choice(["", "orders"]), "version": r.choice(["", "1.4.2"]), "instance": "i",
            "executable": r.choice(["", "orders"]), "pid": r.choice([0, 7]), "host": r.choice(["", "h"]), "language": "x", "kit_version": "0"}


def a_url(r):
    query = "&".join(r.choice(["a", "sig", "Token", "%74oken", "X-Amz-Signature", "key", "", "é"]) + r.choice(["=", "=", ""]) + r.choice(["1", "", "REDACTED", "a=b", "é"])
                     for _ in range(r.randint(0, 3)))
    text = r.choice(["http://", "https://", "//", "", "redis:", "a/b://"]) + r.choice(["", "u:p@", "u@x@", "é@"]) + r.choice(["h", "h:80", "[::1]", ""]) + \
        r.choice(["", "/", "/a//b@c", "\\x"]) + r.choice(["?", "?", "#", ""]) + query + r.choice(["", "#access_token=1&x", "#"])
    return {"op": r.choice(["url", "query"]), "text": r.mutated(text)}


SQL = ["SELECT", "select", "FROM", "from", "INSERT", "INTO", "UPDATE", "SET", "DELETE", "WITH", "AS", "JOIN", "USING", "CREATE", "TABLE", "IF", "NOT", "EXISTS", "DROP",
       "INDEX", "ON", "WHERE", "VALUES", "MERGE", "CALL", "DISTINCT", "ONLY", "FOR", "LATERAL", "TRUNCATE", "orders", "public.orders", '"Orders"', "`o`.`p`", "[a b]",
       "a.\"b\"", "t1", "#tmp", "@p1", "$1", ":name", "?", "?1", "(", ")", ",", ";", "=", "*", "-", "'a'", "'it''s'", "'a\\'b'", "'a\\\\'", "\"x\"", "E'a\\'b'", "N'x'",
       "q'[it's]'", "_utf8'x'", "$$a$$", "$t$ a $t$", "$t$", "1", "1.5e-3", "0xFF", ".5", "1e+", "--x\n", "-- x", "/* a */", "/* a /* b */", "#c\n", "'", "\"", "é", "日本", "::int",
       "a[1:2]", "x" * 200]


def a_sql(r):
    parts = r.choices(SQL, k=r.choice([1, 3, 6, 12, 25, 40]))
    text = r.choice([" ", " ", "", "\n"]).join(parts)
    if r.maybe(0.02):
        text = text + r.choice([" ", "'", "é"]) * r.choice([4096, 16384, 17000])
    return {"op": "sql", "system": r.choice(["postgresql", "mysql", "sqlite", "oracle.db", "microsoft.sql_server", "", "other"]), "text": r.mutated(text)}


DATES = ["Mon, 23 Nov 2026 00:00:10 GMT", "Monday, 23-Nov-26 00:00:10 GMT", "Mon Nov 23 00:00:10 2026", "Sun Nov  6 08:49:37 1994",
         "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Thu, 29 Feb 2024 23:59:60 GMT", "Sat, 29 Feb 2025 00:00:00 GMT"]


def a_export_answer(r):
    retry_after = r.choice([
        lambda: str(r.randint(0, 40)), lambda: str(r.randint(0, 10 ** r.randint(1, 30))), lambda: r.odd(4), lambda: r.choice(DATES),
        lambda: "Mon, %02d Nov 2026 %02d:%02d:%02d GMT" % (r.randint(22, 24), r.randint(0, 25), r.randint(0, 61), r.randint(0, 61)),
        lambda: r.mutated(r.choice(DATES)),
    ])()
    inner = bytes([8]) + bytes(r.choices(range(256), k=r.randint(1, 11))) if r.maybe(0.3) else bytes([8, r.randint(0, 127)])
    if r.maybe():
        text = r.odd(6).encode() if r.maybe(0.7) else bytes(r.choices(range(256), k=r.choice([3, 260])))
        inner += bytes([18]) + (bytes([len(text)]) if len(text) < 128 else bytes([len(text) & 127 | 128, len(text) >> 7])) + text
    body = b"" if len(inner) > 127 else bytes([10, len(inner)]) + inner
    if r.maybe(0.3):
        body = bytearray(body or b"\x0a")
        body[r.randint(0, len(body) - 1)] = r.randint(0, 255)
    status = r.choice([200, 200, 200, 202, 408, 413, 404, 429, 502, 503, 504, 500, 400, 301, r.randint(200, 599)])
    return {"op": "export_answer", "status": status, "retry_after": retry_after, "body": bytes(body).hex(), "now": 1795392000 + r.randint(-5, 5)}


def a_export_pace(r):
    bad = r.choice([0.5, 0.9, 1])
    one = lambda: {"took": r.choice([0, 1, 10, 1000, 5000, r.randint(0, 6000)]), "asked": r.choice([0, 0, 0, 1000, 29000, 31000, r.randint(0, 10 ** 7)]),
                   "answer": "retry" if r.maybe(bad) else r.choice(["delivered", "delivered", "refused", "too_large", "not_served"])}
    return {"op": "export_pace", "random": r.randint(0, 999), "timeout": r.choice([5000, 1, 20000, r.randint(1, 60000)]),
            "attempts": [one() for _ in range(r.randint(1, 30))]}


def a_export_headers(r):
    text = ",".join(r.word("abcK-_!", 6) + "=" + r.mutated(r.word("ab %20", 6)) if r.maybe(0.8) else r.odd(6) for _ in range(r.randint(0, 5)))
    return {"op": "export_headers", "text": text}


MAKERS = {name[2:]: make for name, make in sorted(globals().items()) if name.startswith("a_")}


def log_maker():
    """Cases of log lines come from the script that writes their vectors."""
    path = CONTRACT / "logs.py"
    spec = importlib.util.spec_from_file_location("logs", path)
    logs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(logs)
    return lambda r: {"op": "log", "case": logs.random_case(r)}


def seeds():
    """Cases of the vectors, without the answers."""
    out = []
    for name in ["sampling", "propagation", "policy", "resource", "sanitise"]:
        for case in json.loads((CONTRACT / (name + ".json")).read_text())["cases"]:
            out.append({k: v for k, v in case.items() if k not in ("name", "want")})
    return out


def changed(r, case):
    """A vector with one of its texts mutated."""
    case = json.loads(json.dumps(case))
    places = []

    def walk(value, depth):
        for key in (value if isinstance(value, dict) else range(len(value))):
            inner = value[key]
            if isinstance(inner, str) and key in ("header", "text", "service", "ratio", "apply") or isinstance(inner, str) and isinstance(key, int) and depth:
                places.append((value, key))
            elif isinstance(inner, (dict, list)) and key not in ("levels",):
                walk(inner, depth + 1)

    walk(case, 0)
    if places:
        holder, key = r.choice(places)
        holder[key] = r.mutated(holder[key])
    return case


def main():
    count, seed, wanted = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    r = Random(seed)
    makers = {**MAKERS, "log": log_maker()}
    names = wanted or sorted(makers)
    vectors = [] if wanted else seeds()
    for _ in range(count):
        if vectors and r.maybe(0.1):
            case = changed(r, r.choice(vectors))
        else:
            case = makers[r.choice(names)](r)
        print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    main()
