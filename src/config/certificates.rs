//! Certificates and keys in PEM files: the one place that reads them, for `check` and for what runs.
//!
//! Whoever speaks TLS takes chain, key and authorities from here, so that a file that can be used for
//! one can be used for all, and one that cannot is told with the same words. Nothing of a file's
//! content stands in a message. Not here: who presents or trusts them (`proxy`, `elk`, `otlp`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

use super::file;

/// What a PEM section begins with.
const BEGIN: &str = "-----BEGIN ";
/// Longest label of a section that a message repeats.
const LABEL_CHARS_MAX: usize = 40;

/// Why a file of certificates or keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}; {cure}", file.display())]
pub struct Unusable {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What helps.
    pub cure: String,
}

impl Unusable {
    fn new(file: &Path, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { file: file.to_owned(), problem: problem.into(), cure: cure.into() }
    }
}

/// Authorities to trust.
#[derive(Debug)]
pub struct Roots {
    /// One or more, each fit to be one.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The file as it is.
    pub pem: Vec<u8>,
}

/// Chain and key of one side, as they are presented. Reads both files.
///
/// # Errors
/// [`Unusable`], with the file at fault.
pub fn identity(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, Unusable> {
    matched(chain(cert_file)?, key(key_file)?, key_file)
}

/// The same as one PEM text, chain before key; without `key_file` the key stands in `cert_file`.
///
/// # Errors
/// As for [`identity`].
pub fn identity_pem(cert_file: &Path, key_file: Option<&Path>) -> Result<Vec<u8>, Unusable> {
    let key_file = key_file.unwrap_or(cert_file);
    identity(cert_file, key_file)?;
    let mut pem = pem(cert_file)?;
    if key_file != cert_file {
        pem.push(b'\n');
        pem.extend(self::pem(key_file)?);
    }
    Ok(pem)
}

/// The certificates of authorities.
///
/// # Errors
/// [`Unusable`]: none there, or one that cannot be trusted.
pub fn roots(ca_file: &Path) -> Result<Roots, Unusable> {
    let cure = "name a PEM file with the certificates of the authority";
    let pem = pem(ca_file)?;
    let certificates = certificates(ca_file, &pem, cure, cure)?;
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        store.add(certificate.clone()).map_err(|error| {
            let problem = format!("has a certificate (number {}) that is none: {error}", index + 1);
            Unusable::new(ca_file, problem, cure)
        })?;
    }
    Ok(Roots { certificates, pem })
}

/// The chain of a file, leaf first.
pub(super) fn chain(cert_file: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let cure = "write the path of the certificate chain (PEM), leaf first";
    let chain = certificates(cert_file, &pem(cert_file)?, cure, SWAPPED)?;
    for (index, certificate) in chain.iter().enumerate() {
        ParsedCertificate::try_from(certificate).map_err(|error| {
            let problem = format!("has a certificate (number {}) that is none: {error}", index + 1);
            Unusable::new(cert_file, problem, cure)
        })?;
    }
    Ok(chain)
}

/// The first private key of a file.
pub(super) fn key(key_file: &Path) -> Result<Arc<dyn SigningKey>, Unusable> {
    let fail = |problem: &str, cure: &str| Unusable::new(key_file, problem, cure);
    let cure = "write the path of the private key (PEM)";
    let pem = pem(key_file)?;
    let key = match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => key,
        Err(_) if is_encrypted(&pem) => {
            let cure =
                "decrypt it: openssl pkey -in FILE -out FILE.plain, readable for lbproxy alone";
            return Err(fail("holds a key that is encrypted with a passphrase", cure));
        }
        Err(PemError::NoItemsFound) => {
            let labels = labels(&pem);
            return Err(if labels.iter().any(|label| label.contains("CERTIFICATE")) {
                fail("holds a certificate and no private key", SWAPPED)
            } else {
                Unusable::new(key_file, nothing_of_use("private key", &labels), cure)
            });
        }
        Err(error) => return Err(broken(key_file, &error, cure)),
    };
    ring().key_provider.load_private_key(key).map_err(|_| {
        // Without the error: it has been about the bytes of a key.
        let cure = "use RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519";
        fail("holds a private key of a kind that cannot be used, or a damaged one", cure)
    })
}

/// What helps when each of two files holds what the other should.
const SWAPPED: &str = "have cert_file and key_file been swapped?";

