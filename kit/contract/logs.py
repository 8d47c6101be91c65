#!/usr/bin/env python3
"""Writes logs.json, the examples of section 7 (log lines), and makes random cases for the fuzzer.

This is the third opinion beside the two kits: lines and OTLP records are made here by other means (text by text, floats by
Python's own shortest digits), not by running either kit. Standard library only.

    logs.py                    writes logs.json beside this file
    logs.py random N SEED      prints N random cases, one a line: {"op":"log","case":{...}}
    logs.py answer             reads such lines and prints for each its answer: {"line":"...","record":"hex"}
"""

import base64
import datetime
import json
import math
import os
import random
import re
import struct
import sys

MESSAGE, VALUE, KEY, ATTRIBUTES, ELEMENTS, ERRORS = 8192, 4096, 256, 64, 128, 8
LEVELS = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


# Texts of a case are strings or {"join": [text or [text, times], ...]}, so that long ones stay readable.


def plain(text):
    if isinstance(text, dict):
        return "".join(p if isinstance(p, str) else p[0] * p[1] for p in text["join"])
    return text


def packed(text):
    """The shortest way to write a text in the file."""
    parts, last = [], 0
    for m in re.finditer(r"(.)\1{39,}", text, re.S):
        if m.start() > last:
            parts.append(text[last : m.start()])
        parts.append([m.group(1), len(m.group(0))])
        last = m.end()
    if not parts:
        return text
    if last < len(text):
        parts.append(text[last:])
    return {"join": parts}


def quote(text):
    return '"' + "".join(SHORT.get(c) or ("\\u%04x" % ord(c) if c < " " else c) for c in text) + '"'


def clip(text, limit):
    return text.encode()[: max(limit, 0)].decode("utf-8", "ignore")


def cut(text, limit):
    """The text within its limit, and how much that counts as truncated."""
    if len(text.encode()) <= limit:
        return text, 0
    return clip(text, limit - 3) + "…", 1


def number(f):
    """ECMAScript's Number::toString over the shortest digits that read back as f."""
    if math.isnan(f):
        return '"NaN"'
    if math.isinf(f):
        return '"Infinity"' if f > 0 else '"-Infinity"'
    if f == 0:
        return "0"
    sign = "-" if f < 0 else ""
    mantissa, exponent = ("%r" % float(abs(f))), 0
    if "e" in mantissa:
        mantissa, e = mantissa.split("e")
        exponent = int(e)
    whole, _, part = mantissa.partition(".")
    digits = whole + part
    n = len(whole) + exponent
    stripped = digits.lstrip("0")
    n -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    k = len(digits)
    if k <= n <= 21:
        return sign + digits + "0" * (n - k)
    if 0 < n <= 21:
        return sign + digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return sign + "0." + "0" * -n + digits
    e = "e%+d" % (n - 1)
    return sign + digits[0] + ("." + digits[1:] if k > 1 else "") + e


def instant(ns):
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ" % (t.year, t.month, t.day, t.hour, t.minute, t.second, ns % 10**9)


def bits(h):
    return struct.unpack(">d", bytes.fromhex(h))[0]


class Text(str):
    pass


def scalar(v):
    """A value of a case as (JSON text, AnyValue bytes or None for null); texts as Text, which limits and rules look at."""
    if v is None:
        return None
    if isinstance(v, str) or isinstance(v, dict) and "join" in v:
        return Text(plain(v))
    if isinstance(v, bool):
        return v
    (kind, x), = v.items()
    if kind in ("int", "uint"):
        return int(x)
    if kind == "float":
        return float(x)
    if kind == "bits":
        return bits(x)
    if kind == "duration":
        return float(int(x)) / 1e9
    if kind == "instant":
        return ("instant", int(x))
    if kind == "bytes":
        return Text(base64.b64encode(bytes.fromhex(x)).decode())
    raise ValueError("unknown kind " + kind)


def shown(v):
    if v is None:
        return "null"
    if isinstance(v, Text):
        return quote(v)
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, float):
        return number(v)
    if isinstance(v, tuple):
        return quote(instant(v[1]))
    return "[" + ",".join(shown(e) for e in v) + "]"


def rule_for(key, rules):
    for r in rules:
        k = r["key"]
        if key == k or k.endswith("*") and key.startswith(k[:-1]):
            return r
    return None


