//! Goal: a file that cannot be used is told with what is wrong and what helps, and never with what it
//! holds. Method: files of every wrong kind, named rows.

use super::*;

const CERT: &str = include_str!("../../../tests/fixtures/tls/cert.pem");
const KEY: &str = include_str!("../../../tests/fixtures/tls/key.pem");
const SIGNED: &str = include_str!("../../../tests/fixtures/tls/signed.pem");
const SIGNED_KEY: &str = include_str!("../../../tests/fixtures/tls/signed-key.pem");

/// A base64 line of a key, which must stand in no message.
fn secret(pem: &str) -> &str {
    pem.lines().nth(1).unwrap()
}

fn told(result: Result<(), Unusable>) -> String {
    result.map_or_else(|unusable| unusable.to_string(), |()| "usable".to_owned())
}

/// What is said of two files with these contents.
fn check(cert: &str, key: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (dir.path().join("a.crt"), dir.path().join("a.key"));
    std::fs::write(&cert_file, cert).unwrap();
    std::fs::write(&key_file, key).unwrap();
    let whole = told(identity(&cert_file, &key_file).map(drop));
    // As PEM for other clients: the same verdict.
    assert_eq!(told(identity_pem(&cert_file, Some(&key_file)).map(drop)), whole);
    whole
}

#[test]
fn a_pair_that_cannot_be_used_is_told_with_file_fault_and_cure() {
    let both = format!("{CERT}{KEY}");
    let leaf_last = format!("{CERT}{SIGNED}");
    let pkcs8 = KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                  DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let cut = KEY.split("-----END").next().unwrap();
    let damaged = KEY.replacen(secret(KEY), "!!!!", 1);
    let emptied = KEY.replacen(secret(KEY), "", 1);
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let request = CERT.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    for (name, cert, key, wants) in [
        ("right", CERT, KEY, &["usable"][..]),
        ("both in each", &both, &both, &["usable"]),
        ("line ends of Windows", &CERT.replace('\n', "\r\n"), KEY, &["usable"]),
        ("swapped", KEY, CERT, &["a.crt holds a private key and no certificate", "swapped"]),
        ("key of another", CERT, SIGNED_KEY, &["a.key does not belong", "made for"]),
        ("leaf last", &leaf_last, SIGNED_KEY, &["to a later one", "leaf first"]),
        ("empty certificate", "", KEY, &["a.crt is empty"]),
        ("empty key", CERT, " \n", &["a.key is empty"]),
        ("no PEM as certificate", "no PEM here\n", KEY, &["a.crt is not a PEM file", "-----BEGIN"]),
        ("no PEM as key", CERT, "no PEM here\n", &["a.key is not a PEM file"]),
        ("DER", "0\u{1}", KEY, &["a.crt is not a PEM file", "openssl x509 -inform der"]),
        ("certificate as key", CERT, CERT, &["a.key holds a certificate and no private key"]),
        ("a request", &request, KEY, &["no certificate, but a section `CERTIFICATE REQUEST`"]),
        (
            "PKCS #8 with a passphrase",
            CERT,
            &pkcs8,
            &["a.key holds a key that is encrypted", "openssl pkey"],
        ),
        ("OpenSSL with a passphrase", CERT, legacy, &["a.key holds a key that is encrypted"]),
        ("cut off", CERT, cut, &["a.key is cut off"]),
        ("no base64", CERT, &damaged, &["a.key is damaged"]),
        ("a key cut short", CERT, &emptied, &["a.key holds a private key of a kind"]),
        ("no X.509", no_der, KEY, &["a.crt has a certificate (number 1) that is none"]),
    ] {
        let told = check(cert, key);
        for want in wants {
            assert!(told.contains(want), "{name}: {want:?} is not in {told}");
        }
        for pem in [KEY, SIGNED_KEY] {
            assert!(!told.contains(secret(pem)), "{name}: {told}");
        }
    }
}

#[test]
fn what_cannot_be_an_authority_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    for (name, text, want) in [
        ("one", CERT.to_owned(), "usable"),
        ("two and a comment", format!("# ours\n{CERT}{SIGNED}"), "usable"),
        ("a key", KEY.to_owned(), "holds a private key and no certificate; name a PEM file"),
        ("no PEM", "text\n".to_owned(), "is not a PEM file"),
        ("nothing", String::new(), "is empty"),
        ("half of it", CERT.split("-----END").next().unwrap().to_owned(), "is cut off"),
        (
            "the second is none",
            format!("{CERT}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "(number 2) that is none",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let told = told(roots(&file).map(drop));
        assert!(told.contains(want), "{name}: {told}");
    }
    for (name, path, want) in [
        ("none", dir.path().join("none"), "cannot be read"),
        ("a folder", dir.path().to_owned(), "is not a regular file"),
        ("no end", PathBuf::from("/dev/zero"), "is not a regular file"),
    ] {
        let told = told(roots(&path).map(drop));
        assert!(told.contains(want), "{name}: {told}");
    }
}

#[test]
fn a_certificate_out_of_date_is_told_with_its_days() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chain.pem");
    std::fs::write(&file, format!("{SIGNED}{CERT}")).unwrap();
    let chain = chain(&file).unwrap();
    let day = Duration::from_hours(24);
    for (name, now, want) in [
        ("1970", Duration::ZERO, "is not valid yet, for "),
        ("2300", day * 365 * 330, "has expired "),
    ] {
        let told = out_of_date(&chain, now);
        assert_eq!(told.len(), 2, "{name}: {told:?}");
        assert!(told[1].starts_with(&format!("certificate 2 of 2 {want}")), "{name}: {told:?}");
    }
    let today = Duration::from_millis(crate::base::clock::wall_ms());
    assert_eq!(out_of_date(&chain, today), [""; 0]);
}
