"""The third opinion on sampling: thresholds and decisions by exact fractions.

It shares no code and no arithmetic with the kits: they shift 64-bit integers, this
divides fractions. `oracle.py check CASES ANSWERS` compares what a kit answered with
it, line by line, and log lines with kit/contract/logs.py. The vectors of
sampling.json are written by vectors.py from here.

`oracle.py roots`, `oracle.py next` and `oracle.py kept` are the
steps of `fuzz.sh chain`: N roots at 1/10, the same traces at a stage behind it at
1/2, and the judgement that nothing was lost between them.
"""

import json
import pathlib
import random
import re
import sys
from fractions import Fraction

WHOLE = 1 << 56  # a threshold of this is never reached
HALF = Fraction(1, 2)


def parse_ratio(text):
    """The ratio of a text, or None when it is none that a kit takes."""
    digits = lambda s, most: bool(re.fullmatch(r"[0-9]{1,%d}" % most, s))
    if "/" in text:
        above, below = text.split("/", 1)
        if not digits(above, 18) or not digits(below, 18) or int(below) == 0:
            return None
        ratio = Fraction(int(above), int(below))
    else:
        percent = text.endswith("%")
        number, most = (text[:-1], 16) if percent else (text, 18)
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) or len(number.replace(".", "")) > most:
            return None
        ratio = Fraction(number) / (100 if percent else 1)
    if ratio > 1 or 0 < ratio < Fraction(1, WHOLE):
        return None
    return ratio


def round_half_up(value):
    return (value + HALF).__floor__()


def threshold(ratio, precision=4):
    """The integer T of a ratio: kits.md's rule, word for word."""
    if ratio == 0:
        return WHOLE
    t = WHOLE - round_half_up(ratio * WHOLE)
    exponent = 0
    while ratio >= Fraction(2) ** exponent:
        exponent += 1
    while ratio < Fraction(2) ** (exponent - 1):
        exponent -= 1
    digits = min(14, precision + (-exponent) // 4)
    step = 16 ** (14 - digits)
    return round_half_up(Fraction(t, step)) * step


def th(t):
    """T as text."""
    if t >= WHOLE:
        return "never"
    return ("%014x" % t).rstrip("0") or "0"


def parse_th(text):
    if text == "never":
        return WHOLE
    if re.fullmatch(r"[0-9a-f]{1,14}", text):
        return int(text.ljust(14, "0"), 16)
    return None


MEMBER = re.compile(r"([a-z0-9][a-z0-9_\-*/@]{0,255})=([ -+\--<>-~]{1,256})")


def tracestate(lines):
    """The members of a tracestate; none when one of them is malformed."""
    text = ",".join(lines)
    if len(text) > 32768:
        return []
    members = [m for m in (part.strip(" \t") for part in text.split(",")) if m]
    found = [MEMBER.fullmatch(m) for m in members]
    if len(members) > 32 or not all(found) or len({m[1] for m in found}) < len(members):
        return []
    return members


SUB = re.compile(r"([a-z][a-z0-9]*):([A-Za-z0-9._\-]*)")


def sub_keys(members):
    """The sub-keys of ot in order; none when the value is malformed."""
    for m in members:
        if m.startswith("ot="):
            parts = [SUB.fullmatch(p) for p in m[3:].split(";")]
            if len(m) - 3 > 256 or not all(parts) or len({p[1] for p in parts}) < len(parts):
                return []
            return [(p[1], p[2]) for p in parts]
    return []


def randomness(trace, keys):
    for key, value in keys:
        if key == "rv" and re.fullmatch(r"[0-9a-f]{14}", value):
            return int(value, 16)
    return int(trace[-14:], 16)


def stated_threshold(keys):
    for key, value in keys:
        if key == "th" and value != "never":
            return parse_th(value)
    return None


def erase(members, keys):
    """The members with th out of ot, which then goes first."""
    rest = [m for m in members if not m.startswith("ot=")]
    kept = ";".join("%s:%s" % kv for kv in keys if kv[0] != "th")
    return (["ot=" + kept] if kept else []) + rest


def decide(case):
    members = tracestate(case.get("state", []))
    keys = sub_keys(members)
    flags, level, how = case.get("flags", 0), case.get("level", 2), case["how"]
    is_random = bool(flags & 2)
    if how == "forced":
        sampled = True
        if stated_threshold(keys) is not None:
            members = erase(members, keys)
    elif how == "child":
        sampled, t = bool(flags & 1), stated_threshold(keys)
        if t is not None and (randomness(case["trace"], keys) >= t) != sampled:
            members = erase(members, keys)
    else:
        t = parse_th(case["th"])
        r = randomness(case["trace"], keys if how == "linked" else [])
        sampled, is_random = r >= t, how != "deferred"
        parts = ["th:" + th(t)] if sampled else []
        if how == "linked":
            parts.append("rv:%014x" % r)
        members = ["ot=" + ";".join(parts)] if parts else []
    wire = (1 if sampled else 0) | (2 if is_random and level != 1 else 0)
    return {"sampled": sampled, "flags": wire, "state": ",".join(members)}


def limiter(case):
    base, limit, out = parse_th(case["th"]), case.get("per_second", 0), []
    window, seen, t = None, 0, base
    for entry in case["seconds"]:
        second, roots = entry.get("second", 0), entry["roots"]
        if window is None or second > window or second < window - 10:
            before = seen if window is not None and second == window + 1 else 0
            share = Fraction(limit, max(before, limit)) if limit else Fraction(0)
            t, window, seen = max(base, threshold(share)), second, 0
        seen += roots
        out.append(th(t))
    return {"th": out}


def ratio(case):
    r = parse_ratio(case["ratio"])
    if r is None:
        return {"error": True}
    return {"th": th(threshold(r, case.get("precision", 4)))}


def log(case):
    line, record = log.script
    return {"line": line(case["case"]), "record": record(case["case"])}


OPERATIONS = {"threshold": ratio, "decide": decide, "limiter": limiter, "log": log}


def check(cases, answers):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    import logs

    log.script = logs.line, logs.record
    checked = 0
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True), 1):
        case = json.loads(case)
        operation = OPERATIONS.get(case["op"])
        if operation is None:
            continue
        want = operation(case)
        if json.loads(answer) != want:
            sys.exit("line %d: %s\n  a kit  %s  oracle %s" % (number, json.dumps(case), answer, json.dumps(want)))
        checked += 1
    print("oracle: %d answers checked" % checked)


