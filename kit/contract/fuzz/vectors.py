"""Writes kit/contract/sampling.json: named cases with the answers of the oracle.

The table of the specification is a fact of its own: the thresholds of 13 ratios in
three precisions stand here as published, and the oracle has to agree with them.
"""

import json
import pathlib

import oracle

# One in N, and the published th with 3, 4 and 5 digits of precision.
SPECIFICATION = [
    (1, "0", "0", "0"), (2, "8", "8", "8"), (3, "aab", "aaab", "aaaab"), (4, "c", "c", "c"), (5, "ccd", "cccd", "ccccd"), (8, "e", "e", "e"),
    (10, "e66", "e666", "e6666"), (16, "f", "f", "f"), (100, "fd71", "fd70a", "fd70a4"), (1000, "ffbe7", "ffbe77", "ffbe76d"),
    (10000, "fff972", "fff9724", "fff97247"), (100000, "ffff584", "ffff583a", "ffff583a5"), (1000000, "ffffef4", "ffffef39", "ffffef391"),
]

RATIOS = {
    "tenth as fraction": "1/10", "tenth as percent": "10%", "tenth as decimal": "0.1", "twentieth": "1/20", "hundredth": "1%", "per mille": "1/1000", "ppm": "1/1000000",
    "99 percent": "99%", "over fifteen sixteenths": "0.95", "two thirds": "2/3", "one": "1", "one as fraction": "7/7", "one with zeros": "1.000", "all": "100%",
    "zero": "0", "zero percent": "0%", "zero as fraction": "0/5", "smallest": "1/72057594037927936", "under the smallest": "1/72057594037927937",
    "far under the smallest": "1/999999999999999999", "half of an ulp up": "0.5000000000000001", "near one rounds to all": "0.99999999",
    "eighteen digits": "0.10000000000000000", "nineteen digits": "0.100000000000000000", "eighteen digits each": "100000000000000000/999999999999999999",
    "nineteen digits below": "1/1000000000000000000", "percent with sixteen digits": "12.34567890123456%", "percent with seventeen": "12.345678901234567%",
    "over one": "1.1", "over one as percent": "101%", "over one as fraction": "11/10", "empty": "", "nothing below": "1/", "nothing above": "/2", "division by zero": "1/0",
    "sign": "-0.1", "plus": "+0.1", "exponent": "1e-3", "no whole part": ".5", "no fraction": "1.", "spaces": " 0.1", "letters": "tenth", "two slashes": "1/2/3", "only percent": "%",
    "percent of a fraction": "1/10%", "hex": "0x1", "comma": "0,1", "point five percent": "0.5%", "one sixteenth": "1/16", "just over one sixteenth": "0.0626",
    "one in 256": "1/256", "one in 4096": "1/4096", "sixty five in a thousand": "65/1000", "one third": "1/3", "one seventh": "1/7", "0.3": "0.3", "0.7": "0.7", "three quarters": "3/4",
}

LOW, HIGH = "0000000000000001" + "00" + "00000000000000", "0000000000000001" + "00" + "ffffffffffffff"
EDGE = "1111111111111111ff" + "e6660000000000"  # R is exactly the threshold of 1/10
UNDER = "1111111111111111ff" + "e665ffffffffff"

STATES = {
    "no state": [], "consistent th": ["ot=th:8"], "th that disagrees": ["ot=th:f"], "th alone among vendors": ["a=1,ot=th:f,b=2"], "th and rv": ["ot=th:f;rv:00000000000001"],
    "rv decides for th": ["ot=rv:ffffffffffffff;th:f"], "rv of 13 digits": ["ot=th:8;rv:fffffffffffff"], "rv in upper case": ["ot=th:8;rv:FFFFFFFFFFFFFF"],
    "th of 15 digits": ["ot=th:000000000000001"], "th in upper case": ["ot=th:E"], "th empty": ["ot=th:"], "th with trailing zeros": ["ot=th:8000"], "th zero": ["ot=th:0"],
    "sub-key of others": ["ot=p:8;th:f;x:y"], "sub-key twice": ["ot=th:f;th:8"], "empty sub-key": ["ot=th:f;"], "not a sub-key": ["ot=th"], "ot of 257 bytes": ["ot=th:f;x:" + "y" * 252],
    "ot of 256 bytes": ["ot=th:f;x:" + "y" * 251], "ot twice": ["ot=th:f,ot=th:8"], "vendor with ot in front": ["ots=th:f"], "thirty-two members": [",".join("k%d=v" % i for i in range(31)) + ",ot=th:f"],
    "thirty-three members": [",".join("k%d=v" % i for i in range(32)) + ",ot=th:f"], "malformed member": ["ot=th:f,?=1"], "two lines": ["a=1", "ot=th:f"], "spaces": ["a=1 , ot=th:8"],
    "th never": ["ot=th:never"], "rv only": ["ot=rv:00000000000000"],
}


