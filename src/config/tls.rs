//! The `tls` mappings: which files they name, looked at as whoever speaks TLS will use them.
//!
//! Not here: what makes a file usable (`certificates`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificates::{self, Unusable};
use super::map::Map;
use super::tree::Item;
use super::types::{ClientTls, ListenerTls, OtlpTls};
use crate::base::clock::wall_ms;

/// `tls` of a listener.
pub(super) fn listener(map: Map<'_, '_>) -> Option<ListenerTls> {
    let mut map = map.means(ListenerTls::DOCS);
    let cert = map.required("cert_file", "write the path of the certificate chain (PEM)");
    let key = map.required("key_file", "write the path of the private key (PEM)");
    let (cert_file, key_file) = pair(cert.as_ref(), key.as_ref());
    map.end();
    Some(ListenerTls { cert_file: cert_file?, key_file: key_file? })
}

/// `tls` towards Elasticsearch.
pub(super) fn client(map: Option<Map<'_, '_>>) -> ClientTls {
    let mut tls = ClientTls { ca_file: None, cert_file: None, key_file: None, verify: true };
    if let Some(map) = map {
        let mut map = map.means(ClientTls::DOCS);
        let ca = map.get("ca_file");
        (tls.cert_file, tls.key_file) = client_pair(&mut map);
        tls.verify = map.flag("verify", true);
        tls.ca_file = if tls.verify {
            ca.and_then(|item| authorities(&item))
        } else if let Some(item) = ca {
            item.warn("does nothing beside `verify: false`", "remove one of the two");
            item.file().map(PathBuf::from)
        } else {
            None
        };
        map.end();
    }
    tls
}

/// `tls` towards a collector.
pub(super) fn otlp(map: Map<'_, '_>) -> OtlpTls {
    let mut map = map.means(OtlpTls::DOCS);
    let ca_file = map.get("ca_file").and_then(|item| authorities(&item));
    let (cert_file, key_file) = client_pair(&mut map);
    if cert_file.is_some() && key_file.is_none() {
        map.missing("key_file", "write the key that belongs to cert_file");
    }
    map.end();
    OtlpTls { ca_file, cert_file, key_file }
}

/// `ca_file`.
fn authorities(item: &Item<'_, '_>) -> Option<PathBuf> {
    let path = PathBuf::from(item.file()?);
    usable(item, certificates::roots(&path));
    Some(path)
}

/// `cert_file` and `key_file` of a client. Without the second the key stands in the first.
fn client_pair(map: &mut Map<'_, '_>) -> (Option<PathBuf>, Option<PathBuf>) {
    let (cert, key) = (map.get("cert_file"), map.get("key_file"));
    if cert.is_none() && key.is_some() {
        map.missing("cert_file", "write the certificate of key_file");
    }
    let is_in_one = cert.is_some() && key.is_none();
    let files = pair(cert.as_ref(), if is_in_one { cert.as_ref() } else { key.as_ref() });
    if is_in_one { (files.0, None) } else { files }
}

/// The files of a chain and of its key.
fn pair(
    cert: Option<&Item<'_, '_>>,
    key: Option<&Item<'_, '_>>,
) -> (Option<PathBuf>, Option<PathBuf>) {
    let cert_file = cert.and_then(Item::file).map(PathBuf::from);
    let key_file = key.and_then(Item::file).map(PathBuf::from);
    let chain = read(cert, cert_file.as_deref(), certificates::chain);
    if let (Some(item), Some(chain)) = (cert, &chain) {
        let now = Duration::from_millis(wall_ms());
        for told in certificates::out_of_date(chain, now) {
            item.warn(&told, "renew it: whoever checks certificates refuses it");
        }
    }
    let signing = read(key, key_file.as_deref(), certificates::key);
    if let (Some(item), Some(path), Some(chain), Some(signing)) =
        (key, key_file.as_deref(), chain, signing)
    {
        usable(item, certificates::matched(chain, signing, path));
    }
    (cert_file, key_file)
}

/// What a file of a key holds, if it can be used.
fn read<T>(
    item: Option<&Item<'_, '_>>,
    path: Option<&Path>,
    read: impl FnOnce(&Path) -> Result<T, Unusable>,
) -> Option<T> {
    usable(item?, read(path?))
}

/// Notes what makes a file unusable.
fn usable<T>(item: &Item<'_, '_>, read: Result<T, Unusable>) -> Option<T> {
    let note = |unusable: Unusable| {
        item.note(&format!("{} {}", unusable.file.display(), unusable.problem), &unusable.cure);
    };
    read.map_err(note).ok()
}
