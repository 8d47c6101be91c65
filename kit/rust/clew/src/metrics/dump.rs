//! Draws records as the lines of the contract's vectors.

/// A field of a message: its number, its value when it is a varint or fixed, its bytes when it has a length.
struct Field<'a> {
    number: u64,
    value: u64,
    data: &'a [u8],
}

fn varint(b: &mut &[u8]) -> u64 {
    let (mut v, mut shift) = (0, 0);
    loop {
        let (first, rest) = b.split_first().expect("a message ends in a varint");
        *b = rest;
        v |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return v;
        }
    }
}

fn fields(mut b: &[u8]) -> Vec<Field<'_>> {
    let mut all = Vec::new();
    while !b.is_empty() {
        let tag = varint(&mut b);
        let (mut value, mut data) = (0, &b[..0]);
        match tag & 7 {
            0 => value = varint(&mut b),
            1 => {
                value = u64::from_le_bytes(b[..8].try_into().unwrap());
                b = &b[8..];
            }
            2 => {
                let len = varint(&mut b) as usize;
                (data, b) = b.split_at(len);
            }
            other => panic!("wire type {other}"),
        }
        all.push(Field { number: tag >> 3, value, data });
    }
    all
}

fn text(b: &[u8]) -> String {
    String::from_utf8(b.to_vec()).expect("texts are UTF-8")
}

fn float(bits: u64) -> String {
    f64::from_bits(bits).to_string()
}

fn hex(b: &[u8]) -> String {
    b.iter().map(|b| format!("{b:02x}")).collect()
}

fn words(b: &[u8], one: impl Fn(u64) -> String) -> String {
    b.chunks(8).map(|w| one(u64::from_le_bytes(w.try_into().unwrap()))).collect::<Vec<_>>().join(" ")
}

/// The lines of a record, an element of `ScopeMetrics.metrics` with its tag.
pub fn dump(record: &[u8]) -> Vec<String> {
    let outer = fields(record);
    assert!(outer.len() == 1 && outer[0].number == 2, "a record is one field 2");
    let (mut name, mut unit, mut description) = (String::new(), "-".to_owned(), String::new());
    let (mut kind, mut number, mut data) = ("", "int", Vec::new());
    for f in fields(outer[0].data) {
        match f.number {
            1 => name = text(f.data),
            2 => description = format!(" {:?}", text(f.data)),
            3 => unit = text(f.data),
            5 => (kind, data) = ("gauge", fields(f.data)),
            7 => (kind, data) = ("up_down", fields(f.data)),
            9 => (kind, number, data) = ("histogram", "double", fields(f.data)),
            other => panic!("field {other} of a metric"),
        }
    }
    let mut cumulative = kind == "gauge";
    let mut points = Vec::new();
    for f in data {
        match f.number {
            1 => {
                let (lines, double) = point(f.data, kind);
                points.extend(lines);
                if double {
                    number = "double";
                }
            }
            2 => cumulative = f.value == 2,
            3 => kind = "counter",
            other => panic!("field {other} of the data"),
        }
    }
    assert!(cumulative, "{name} is not cumulative");
    points.insert(0, format!("{name} {unit} {kind} {number}{description}"));
    points
}

fn point(b: &[u8], kind: &str) -> (Vec<String>, bool) {
    let histogram = kind == "histogram";
    let attributes = if histogram { 9 } else { 7 };
    let (mut labels, mut exemplars, mut double) = (Vec::new(), Vec::new(), false);
    let (mut value, mut start, mut time, mut sum, mut count, mut bounds, mut buckets) = Default::default();
    for f in fields(b) {
        match f.number {
            n if n == attributes => labels.push(label(f.data)),
            2 => start = format!("{}..", f.value),
            3 => time = f.value,
            4 if !histogram => (value, double) = (float(f.value), true),
            6 if !histogram => value = (f.value as i64).to_string(),
            4 => count = f.value,
            5 => sum = float(f.value),
            6 => buckets = words(f.data, |w| w.to_string()),
            7 => bounds = words(f.data, float),
            8 => exemplars.push(exemplar(f.data)),
            other => panic!("field {other} of a point"),
        }
    }
    if histogram {
        value = format!("count={count} sum={sum} bounds=[{bounds}] buckets=[{buckets}]");
    }
    let mut lines: Vec<String> = vec![format!("  {} {start}{time} {value}", labels.join(" "))];
    lines.append(&mut exemplars);
    (lines, double)
}

fn exemplar(b: &[u8]) -> String {
    let (mut at, mut value, mut trace, mut span) = Default::default();
    for f in fields(b) {
        match f.number {
            2 => at = f.value,
            3 => value = float(f.value),
            4 => span = hex(f.data),
            5 => trace = hex(f.data),
            other => panic!("field {other} of an exemplar: it may carry ids, value and time only"),
        }
    }
    let (at, value, trace, span): (u64, String, String, String) = (at, value, trace, span);
    format!("    {value} at {at} {trace} {span}")
}

fn label(b: &[u8]) -> String {
    let all = fields(b);
    let v = &fields(all[1].data)[0];
    let value = match v.number {
        1 => format!("{:?}", text(v.data)),
        2 => (v.value != 0).to_string(),
        3 => (v.value as i64).to_string(),
        4 => float(v.value),
        5 => {
            let texts: Vec<String> = fields(v.data).iter().map(|e| format!("{:?}", text(fields(e.data)[0].data))).collect();
            format!("[{}]", texts.join(" "))
        }
        other => panic!("field {other} of a value"),
    };
    format!("{}={value}", text(all[0].data))
}