def ruled(v, rule):
    if rule is None:
        return v
    if rule["action"] == "mask" or not isinstance(v, Text):
        return Text("***")
    return Text(clip(v, rule["length"]))


def limited(v):
    return (lambda t: (Text(t[0]), t[1]))(cut(v, VALUE)) if isinstance(v, Text) else (v, 0)


class Event:
    """A case under the limits and redactions."""

    def __init__(self, event, rules):
        self.attributes = {}  # key → (value, loss); keys in the order of their first setting
        self.errors, self.error_loss, self.left_out = [], 0, 0
        self.rules = rules
        self.walk("", event.get("attributes", []))

    def walk(self, prefix, attributes):
        for key, v in attributes:
            key = plain(key)
            if isinstance(v, dict) and "group" in v:
                self.walk(prefix + key + "." if key else prefix, v["group"])
            elif prefix == "" and key in ("error", "err") and (isinstance(v, str) or isinstance(v, dict) and ("error" in v or "join" in v)):
                self.error(key, v["error"] if isinstance(v, dict) and "error" in v else {"text": v})
            else:
                if isinstance(v, dict) and "error" in v:
                    v = v["error"]["text"]
                self.set(prefix + key, v)

    def set(self, key, v):
        rule = rule_for(key, self.rules)
        if rule and rule["action"] == "drop":
            return
        key, key_loss = cut(key, KEY)
        key = (key, key_loss)
        if key not in self.attributes and len(self.attributes) == ATTRIBUTES:
            self.left_out += 1
            return
        if isinstance(v, list):
            if rule and rule["action"] == "mask":
                value, loss = Text("***"), 0
            else:
                loss = int(len(v) > ELEMENTS)
                value = []
                for e in v[:ELEMENTS]:
                    e, lost = limited(ruled(scalar(e), rule))
                    value.append(e)
                    loss += lost
        else:
            value, loss = limited(ruled(scalar(v), rule))
        self.attributes[key] = (value, loss + key_loss)

    def error(self, key, tree):
        self.errors, self.error_loss = [], 0
        rule = rule_for(key, self.rules)
        if rule and rule["action"] == "drop":
            return
        messages = []

        def down(e):
            messages.append(Text(plain(e["text"])))
            for c in e.get("causes", []):
                down(c)

        down(tree)
        for m in messages[:ERRORS]:
            m, loss = limited(ruled(m, rule))
            self.errors.append(m)
            self.error_loss += loss
        self.error_loss += int(len(messages) > ERRORS)

    def truncated(self):
        return self.left_out + self.error_loss + sum(loss for _, loss in self.attributes.values())


def line(case):
    e = case["event"]
    x = Event(e, case.get("redact", []))
    members, truncated = ['"schema":"clew/1"'], x.truncated()

    def text(name, limit):
        nonlocal truncated
        if plain(e.get(name, "")):
            t, loss = cut(plain(e[name]), limit)
            truncated += loss
            members.append(quote(name) + ":" + quote(t))

    if "time" in e:
        members.append('"time":' + quote(instant(int(e["time"]))))
    members.append('"level":' + quote(e["level"]))
    text("message", MESSAGE)
    if e.get("trace_id", "0" * 32) != "0" * 32:
        members.append('"trace_id":' + quote(e["trace_id"]))
        if e.get("span_id", "0" * 16) != "0" * 16:
            members.append('"span_id":' + quote(e["span_id"]))
        members.append('"sampled":' + ("true" if e.get("flags", 0) & 1 else "false"))
    text("service", KEY)
    if int(e.get("task", "0")):
        members.append('"task":' + quote(str(int(e["task"]))))
    text("thread", KEY)
    text("code", KEY)
    if x.errors:
        members.append('"error":[' + ",".join(quote(m) for m in x.errors) + "]")
    if int(e.get("more", "0")):
        members.append('"more":' + str(int(e["more"])))
    if truncated:
        members.append('"truncated":' + str(truncated))
    if x.attributes:
        pairs = [quote(k[0]) + ":" + shown(v) for k, (v, _) in x.attributes.items()]
        members.append('"attributes":{' + ",".join(pairs) + "}")
    return "{" + ",".join(members) + "}\n"


# The record, as the wire has it.


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number_, data):
    if isinstance(data, str):
        data = data.encode()
    return varint(number_ << 3 | 2) + varint(len(data)) + data


