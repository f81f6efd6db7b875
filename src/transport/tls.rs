//! TLS to clients, by a certificate in two files that are read again when they change.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{ConfigFault, TlsSettings},
    model::limits,
};

/// The two files, as they were last read.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(settings: &TlsSettings) -> Result<Self, ConfigFault> {
        Ok(Files {
            certificate: read("DOORBELL_TLS_CERT", &settings.certificate)?,
            key: read("DOORBELL_TLS_KEY", &settings.key)?,
        })
    }

    fn certified(&self, settings: &TlsSettings) -> Result<CertifiedKey, ConfigFault> {
        let wrong = |name: &str, path: &Path, why: &str, mend: &str| {
            ConfigFault::new(format!("{name} is {path:?}, {why}; {mend}."))
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .unwrap_or_default();
        if chain.is_empty() {
            return Err(wrong(
                "DOORBELL_TLS_CERT",
                &settings.certificate,
                "which holds no certificate in PEM",
                "name a file that begins with -----BEGIN CERTIFICATE-----, as certbot's fullchain.pem",
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            wrong(
                "DOORBELL_TLS_KEY",
                &settings.key,
                "which holds no private key in PEM that is not encrypted",
                "name a file that begins with -----BEGIN PRIVATE KEY-----, as certbot's privkey.pem",
            )
        })?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong(
                "DOORBELL_TLS_KEY",
                &settings.key,
                "which is not the key of the certificate in DOORBELL_TLS_CERT",
                "name the two files that belong together",
            ),
            _ => wrong(
                "DOORBELL_TLS_CERT",
                &settings.certificate,
                "which cannot be used with its key",
                "make a certificate with a key of RSA (2048 bits or more), ECDSA (P-256, P-384) or Ed25519",
            ),
        })
    }
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, ConfigFault> {
    let fault = |why: String| {
        ConfigFault::new(format!(
            "{name} is {path:?}, which cannot be read ({why}); name a file in PEM that this user may read."
        ))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| fault(error.to_string()))?;
    // One byte more than may be: to know of it.
    let most = limits::CERTIFICATE_FILE_BYTES;
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fault(error.to_string()))?;
    match bytes.len() as u64 > most {
        true => Err(fault("it is longer than 1 MiB".to_owned())),
        false => Ok(bytes),
    }
}

/// The certificate that clients are shown now.
pub struct Certificate {
    settings: TlsSettings,
    current: RwLock<Arc<CertifiedKey>>,
    files: Mutex<Files>,
}

/// Names its files alone.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Certificate {
    /// Reads the files. What is wrong with them is a sentence for the operator.
    pub fn load(settings: TlsSettings) -> Result<Arc<Self>, ConfigFault> {
        let files = Files::read(&settings)?;
        let certified = files.certified(&settings)?;
        Ok(Arc::new(Certificate {
            settings,
            current: RwLock::new(Arc::new(certified)),
            files: Mutex::new(files),
        }))
    }

    /// What makes a TLS connection of a TCP connection, for HTTP/1.1 alone.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, ConfigFault> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigFault::new(format!("TLS cannot be set up: {error}.")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes over what has changed. New connections get it; those that are open keep what they have. Files that are wrong,
    /// or only half of them new, change nothing.
    pub fn look_again(&self) -> Result<bool, ConfigFault> {
        let files = Files::read(&self.settings)?;
        let mut known = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == files {
            return Ok(false);
        }
        let certified = files.certified(&self.settings)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        *known = files;
        Ok(true)
    }

    /// Looks at the files for as long as the process lives, again and again, and at once when it is told to.
    pub async fn keep_fresh(self: Arc<Self>, mut hangups: tokio::signal::unix::Signal) {
        // The same fault is told once.
        let mut told = None;
        loop {
            tokio::select! {
                _ = tokio::time::sleep(limits::CERTIFICATE_LOOK_INTERVAL) => {}
                _ = hangups.recv() => {}
            }
            let certificate = Arc::clone(&self);
            let Ok(looked) = tokio::task::spawn_blocking(move || certificate.look_again()).await else {
                continue;
            };
            match looked {
                Ok(has_changed) => {
                    if has_changed {
                        tracing::info!("the certificate has changed, and new connections get the new one");
                    }
                    told = None;
                }
                Err(fault) => {
                    if told.as_ref() != Some(&fault) {
                        tracing::warn!("the certificate stays as it is: {fault}");
                        told = Some(fault);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Made {
        certificate: String,
        key: String,
    }

    fn made(name: &str) -> Made {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Made {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn files(folder: &Path, certificate: &str, key: &str) -> TlsSettings {
        let settings = TlsSettings {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&settings.certificate, certificate).unwrap();
        fs::write(&settings.key, key).unwrap();
        settings
    }

    fn shown(certificate: &Certificate) -> Vec<CertificateDer<'static>> {
        certificate.current.read().unwrap().cert.clone()
    }

    #[test]
    fn a_file_that_will_not_do_is_named_with_what_would() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (made("one.example"), made("other.example"));
        for (certificate, key, names, mend) in [
            ("", one.key.as_str(), "DOORBELL_TLS_CERT", "BEGIN CERTIFICATE"),
            (&one.key, &one.key, "DOORBELL_TLS_CERT", "BEGIN CERTIFICATE"),
            (&one.certificate, "nonsense", "DOORBELL_TLS_KEY", "BEGIN PRIVATE KEY"),
            (
                &one.certificate,
                &one.certificate,
                "DOORBELL_TLS_KEY",
                "BEGIN PRIVATE KEY",
            ),
            (&one.certificate, &other.key, "DOORBELL_TLS_KEY", "belong together"),
        ] {
            let settings = files(folder.path(), certificate, key);
            let fault = Certificate::load(settings).unwrap_err().to_string();
            assert!(fault.starts_with(names), "{fault}");
            assert!(fault.contains(".pem") && fault.contains(mend), "{fault}");
            assert!(!fault.contains("MII"), "{fault}");
        }
        let mut settings = files(folder.path(), &one.certificate, &one.key);
        settings.key = folder.path().join("missing.pem");
        let fault = Certificate::load(settings).unwrap_err().to_string();
        assert!(
            fault.starts_with("DOORBELL_TLS_KEY is") && fault.contains("missing.pem"),
            "{fault}"
        );
    }

    #[test]
    fn a_renewed_certificate_is_taken_over_once_both_files_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (made("chat.example"), made("chat.example"));
        let settings = files(folder.path(), &old.certificate, &old.key);
        let certificate = Certificate::load(settings.clone()).unwrap();
        let first = shown(&certificate);
        assert_eq!(certificate.look_again(), Ok(false));
        fs::write(&settings.certificate, &new.certificate).unwrap();
        assert!(certificate.look_again().is_err(), "the key is still the old one");
        assert_eq!(shown(&certificate), first);
        fs::write(&settings.key, &new.key).unwrap();
        assert_eq!(certificate.look_again(), Ok(true));
        assert_ne!(shown(&certificate), first);
        fs::remove_file(&settings.key).unwrap();
        assert!(certificate.look_again().is_err());
        assert_eq!(certificate.acceptor().unwrap().config().alpn_protocols, [b"http/1.1"]);
    }
}
