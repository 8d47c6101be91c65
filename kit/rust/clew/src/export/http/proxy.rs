//! Which proxy the environment names for an address: `HTTP_PROXY`, `HTTPS_PROXY`,
//! `NO_PROXY`, in upper or lower case.

use std::net::IpAddr;

use super::address::Address;

/// The proxy for an address. `Err` is one line for a person.
pub(super) fn proxy_for(address: &Address, env: impl Fn(&str) -> Option<String>) -> Result<Option<Address>, String> {
    let get = |upper: &str| {
        let found = env(upper).filter(|v| !v.is_empty());
        found.or_else(|| env(&upper.to_ascii_lowercase()).filter(|v| !v.is_empty()))
    };
    // A CGI program gets HTTP_PROXY from a header of its request, thus from anybody.
    let cgi = !address.secure && env("REQUEST_METHOD").is_some();
    let name = if address.secure { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some(proxy) = get(name).filter(|_| !cgi) else { return Ok(None) };
    if address.is_loopback() || get("NO_PROXY").is_some_and(|list| excluded(address, &list)) {
        return Ok(None);
    }
    let text = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    match Address::parse(&text) {
        Ok(proxy) if !proxy.secure => Ok(Some(proxy)),
        Ok(_) => Err(format!("{name}: a proxy is spoken to over http:// only")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Whether a comma-separated list names the address: `*`, `host` with all below it,
/// `.host` only what is below it, an IP address, a range such as `10.0.0.0/8`, each
/// with a port behind it if need be.
fn excluded(address: &Address, list: &str) -> bool {
    let host = address.host.trim_end_matches('.').to_ascii_lowercase();
    let ip = host.parse::<IpAddr>().ok();
    list.split(',').map(|e| e.trim().to_ascii_lowercase()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            return match (ip, network.parse(), bits.parse()) {
                (Some(ip), Ok(network), Ok(bits)) => in_range(ip, network, bits),
                _ => false,
            };
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
            _ => (entry.as_str(), None),
        };
        if port.is_some_and(|p| p.parse() != Ok(address.port)) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(named) = name.parse::<IpAddr>() {
            return ip == Some(named);
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        let below = name.strip_prefix('.');
        let base = below.unwrap_or(name);
        !base.is_empty() && ((below.is_none() && host == base) || host.strip_suffix(base).is_some_and(|rest| rest.ends_with('.')))
    })
}

fn in_range(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, env: &[(&str, &str)]) -> Result<Option<String>, String> {
        let get = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        proxy_for(&Address::parse(url).unwrap(), get).map(|p| p.map(|p| p.host_port()))
    }

    #[test]
    fn the_environment_names_the_proxy() {
        let env = [("HTTP_PROXY", "plain:1"), ("https_proxy", "http://u:p@safe:2"), ("NO_PROXY", "a.b, .c.d,10.0.0.0/8,x:99")];
        let of = |url| proxy(url, &env).unwrap();
        assert_eq!(of("http://h").as_deref(), Some("plain:1"));
        assert_eq!(of("https://h").as_deref(), Some("safe:2"));
        for none in
            ["http://127.0.0.1", "http://localhost:1", "http://a.b", "http://x.a.b", "http://e.c.d", "http://10.9.9.9", "http://x:99"]
        {
            assert_eq!(of(none), None, "{none}");
        }
        for some in ["http://ab.b", "http://xa.b", "http://c.d", "http://11.9.9.9", "http://x:98"] {
            assert!(of(some).is_some(), "{some}");
        }
        assert_eq!(proxy("http://h", &[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")]), Ok(None));
        assert_eq!(proxy("http://h", &[("HTTP_PROXY", "p:1"), ("NO_PROXY", "*")]), Ok(None));
        assert!(proxy("http://h", &[("HTTP_PROXY", "socks5://p:1")]).is_err());
        assert!(proxy("http://h", &[("HTTP_PROXY", "https://p:1")]).is_err());
    }
}
