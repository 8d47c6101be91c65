//! The value of an attribute. It borrows: the kit copies what it keeps.

/// A value of an attribute, in one of the types that OTLP knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, cut to 4,096 bytes on a character's border.
    Str(&'a str),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; non-finite ones are kept, as OTLP can carry them.
    Float(f64),
    /// Raw bytes, cut to 4,096.
    Bytes(&'a [u8]),
    /// Texts, at most 128.
    Strs(&'a [&'a str]),
    /// Truth values, at most 128.
    Bools(&'a [bool]),
    /// Whole numbers, at most 128.
    Ints(&'a [i64]),
    /// Numbers, at most 128.
    Floats(&'a [f64]),
}

macro_rules! from {
    ($($type:ty => |$v:ident| $make:expr;)*) => {
        $(impl<'a> From<$type> for Value<'a> {
            #[inline]
            fn from($v: $type) -> Value<'a> { $make }
        })*
    };
}

from! {
    &'a str => |v| Value::Str(v);
    &'a String => |v| Value::Str(v);
    bool => |v| Value::Bool(v);
    i64 => |v| Value::Int(v);
    i32 => |v| Value::Int(v.into());
    i16 => |v| Value::Int(v.into());
    u32 => |v| Value::Int(v.into());
    u16 => |v| Value::Int(v.into());
    u8 => |v| Value::Int(v.into());
    u64 => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX));
    usize => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX));
    f64 => |v| Value::Float(v);
    f32 => |v| Value::Float(v.into());
    &'a [u8] => |v| Value::Bytes(v);
    &'a [&'a str] => |v| Value::Strs(v);
    &'a [bool] => |v| Value::Bools(v);
    &'a [i64] => |v| Value::Ints(v);
    &'a [f64] => |v| Value::Floats(v);
    // Seconds, as the semantic conventions give durations.
    std::time::Duration => |v| Value::Float(v.as_secs_f64());
}
