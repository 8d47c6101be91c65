//! Compression of request bodies, behind the feature `gzip`.

use super::config::{Compression, Target};
use super::http::Address;

/// The size from which compressing pays for its header.
#[cfg(feature = "gzip")]
const GZIP_OVER: usize = 1 << 10;

/// Its buffer is used again.
pub(super) struct Packer {
    on: bool,
    /// Empty: the body goes as it is.
    zipped: Vec<u8>,
}

impl Packer {
    /// To an address of this machine only when asked for, since there is no network to
    /// spare.
    pub fn new(target: &Target) -> Packer {
        let on = match target.compression {
            Compression::Auto => !Address::parse(&target.url).is_ok_and(|a| a.is_loopback()),
            Compression::Gzip => true,
            Compression::None => false,
        };
        Packer { on: on && cfg!(feature = "gzip"), zipped: Vec::new() }
    }

    /// Compresses the body if that makes it smaller.
    pub fn pack(&mut self, body: &[u8]) {
        self.zipped.clear();
        #[cfg(feature = "gzip")]
        if self.on && body.len() > GZIP_OVER {
            use std::io::Write;
            let zipped = std::mem::take(&mut self.zipped);
            let mut encoder = flate2::write::GzEncoder::new(zipped, flate2::Compression::fast());
            let written = encoder.write_all(body);
            self.zipped = encoder.finish().unwrap_or_default();
            if written.is_err() || self.zipped.len() >= body.len() {
                self.zipped.clear();
            }
        }
        #[cfg(not(feature = "gzip"))]
        let _ = (self.on, body);
    }

    /// The packed form of the body that `pack` got, and whether it is compressed.
    pub fn packed<'a>(&'a self, body: &'a [u8]) -> (&'a [u8], bool) {
        if self.zipped.is_empty() { (body, false) } else { (&self.zipped, true) }
    }
}
