//! What the store keeps for a span: here, whose it is and how often it was written to.

#[derive(Default)]
pub struct Record {
    pub of: u32,
    pub written: u32,
}

impl Record {
    pub fn reset(&mut self) {
        *self = Record::default();
    }
}
