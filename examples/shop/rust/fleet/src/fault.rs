//! Faults are files: a service looks at the moment of decision, so that a switch
//! acts on the next request in either language.

use std::path::Path;

/// Payment's card network takes longer.
pub const SLOW_PAYMENT: &str = "slow-payment";
/// Payment's process dies in the middle of a charge.
pub const CRASH: &str = "crash";
/// Account answers 503, the gateway tries again without a pause.
pub const RETRY_STORM: &str = "retry-storm";

/// Says whether a fault is switched on.
pub fn on(name: &str) -> bool {
    std::env::var_os("SHOP_DATA")
        .is_some_and(|data| Path::new(&data).join("faults").join(name).exists())
}