def number_field(number_, n):
    return varint(number_ << 3) + varint(n & (2**64 - 1))


def fixed64(number_, n):
    return varint(number_ << 3 | 1) + struct.pack("<Q", n & (2**64 - 1))


def any_value(v):
    if v is None:
        return b""
    if isinstance(v, Text):
        return field(1, v)
    if isinstance(v, bool):
        return number_field(2, int(v))
    if isinstance(v, int):
        return number_field(3, v) if v < 2**63 else field(1, str(v))
    if isinstance(v, float):
        return varint(4 << 3 | 1) + (bytes.fromhex("000000000000f87f") if math.isnan(v) else struct.pack("<d", v))
    if isinstance(v, tuple):
        return field(1, instant(v[1]))
    return field(5, b"".join(field(1, any_value(e)) for e in v))


def record(case):
    e = case["event"]
    x = Event(e, case.get("redact", []))
    out = b""
    if "time" in e:
        out += fixed64(1, int(e["time"]))
    out += number_field(2, LEVELS[e["level"]]) + field(3, e["level"])
    if plain(e.get("message", "")):
        out += field(5, any_value(Text(cut(plain(e["message"]), MESSAGE)[0])))

    def attribute(key, v):
        return field(6, field(1, key) + field(2, any_value(v)))

    for k, (v, _) in x.attributes.items():
        out += attribute(k[0], v)
    if x.errors:
        out += attribute("exception.message", x.errors[0])
    if len(x.errors) > 1:
        out += attribute("clew.error.chain", x.errors)
    file, colon, row = e.get("code", "").partition(":")
    if colon:
        out += attribute("code.file.path", Text(file)) + attribute("code.line.number", int(row))
    if plain(e.get("thread", "")):
        out += attribute("thread.name", Text(cut(plain(e["thread"]), KEY)[0]))
    if int(e.get("task", "0")):
        out += attribute("clew.task.id", int(e["task"]))
    if int(e.get("more", "0")):
        out += attribute("clew.log.more", int(e["more"]))
    if x.left_out:
        out += number_field(7, x.left_out)
    if e.get("trace_id", "0" * 32) != "0" * 32:
        out += varint(8 << 3 | 5) + struct.pack("<I", e.get("flags", 0))
        out += field(9, bytes.fromhex(e["trace_id"]))
        if e.get("span_id", "0" * 16) != "0" * 16:
            out += field(10, bytes.fromhex(e["span_id"]))
    out += fixed64(11, int(e.get("observed", "0")))
    if e.get("name"):
        out += field(12, clip(e["name"], KEY))
    return field(2, out).hex()


# Rates: events of one or more call sites, and the lines that come out, each as [time, level, message, more].


def rate(case):
    sites, out = {}, []

    def flush(site):
        if site["rest"]:
            out.append([str((site["second"] + 1) * 10**9), site["level"], site["message"], site["rest"]])
        site["rest"] = 0

    for step in case["steps"]:
        if "tick" in step or "stop" in step:
            for site in sites.values():
                if "stop" in step or int(step["tick"]) // 10**9 > site["second"]:
                    flush(site)
            continue
        for i in range(step.get("times", 1)):
            ns = int(step["time"]) + i * int(step.get("apart", "0"))
            second = ns // 10**9
            site = sites.setdefault(step["site"], {"second": None, "rest": 0})
            if site["second"] is None or second > site["second"] or second < site["second"] - 60:
                flush(site)
                site["second"], site["written"] = second, 0
            limit = case["per_second"]
            if step["level"] == "ERROR":
                limit = max(limit, 100)
            if site["written"] < limit:
                site["written"] += 1
                out.append([str(ns), step["level"], step["message"], 0])
            else:
                site["rest"] += 1
                site["level"], site["message"] = step["level"], step["message"]
    return out


T0 = 1_795_428_000_123_456_789  # 2026-11-23T10:00:00.123456789Z
IDS = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}