def cases():
    for n, *digits in SPECIFICATION:
        for precision, want in zip((3, 4, 5), digits):
            case = {"op": "threshold", "ratio": "1/%d" % n, "precision": precision}
            if oracle.ratio(case) != {"th": want}:
                raise SystemExit("the oracle and the specification differ on 1/%d with %d digits: %s" % (n, precision, oracle.ratio(case)))
            yield "specification: one in %d, %d digits" % (n, precision), case
    for name, text in RATIOS.items():
        yield "ratio: " + name, {"op": "threshold", "ratio": text}
    for how in ("root", "linked", "deferred"):
        for where, trace in (("under", UNDER), ("at", EDGE), ("lowest", LOW), ("highest", HIGH)):
            for th in ("e666", "0", "never"):
                yield "%s: R %s T, th %s" % (how, where, th), {"op": "decide", "how": how, "trace": trace, "th": th}
    yield "root: level 1 has no random flag", {"op": "decide", "how": "root", "trace": HIGH, "th": "0", "level": 1}
    yield "child: level 1 takes no random flag over", {"op": "decide", "how": "child", "trace": HIGH, "flags": 3, "level": 1}
    yield "child: random is passed on", {"op": "decide", "how": "child", "trace": HIGH, "flags": 3, "level": 2}
    yield "child: random is not invented", {"op": "decide", "how": "child", "trace": HIGH, "flags": 1, "level": 2}
    yield "linked: rv of the cause", {"op": "decide", "how": "linked", "trace": LOW, "th": "e666", "state": ["ot=rv:ffffffffffffff"]}
    yield "linked: th of the cause is not taken", {"op": "decide", "how": "linked", "trace": LOW, "th": "e666", "state": ["ot=th:0,a=1"]}
    for name, state in STATES.items():
        for flags in (0, 1):
            for where, trace in (("low", LOW), ("high", HIGH)):
                yield "child: %s, flag %d, R %s" % (name, flags, where), {"op": "decide", "how": "child", "trace": trace, "flags": flags, "state": state}
        yield "forced: " + name, {"op": "decide", "how": "forced", "trace": LOW, "flags": 2, "state": state}
    flood = [{"second": s, "roots": n} for s, n in ((0, 100), (1, 1000), (2, 10), (3, 5), (4, 20), (6, 20), (7, 1), (6, 50), (8, 1))]
    for th in ("0", "e666", "never"):
        for limit in (0, 1, 10, 1000):
            yield "limit: %d a second, th %s" % (limit, th), {"op": "limiter", "th": th, "per_second": limit, "seconds": flood}
    for back in (10, 11):
        seconds = [{"second": 50, "roots": 100}, {"second": 51, "roots": 1}, {"second": 51 - back, "roots": 30}, {"second": 52, "roots": 1}, {"second": 52 - back, "roots": 1}]
        yield "limit: the clock is set back by %d seconds" % back, {"op": "limiter", "th": "0", "per_second": 10, "seconds": seconds}


def main():
    lines = []
    for name, case in cases():
        want = oracle.OPERATIONS[case["op"]](case)
        lines.append(json.dumps({"name": name, **case, "want": want}))
    path = pathlib.Path(__file__).resolve().parent.parent / "sampling.json"
    path.write_text('{"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print("%s: %d cases" % (path.name, len(lines)))


if __name__ == "__main__":
    main()