/// Chain and key that belong together.
pub(super) fn matched(
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    key_file: &Path,
) -> Result<CertifiedKey, Unusable> {
    let belongs = |certified: &CertifiedKey| match certified.keys_match() {
        // There are keys that do not tell their public part.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => true,
        Err(_) => false,
    };
    let certified = CertifiedKey::new(chain, key);
    if belongs(&certified) {
        return Ok(certified);
    }
    let is_later =
        certified.cert.iter().skip(1).any(|other| {
            belongs(&CertifiedKey::new(vec![other.clone()], Arc::clone(&certified.key)))
        });
    Err(if is_later {
        let problem = "does not belong to the first certificate of cert_file, but to a later one";
        Unusable::new(key_file, problem, "write the leaf first, then what signs it")
    } else {
        let problem = "does not belong to the certificate of cert_file";
        Unusable::new(key_file, problem, "write the key that this certificate was made for")
    })
}

/// Which certificates of a chain are of no use at this time, and since when or until when.
pub(super) fn out_of_date(chain: &[CertificateDer<'_>], now: Duration) -> Vec<String> {
    let now = UnixTime::since_unix_epoch(now);
    let days = |from: UnixTime, to: UnixTime| to.as_secs().saturating_sub(from.as_secs()) / 86_400;
    let told = |(index, certificate)| {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        // Dates are looked at first; that nobody is trusted here does not matter.
        let nobody = RootCertStore::empty();
        let verdict = verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, &[]);
        let number = format!("certificate {} of {}", index + 1, chain.len());
        match verdict.err()? {
            Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                Some(format!("{number} has expired {} days ago", days(not_after, now)))
            }
            Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before, ..
            }) => {
                Some(format!("{number} is not valid yet, for {} more days", days(now, not_before)))
            }
            _ => None,
        }
    };
    chain.iter().enumerate().filter_map(told).collect()
}

/// The algorithms, as everything here that speaks TLS has them.
fn ring() -> CryptoProvider {
    ring::default_provider()
}

/// The text of a PEM file.
fn pem(path: &Path) -> Result<Vec<u8>, Unusable> {
    let bytes =
        file::regular(path).map_err(|(problem, cure)| Unusable::new(path, problem, cure))?;
    if bytes.trim_ascii().is_empty() {
        return Err(Unusable::new(path, "is empty", "write the path of a PEM file"));
    }
    if !bytes.windows(BEGIN.len()).any(|part| part == BEGIN.as_bytes()) {
        // ASN.1's SEQUENCE, which DER begins with.
        let is_der = bytes.first() == Some(&0x30);
        let cure = if is_der {
            "it looks like DER: openssl x509 -inform der, or openssl pkey -inform der, makes it PEM"
        } else {
            "name one: its text begins with -----BEGIN"
        };
        return Err(Unusable::new(path, "is not a PEM file", cure));
    }
    Ok(bytes)
}

/// Every certificate of a PEM text; what helps when there is none, and when there is a key instead.
fn certificates(
    file: &Path,
    pem: &[u8],
    cure: &str,
    cure_of_key: &str,
) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            let labels = labels(pem);
            Err(if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
                Unusable::new(file, "holds a private key and no certificate", cure_of_key)
            } else {
                Unusable::new(file, nothing_of_use("certificate", &labels), cure)
            })
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(broken(file, &error, cure)),
    }
}

/// Of what is missing in a file that holds something else.
fn nothing_of_use(wanted: &str, labels: &[String]) -> String {
    match labels.first() {
        Some(label) => format!("holds no {wanted}, but a section `{label}`"),
        None => format!("holds no {wanted}"),
    }
}

/// Of a PEM text that cannot be read; without a word of it.
fn broken(file: &Path, error: &PemError, cure: &str) -> Unusable {
    let problem = match error {
        PemError::MissingSectionEnd { .. } => "is cut off: a -----BEGIN has no -----END",
        PemError::Base64Decode(_) => "is damaged: what stands between BEGIN and END is no base64",
        _ => "is not a PEM file that can be read",
    };
    Unusable::new(file, problem, cure)
}

/// What the sections of a PEM text call themselves.
fn labels(pem: &[u8]) -> Vec<String> {
    let lines = pem.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let labels = lines.filter_map(|line| line.trim().strip_prefix(BEGIN)?.strip_suffix("-----"));
    let is_label = |label: &&str| {
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
        label.len() <= LABEL_CHARS_MAX && label.bytes().all(is_byte)
    };
    labels.filter(is_label).map(str::to_owned).collect()
}

/// Whether a key is encrypted: PKCS #8, or as OpenSSL did it before (RFC 1421).
fn is_encrypted(pem: &[u8]) -> bool {
    let has = |text: &[u8]| pem.windows(text.len()).any(|part| part == text);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests;