def roots(count, seed):
    """Traces that begin: half of the ids are anywhere, half near the threshold of 1/10, where mistakes would show."""
    r = random.Random(seed)
    t = threshold(Fraction(1, 10))
    for i in range(count):
        low = r.getrandbits(56) if i % 2 else min(WHOLE - 1, max(0, t + r.randrange(-1 << r.randrange(1, 53), 1 << 53)))
        print('{"op":"decide","how":"root","trace":"%018x%014x","th":"e666"}' % (r.getrandbits(72) | 1, low))


def following(cases, answers):
    """What a stage at 1/2 is asked about the traces that a stage at 1/10 kept: as a root, and as a root linked to them."""
    for case, answer in zip(cases, answers, strict=True):
        trace, answer = case.split('"trace":"')[1][:32], json.loads(answer)
        if answer["sampled"]:
            state = json.dumps([answer["state"]])
            print('{"op":"decide","how":"root","trace":"%s","th":"8"}' % trace)
            print('{"op":"decide","how":"linked","trace":"%s","th":"8","state":%s}' % (trace, state))
            print('{"op":"decide","how":"child","trace":"%s","flags":%d,"state":%s}' % (trace, answer["flags"], state))


def kept(answers):
    total = lost = 0
    for answer in answers:
        total += 1
        lost += not json.loads(answer)["sampled"]
    print("P(kept at 1/2 or behind | kept at 1/10) = %.6f over %d decisions" % ((total - lost) / total, total))
    if lost:
        sys.exit("%d traces were torn" % lost)


def main(arguments):
    match arguments:
        case ["check", cases, answers]:
            check(open(cases), open(answers))
        case ["roots", count, seed]:
            roots(int(count), int(seed))
        case ["next", cases, answers]:
            following(open(cases), open(answers))
        case ["kept", answers]:
            kept(open(answers))
        case _:
            sys.exit("usage: oracle.py check CASES ANSWERS | roots N SEED | next CASES ANSWERS | kept ANSWERS")


if __name__ == "__main__":
    main(sys.argv[1:])
