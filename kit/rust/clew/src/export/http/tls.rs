//! TLS with rustls: roots of the system or of a file, our certificate where asked for.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::connect::Timed;
use super::{Failure, TlsFiles};

pub(super) type Secured = Box<StreamOwned<ClientConnection, Timed>>;

/// Where systems keep the roots they trust, most usual first.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files once. An error is one line for a person.
    pub fn new(host: &str, files: &TlsFiles, env: impl Fn(&str) -> Option<String>) -> Result<Tls, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| format!("host {host}: {e}"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots(files, env)?);
        let config = if files.certificate.is_empty() {
            config.with_no_client_auth()
        } else {
            let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| format!("read key {}: {e}", files.key))?;
            config
                .with_client_auth_cert(certificates(&files.certificate)?, key)
                .map_err(|e| format!("use certificate {}: {e}", files.certificate))?
        };
        Ok(Tls { config: Arc::new(config), name })
    }

    /// Makes a connection secure, within the socket's deadline.
    pub fn secure(&self, socket: Timed) -> Result<Secured, Failure> {
        let failed = |text: String| Failure { kind: "tls", text: format!("secure the connection: {text}") };
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(|e| failed(e.to_string()))?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => Failure::of("secure the connection", &e),
                _ => failed(e.to_string()),
            })?;
        }
        Ok(Box::new(stream))
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(format!("read certificates {path}: there are none in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("read certificates {path}: {error}")),
    }
}

fn roots(files: &TlsFiles, env: impl Fn(&str) -> Option<String>) -> Result<RootCertStore, String> {
    let named = Some(files.roots.clone()).filter(|p| !p.is_empty());
    let named = named.or_else(|| env("SSL_CERT_FILE").filter(|p| !p.is_empty()));
    let path = match named {
        Some(path) => path,
        None => match BUNDLES.iter().find(|p| std::path::Path::new(p).is_file()) {
            Some(path) => (*path).to_owned(),
            None => return Err("no file of trusted roots is known; name one in SSL_CERT_FILE".to_owned()),
        },
    };
    let mut store = RootCertStore::empty();
    // A bundle of the system may hold an old certificate that rustls cannot read.
    let (added, _) = store.add_parsable_certificates(certificates(&path)?);
    if added == 0 {
        return Err(format!("read certificates {path}: none of them can be used"));
    }
    Ok(store)
}