FLOATS = """0 -0 1 -1 0.1 0.2 0.3 1.5 -2.25 100 123456789 1e20 1e21 123456789012345680000 1234567890123456800000 999999999999999900000
1e22 1e23 1e-5 1e-6 0.000001 0.0000012 9.999999e-7 1e-7 1.5e-7 -1e-7 5e-324 -5e-324 2.2250738585072014e-308 2.225073858507201e-308
1.7976931348623157e308 -1.7976931348623157e308 9007199254740991 9007199254740992 9007199254740993 9007199254740994 4.35 4.349999999999999
333333333.33333329 1e100 1e-100 1.2e10 4.50 2e-3 0.000000000000000000000000001 3.141592653589793 2.718281828459045 1e15 1e16 1e17
123456.789 0.5 0.25 0.125 65504 6.103515625e-05 3.4028234663852886e38 1.1754943508222875e-38 295147905179352830000 9.5367431640625e-7
4503599627370497.5 0.30000000000000004 1.0000000000000002 0.9999999999999999 7e-10 8.41e21 2.0919495182368195e19 2.6153245263757307e19
1.9430376160308388e16 6.9417714170149e-1 3.6677183157e13 5e-5 1.0e-6 nan inf -inf""".split()
# The samples of RFC 8785, appendix B, as bits, and neighbours of powers of ten and two.
BITS = """0000000000000000 8000000000000000 0000000000000001 8000000000000001 7fefffffffffffff ffefffffffffffff 4340000000000000
c340000000000000 4430000000000000 44b52d02c7e14af5 44b52d02c7e14af6 44b52d02c7e14af7 444b1ae4d6e2ef4e 444b1ae4d6e2ef4f 444b1ae4d6e2ef50
3eb0c6f7a0b5ed8c 3eb0c6f7a0b5ed8d 41b3de4355555553 41b3de4355555554 41b3de4355555555 41b3de4355555556 41b3de4355555557 becbf647612f3696
43143ff3c1cb0959 7fffffffffffffff 7ff0000000000000 fff0000000000000 7ff8000000000000 000fffffffffffff 0010000000000000
3ff0000000000001 3fefffffffffffff 4024000000000000 4415af1d78b58c40 4415af1d78b58c3f""".split()


