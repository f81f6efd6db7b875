//! TLS to PostgreSQL, with the modes of libpq (<https://www.postgresql.org/docs/current/libpq-ssl.html>).

use std::{error::Error, io, sync::Arc};

use percent_encoding::percent_decode_str;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disable,
    /// TLS where the server has it, without looking at its certificate.
    Prefer,
    /// TLS, without looking at the certificate.
    Require,
    /// A certificate that a known root has signed, for whatever name.
    VerifyCa,
    /// A certificate that a known root has signed, for this host.
    VerifyFull,
}

/// What the URL says of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) mode: Mode,
    /// A file of certificates in PEM; `None`: those that the system trusts.
    roots: Option<String>,
}

impl Wish {
    /// Reads `sslmode` and `sslrootcert` among the parameters of the URL; the error says what is wrong. As with libpq,
    /// nothing means `prefer`, and `require` with a file of roots means `verify-ca`.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let value = |wanted: &str| {
            let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
            // Of one that is there twice the last counts, as with libpq.
            let found = parameters.rev().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        // `system` is libpq's word for the roots of the system.
        let roots = value("sslrootcert").filter(|path| !path.is_empty() && path != "system");
        let mode = match value("sslmode").as_deref() {
            Some("disable") => Mode::Disable,
            None | Some("allow" | "prefer") => Mode::Prefer,
            Some("require") if roots.is_some() => Mode::VerifyCa,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(other) => {
                return Err(format!(
                    "sslmode is {other:?}, and there are disable, prefer, require, verify-ca and verify-full"
                ));
            }
        };
        Ok(Wish { mode, roots })
    }

    pub(super) fn negotiation(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// The error names the roots, and says why they cannot be used.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, (String, String)> {
        let named = || self.roots.clone().unwrap_or_else(|| "the system's certificates".into());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = match self.mode >= Mode::VerifyCa {
            true => self.roots().map_err(|reason| (named(), reason))?,
            false => Vec::new(),
        };
        let verifier = Verifier::new(self.mode, roots, provider.clone()).map_err(|reason| (named(), reason))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| (named(), error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let Some(path) = &self.roots else {
            return Ok(rustls_native_certs::load_native_certs().certs);
        };
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        read.map_err(|error| error.to_string())
    }
}

/// Looks at the server's certificate as far as the mode says. That the server has the certificate's key is proved in every
/// mode: the password's exchange may be bound to it.
#[derive(Debug)]
struct Verifier {
    mode: Mode,
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// A server's own certificate may be named as its root; then it is known by being the same.
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(mode: Mode, known: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let chain = match mode >= Mode::VerifyCa {
            false => None,
            true => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(known.iter().cloned());
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Verifier {
            mode,
            chain,
            known,
            provider,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.known.iter().any(|known| known == end_entity) {
            if self.mode == Mode::VerifyFull {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last: all else is well.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.mode == Mode::VerifyCa => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How TLS came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server speaks none.
    Refused,
    /// Its certificate is not one to trust.
    Certificate,
    Other,
}

/// Did a connection fail for its TLS? The library tells so by the text of the error alone.
pub(super) fn trouble(error: &tokio_postgres::Error) -> Option<Trouble> {
    if error.code().is_some() || !error.to_string().starts_with("error performing TLS handshake") {
        return None;
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(rustls::Error::InvalidCertificate(_)) = inner.downcast_ref::<rustls::Error>() {
            return Some(Trouble::Certificate);
        }
        if inner.to_string() == "server does not support TLS" {
            return Some(Trouble::Refused);
        }
        // An I/O error hands out what it wraps in a way of its own.
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        source = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => inner.source(),
        };
    }
    Some(Trouble::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_what_libpq_means_by_it() {
        for (query, mode, roots) in [
            ("", Mode::Prefer, None),
            ("sslmode=allow", Mode::Prefer, None),
            ("sslmode=prefer&sslrootcert=/ca.pem", Mode::Prefer, Some("/ca.pem")),
            ("sslmode=disable", Mode::Disable, None),
            ("a=b&sslmode=require&c=d", Mode::Require, None),
            (
                "sslmode=require&sslrootcert=%2Fmy%20ca.pem",
                Mode::VerifyCa,
                Some("/my ca.pem"),
            ),
            ("sslmode=verify-ca&sslrootcert=system", Mode::VerifyCa, None),
            (
                "sslrootcert=ca.pem&sslmode=verify-full",
                Mode::VerifyFull,
                Some("ca.pem"),
            ),
            ("sslmode=disable&sslmode=verify-full", Mode::VerifyFull, None),
        ] {
            let roots = roots.map(str::to_owned);
            assert_eq!(Wish::read(query), Ok(Wish { mode, roots }), "{query}");
        }
        assert!(Wish::read("sslmode=verify").unwrap_err().contains("\"verify\""));
    }

    #[test]
    fn roots_that_are_not_there_or_none_at_all_are_an_error_that_names_them() {
        let folder = tempfile::TempDir::new().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [folder.path().join("missing.pem"), empty] {
            let query = format!("sslmode=verify-full&sslrootcert={}", path.display());
            let (named, reason) = Wish::read(&query).unwrap().connector().err().unwrap();
            assert_eq!(named, path.display().to_string());
            assert!(!reason.is_empty());
        }
    }
}