def cases():
    def c(title, redact=None, **event):
        event = {"time": str(T0), "level": "INFO", "message": "placed", **event}
        event = {k: v for k, v in event.items() if v is not None}
        case = {"name": title, "event": event}
        if redact:
            case["redact"] = redact
        return case

    def a(title, *attributes, **more):
        return c(title, attributes=list(attributes), **more)

    yield c("the least", time=None, message=None)
    yield c("everything, in the order of keys", **IDS, flags=3, service="orders", task="42", thread="main", code="shop/place.go:41", more="7",
            attributes=[["items", {"int": "3"}], ["error", {"error": {"text": "place: full", "causes": [{"text": "full"}]}}]])
    for level in LEVELS:
        yield c("level " + level, level=level)
    for name, ns in [("the epoch", 0), ("a nanosecond before the epoch", -1), ("the first that int64 can say", -(2**63)), ("the last", 2**63 - 1),
                     ("a leap day", 1_709_164_800_000_000_000), ("the last nanosecond of a leap year", 1_735_689_599_999_999_999),
                     ("the end of February 2100, no leap year", 4_107_542_399_000_000_001), ("the leap day of 2000", 951_782_400_000_000_100),
                     ("before 1900, no leap year", -2_203_891_200_000_000_000), ("whole second", 1_700_000_000_000_000_000)]:
        yield c("time: " + name, time=str(ns))
    yield c("ids of an unsampled span", **IDS, flags=0)
    yield c("the random flag alone is not sampled", **IDS, flags=2)
    yield c("a trace without a span", trace_id=IDS["trace_id"], flags=1)
    yield c("a span without a trace is none", span_id=IDS["span_id"], flags=1)
    yield c("ids of zero are none", trace_id="0" * 32, span_id="0" * 16, flags=1)
    yield c("an empty message is absent", message="")
    yield c("more than a line", level="WARN", more="9223372036854775807")
    yield c("task 0 is none", task="0")
    yield c("event name goes to the record only", name="order.placed")
    yield c("observed later", observed=str(T0 + 5))
    for n in range(32):
        yield a("control %02x" % n, ["c", "a%cz" % n])
    yield c("escapes in the message, the service, the thread, the code", message='a"b\\c\nd\te\u0000f', service='s"\\', thread="t\u001f", code='p"/f.go:1')
    yield a("escapes in a key", ['k"\\\n\u0001', True])
    yield a("delete, line separators and the last characters stay", ["t", "\u007f\u2028\u2029\ue000\uffff\U0010ffff\U0001f600é"])
    yield a("slash stays", ["t", "a/b</script>&'"])
    for f in FLOATS:
        yield a("float " + f, ["f", {"float": f}])
    for b in BITS:
        yield a("float of bits " + b, ["f", {"bits": b}])
    for n in ["0", "-1", "9007199254740993", "-9223372036854775808", "9223372036854775807"]:
        yield a("integer " + n, ["n", {"int": n}])
    for n in ["0", "9223372036854775808", "18446744073709551615"]:
        yield a("unsigned " + n, ["n", {"uint": n}])
    for n in ["0", "1", "1500000000", "-1", "-2500000000", "86400000000000", "9223372036854775807", "-9223372036854775808", "9007199254740993", "1000000001", "100"]:
        yield a("duration of %s ns" % n, ["d", {"duration": n}])
    yield a("instants", ["t", {"instant": str(T0)}], ["u", {"instant": "-1"}])
    yield a("booleans, null, empty text, empty key", ["a", True], ["b", False], ["c", None], ["d", ""], ["", "x"])
    for h in ["", "00", "ffff", "010203", "fbffbf00"]:
        yield a("bytes " + (h or "none"), ["b", {"bytes": h}])
    yield a("arrays", ["t", ["a", "b"]], ["n", [{"int": "1"}, {"int": "-2"}]], ["f", [{"float": "0.5"}, {"float": "nan"}, {"float": "-inf"}]], ["b", [True, False]],
            ["m", ["x", None, {"uint": "18446744073709551615"}, {"instant": "0"}, {"duration": "250000000"}]], ["e", []])
    yield a("groups are flat", ["g", {"group": [["a", {"int": "1"}], ["h", {"group": [["b", "x"], ["c", True]]}]]}], ["z", None])
    yield a("a group without a name is its members", ["", {"group": [["a", {"int": "1"}]]}])
    yield a("an empty group is nothing", ["g", {"group": []}])
    yield a("set again: the place of the first, the value of the last", ["a", {"int": "1"}], ["b", "x"], ["a", "y"])
    yield a("set again across a group and a dotted key", ["g", {"group": [["a", {"int": "1"}]]}], ["g.a", {"int": "2"}])
    yield a("set again as an array and as null", ["a", ["x"]], ["a", ["y", "z"]], ["b", "x"], ["b", None])
    yield a("set again: what was cut of the first is not counted", ["a", {"join": [["x", 5000]]}], ["a", "short"])
    # Errors.
    chain = {"text": "1"}
    for n in range(2, 9):
        chain = {"text": str(n), "causes": [chain]}
    yield a("a chain of eight errors", ["error", {"error": chain}])
    yield a("a chain of nine errors", ["error", {"error": {"text": "9", "causes": [chain]}}])
    yield a("a chain of ten errors counts once", ["error", {"error": {"text": "10", "causes": [{"text": "9", "causes": [chain]}]}}])
    yield a("a tree of errors, depth first", ["error", {"error": {"text": "a", "causes": [{"text": "b", "causes": [{"text": "c"}]}, {"text": "d", "causes": [{"text": "e"}, {"text": "f"}]}]}}])
    yield a("a tree over eight", ["error", {"error": {"text": "a", "causes": [{"text": str(n), "causes": [{"text": "x"}]} for n in range(5)]}}])
    yield a("err is an error too", ["err", {"error": {"text": "a"}}])
    yield a("a text as error", ["error", "timeout"])
    yield a("an empty text as error", ["error", ""])
    yield a("the last error counts", ["error", "a"], ["err", {"error": {"text": "b"}}])
    yield a("a number as error is an attribute", ["error", {"int": "5"}], ["err", True])
    yield a("an error in a group, and under another key, is its text", ["g", {"group": [["error", {"error": {"text": "a", "causes": [{"text": "b"}]}}], ["err", "c"]]}], ["cause", {"error": {"text": "d"}}])
    for n, name in [(4096, "at"), (4097, "over")]:
        yield a("an error %s the limit" % name, ["error", {"error": {"text": {"join": [["e", n]]}, "causes": [{"text": "x"}]}}])
    # Limits on both sides.
    for limit, key in [(MESSAGE, "message"), (KEY, "service"), (KEY, "thread")]:
        for n in (limit, limit + 1):
            yield c("%s of %d bytes" % (key, n), **{key: {"join": [["m", n]]}})
    for what, n, u in [("two", 4096, "é"), ("three", 4098, "…"), ("four", 4100, "😀")]:
        for lead in range(4):
            yield a("value of %s-byte characters, cut after %d more" % (what, lead), ["v", {"join": [["a", lead + 1], [u, n // len(u.encode())]]}])
    yield a("value of 4,096 bytes", ["v", {"join": [["v", 4096]]}])
    yield a("value of 4,097 bytes", ["v", {"join": [["v", 4097]]}])
    yield a("escapes do not count", ["v", {"join": [["\n", 4096]]}])
    yield a("key of 256 bytes", [{"join": [["k", 256]]}, True])
    yield a("key of 257 bytes", [{"join": [["k", 257]]}, True])
    yield a("keys that are cut to the same are one", [{"join": [["k", 300], "a"]}, {"int": "1"}], [{"join": [["k", 300], "b"]}, {"int": "2"}])
    yield a("a cut key is not one that ends with the mark", [{"join": [["k", 300]]}, {"int": "1"}], [{"join": [["k", 253], "…"]}, {"int": "2"}])
    yield a("a group's key over the limit", [{"join": [["g", 200]]}, {"group": [[{"join": [["k", 55]]}, True], [{"join": [["l", 56]]}, True]]}])
    many = [["k%d" % i, {"int": str(i)}] for i in range(70)]
    yield c("64 attributes", attributes=many[:64])
    yield c("65 attributes", attributes=many[:65])
    yield c("70 attributes and one set again", attributes=many + [["k3", "again"], ["k69", "again"]])
    yield a("128 elements", ["a", [{"int": "1"}] * 128])
    yield a("129 elements", ["a", [{"int": "1"}] * 129])
    yield a("300 elements count once", ["a", [True] * 300], ["b", "x"])
    yield a("elements over the limit, cut each", ["a", [{"join": [["x", 4097]]}, "y", {"join": [["z", 5000]]}]])
    yield a("bytes of 3,072 and 3,073", ["a", {"bytes": "00" * 3072}], ["b", {"bytes": "00" * 3073}])
    yield a("everything is cut", [{"join": [["k", 300]]}, {"join": [["v", 5000]]}], message={"join": [["m", 9000]]}, service={"join": [["s", 300]]})
    # Redaction.
    rules = [{"key": "user.email", "action": "drop"}, {"key": "card.*", "action": "mask"}, {"key": "note", "action": "truncate", "length": 4}]
    yield a("redaction of texts", ["user.email", "a@b.c"], ["card.number", "4111111111111111"], ["note", "abcdefgh"], ["other", "x"], redact=rules)
    yield a("redaction of a group's keys", ["user", {"group": [["email", "a@b.c"], ["id", {"int": "1"}]]}], ["card", {"group": [["number", {"int": "4111"}], ["x", {"group": [["y", None]]}]]}], redact=rules)
    yield a("truncate masks what is no text", ["note", {"int": "4111111111111111"}], redact=rules)
    yield a("truncate and null, booleans, floats, instants", ["n.a", None], ["n.b", True], ["n.c", {"float": "1.5"}], ["n.d", {"instant": "0"}], redact=[{"key": "n.*", "action": "truncate", "length": 2}])
    yield a("truncate on a character's border", ["note", "abcé"], ["note2", "ab😀"], redact=[{"key": "note*", "action": "truncate", "length": 4}])
    yield a("truncate to nothing", ["note", "abc"], redact=[{"key": "note", "action": "truncate", "length": 0}])
    yield a("truncate of the elements of an array", ["note", ["abcdef", {"int": "12"}, "ab"]], redact=rules)
    yield a("mask of an array", ["card.all", ["a", "b"]], redact=rules)
    yield a("the first rule counts", ["a.b", "xyz"], redact=[{"key": "a.*", "action": "truncate", "length": 1}, {"key": "a.b", "action": "drop"}])
    yield a("dropped attributes are not counted", *[["user.email", "x"]] * 70, redact=rules)
    yield a("redaction of errors", ["error", {"error": {"text": "card 4111", "causes": [{"text": "4111"}]}}], redact=[{"key": "error", "action": "mask"}])
    yield a("dropped errors", ["err", "a"], ["b", "x"], redact=[{"key": "err", "action": "drop"}])
    yield a("truncated errors", ["error", {"error": {"text": "abcdef", "causes": [{"text": "ab"}]}}], redact=[{"key": "e*", "action": "truncate", "length": 3}])
    yield a("a rule sees the whole key", [{"join": [["k", 300]]}, "secret"], redact=[{"key": "k" * 256, "action": "truncate", "length": 1}, {"key": "k" * 255 + "*", "action": "mask"}])
    yield a("truncate above the value's limit", ["v", {"join": [["v", 6000]]}], redact=[{"key": "v", "action": "truncate", "length": 5000}])
    yield a("redaction leaves the message", ["message", "x"], redact=[{"key": "message", "action": "drop"}])


def rates():
    s, second = T0 - T0 % 10**9, 10**9

    def step(time, times=1, site="a", level="INFO", message="m", apart=1000):
        return {"site": site, "time": str(time), "times": times, "apart": str(apart), "level": level, "message": message}

    def r(name, per_second, *steps):
        return {"name": name, "per_second": per_second, "steps": list(steps)}

    yield r("as many as there may be", 3, step(s, 3), {"stop": True})
    yield r("one more, told when the worker stops", 3, step(s, 4), {"stop": True})
    yield r("told by the first line of a later window", 2, step(s, 5, message="first"), step(s + second, 1, message="second"))
    yield r("told by a tick after the window", 2, step(s, 5), {"tick": str(s + second - 1)}, {"tick": str(s + second)}, {"tick": str(s + 2 * second)})
    yield r("message and level of the last", 1, step(s, 2, message="a"), step(s + 9, 1, message="b", level="WARN"), {"stop": True})
    yield r("the window is a whole second", 2, step(s + second - 1, 2, apart=1), step(s + second + 1, 3))
    yield r("many windows later", 1, step(s, 3), step(s + 100 * second, 1), {"stop": True})
    yield r("every window anew", 2, step(s, 12, apart=250_000_000), {"stop": True})
    yield r("errors have at least a hundred", 2, step(s, 3), step(s, 150, level="ERROR", message="e"), {"stop": True})
    yield r("errors have more when all have", 120, step(s, 130, level="ERROR"), {"stop": True})
    yield r("zero lines but errors", 0, step(s, 2), step(s, 1, level="ERROR", message="e"), {"stop": True})
    yield r("sites do not share", 1, step(s, 2, site="a", message="a"), step(s, 2, site="b", message="b"), step(s + second, 1, site="b", message="c"), step(s + second, 1, site="a", message="d"))
    yield r("a line that comes late counts in the window", 1, step(s + second, 1), step(s, 2), step(s + 2 * second, 1))
    yield r("60 s late still does", 1, step(s + 60 * second, 1), step(s, 2), {"stop": True})
    yield r("61 s late: the clock was set back", 1, step(s + 61 * second, 2), step(s, 2), {"stop": True})
    yield r("before 1970", 1, step(-5 * second - 1, 2), step(-5 * second, 1), {"stop": True})


def main():
    if sys.argv[1:2] == ["random"]:
        rng = random.Random(int(sys.argv[3]))
        for _ in range(int(sys.argv[2])):
            print(json.dumps({"op": "log", "case": random_case(rng)}))
        return
    if sys.argv[1:2] == ["answer"]:
        for text in sys.stdin:
            case = json.loads(text)["case"]
            print(json.dumps({"line": line(case), "record": record(case)}, ensure_ascii=False))
        return
    lines = []
    for case in cases():
        made = line(case)
        json.loads(made)
        case["line"] = packed(made)
        if len(made) < 600:
            case["record"] = record(case)
        lines.append(case)
    names = [c["name"] for c in lines]
    assert len(set(names)) == len(names), "two cases have one name"
    out = ["{", '  "lines": [']
    out.append(",\n".join("    " + json.dumps(c, ensure_ascii=True) for c in lines))
    out.append('  ],\n  "rates": [')
    all_rates = [dict(c, written=rate(c)) for c in rates()]
    out.append(",\n".join("    " + json.dumps(c) for c in all_rates))
    out.append("  ]\n}")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "logs.json"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(len(lines), "lines,", len(all_rates), "rates")


# Random cases lean to the borders: texts around the limits, characters of every length, keys that meet again.

PIECES = ["a", "Z", " ", '"', "\\", "\n", "\u0000", "\u001f", "\u007f", "é", "…", "\u2028", "😀", "\uffff", "/"]


def random_text(rng, limit):
    near = rng.random()
    if near < 0.06:
        unit = rng.choice(PIECES)
        return {"join": [["x", rng.randrange(4)], [unit, (limit + rng.randrange(-4, 5)) // len(unit.encode())], rng.choice(PIECES)]}
    return "".join(rng.choice(PIECES) if rng.random() < 0.5 else rng.choice("abcdefgh") for _ in range(rng.randrange(12)))


def random_scalar(rng):
    kind = rng.randrange(11)
    if kind < 3:
        return random_text(rng, VALUE)
    if kind == 3:
        return rng.choice([True, False, None])
    if kind == 4:
        return {"int": str(rng.choice([0, -1, 2**63 - 1, -(2**63), rng.randrange(-(2**63), 2**63), rng.randrange(-1000, 1000)]))}
    if kind == 5:
        return {"uint": str(rng.choice([2**64 - 1, 2**63, rng.randrange(2**64)]))}
    if kind in (6, 7):
        return {"bits": "%016x" % rng.getrandbits(64)}
    if kind == 8:
        return {"float": repr(rng.choice([rng.uniform(-1e3, 1e3), rng.randrange(10**6) / 100, 10.0 ** rng.randrange(-30, 30), float(rng.randrange(2**60))]))}
    if kind == 9:
        return rng.choice([{"duration": str(rng.randrange(-(2**63), 2**63))}, {"duration": str(rng.randrange(10**12))}])
    return rng.choice([{"instant": str(rng.randrange(-(2**63), 2**63))}, {"bytes": rng.randbytes(rng.randrange(20)).hex()}])


def random_error(rng, depth=0):
    e = {"text": random_text(rng, VALUE)}
    if depth < 10 and rng.random() < 0.6:
        e["causes"] = [random_error(rng, depth + 1) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return e


def random_attributes(rng, depth):
    out = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 70]) if depth == 0 else rng.randrange(4)):
        key = rng.choice(["a", "b", "g.a", "error", "err", "card.number", "note", "", random_text(rng, KEY)])
        roll = rng.random()
        if roll < 0.12 and depth < 5:
            v = {"group": random_attributes(rng, depth + 1)}
        elif roll < 0.22:
            v = [random_scalar(rng) for _ in range(rng.choice([0, 1, 2, 3, 128, 129] if rng.random() < 0.1 else [0, 1, 2, 3]))]
        elif roll < 0.3:
            v = {"error": random_error(rng)}
        else:
            v = random_scalar(rng)
        out.append([key, v])
    return out


def random_case(rng):
    e = {"level": rng.choice(list(LEVELS)), "attributes": random_attributes(rng, 0)}
    if rng.random() < 0.9:
        e["time"] = str(rng.choice([rng.randrange(-(2**63), 2**63), T0 + rng.randrange(10**15)]))
    if rng.random() < 0.9:
        e["message"] = random_text(rng, MESSAGE)
    if rng.random() < 0.6:
        e["trace_id"] = "%032x" % rng.getrandbits(128)
        e["span_id"] = "%016x" % rng.choice([0, rng.getrandbits(64)])
        e["flags"] = rng.randrange(4)
    if rng.random() < 0.5:
        e["service"] = plain(random_text(rng, KEY))
        e["task"] = str(rng.choice([0, 1, rng.getrandbits(63)]))
        e["code"] = "shop/place.go:%d" % rng.randrange(10**5)
        e["thread"] = "t%d" % rng.randrange(9)
    if rng.random() < 0.1:
        e["more"] = str(rng.getrandbits(rng.randrange(63)))
        e["name"] = "n"
        e["observed"] = str(rng.getrandbits(62))
    case = {"event": e}
    if rng.random() < 0.4:
        case["redact"] = [
            {"key": rng.choice(["a", "b", "card.*", "note", "g.*", "err", "e*", "*"]), **rng.choice([{"action": "drop"}, {"action": "mask"}, {"action": "truncate", "length": rng.randrange(6)}])}
            for _ in range(rng.randrange(1, 4))
        ]
    return case


if __name__ == "__main__":
    main()
