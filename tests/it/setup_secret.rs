//! Goal: no password or key is lost, whenever `lbproxy setup` ends, and one that is not known is told.
//! Method: the real program against the mock, killed while the server makes the user; answers that do not
//! tell whether it is made.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lbproxy_fakes::{Product, Running};

use crate::setup::{configuration, server, setup};
use crate::support::*;

/// Where a user is made.
const fn user(product: Product) -> &'static str {
    match product {
        Product::OpenSearch => "/_plugins/_security/api/internalusers/lbproxy",
        _ => "/_security/user/lbproxy",
    }
}

/// Runs `lbproxy setup` and kills it as soon as the server has this request; what it printed.
fn cut(server: &Running, path: &str, arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["setup", "--config"])
        .arg(configuration(server, "", dir.path()))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let is_made = || {
        let all = server.requests();
        all.iter().any(|seen| seen.method != "GET" && seen.target == path).then_some(())
    };
    wait_for("the request", is_made);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    out
}

fn length(path: &Path) -> Option<u64> {
    Some(std::fs::metadata(path).ok()?.len())
}

#[test]
fn a_password_is_kept_before_the_server_has_it() {
    for product in [Product::Elasticsearch, Product::OpenSearch] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shipping");
        let arguments = ["--credentials-file", file.to_str().unwrap()];
        let server = server(product);
        cut(&server, user(product), &arguments);
        assert_eq!(length(&file), Some(36), "{product:?}");
        let secret = std::fs::read_to_string(&file).unwrap();
        // What is left to do needs no new secret.
        setup(&server, &arguments).expect("again", 0, &[]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), secret, "{product:?}");

        let server = self::server(product);
        let out = cut(&server, user(product), &[]);
        assert!(out.contains("username: lbproxy\n           password: "), "{product:?}: {out}");
    }
}

#[test]
fn a_key_is_kept_or_the_next_run_says_that_it_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shipping");
    let arguments = ["--credentials", "api-key", "--credentials-file", file.to_str().unwrap()];
    let server = server(Product::Elasticsearch);
    cut(&server, "/_security/api_key", &arguments);
    match length(&file) {
        Some(8) => setup(&server, &arguments).expect("kept", 0, &[]),
        found => {
            assert_eq!(found, Some(0));
            let text = format!("the key itself is not in {}", file.display());
            setup(&server, &arguments).expect("not kept", 1, &[&text]);
        }
    }
}

#[test]
fn a_user_whose_password_is_not_where_it_is_wanted_is_told_with_the_way_to_another() {
    for (product, kind, what) in [
        (Product::Elasticsearch, "user", "user lbproxy is there already, and its password"),
        (Product::OpenSearch, "user", "user lbproxy is there already, and its password"),
        (
            Product::Elasticsearch,
            "api-key",
            "API key lbproxy_shipping is there already, and the key",
        ),
    ] {
        let name = &format!("{product:?} {kind}");
        let server = server(product);
        setup(&server, &["--credentials", kind]).expect(name, 0, &["done: "]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shipping");
        let path = file.to_str().unwrap();
        let arguments = ["--credentials", kind, "--credentials-file", path];
        let cure = "make it anew: `lbproxy setup --remove --only access`";
        for is_there in [false, true] {
            if is_there {
                std::fs::write(&file, "").unwrap();
            }
            setup(&server, &arguments).expect(name, 1, &[what, path, cure]);
            assert_eq!(length(&file), is_there.then_some(0), "{name}");
        }
        // The cure is one: also a file without a word in it is in nobody's way.
        setup(&server, &["--remove", "--only", "access"]).expect(name, 0, &["removed"]);
        setup(&server, &arguments).expect(name, 0, &["_file: "]);
        assert!(length(&file) > Some(0), "{name}");
    }
}

#[test]
fn a_user_is_made_when_the_server_says_so_and_a_password_that_may_be_its_is_kept() {
    let (kept, gone) = (Some(36), None);
    for (name, status, body, want) in [
        ("nothing said", 200, "{}", kept),
        ("another status", 202, r#"{"created": true, "status": "OK"}"#, kept),
        ("a page", 200, "<html>", kept),
        ("no answer in time", 504, "", kept),
        ("not now", 503, "", kept),
        ("no right", 403, "{}", gone),
        ("not understood", 400, "{}", gone),
    ] {
        for product in [Product::Elasticsearch, Product::OpenSearch] {
            let name = &format!("{product:?}, {name}");
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("shipping");
            let server = server(product);
            server.script("PUT", user(product), status, body);
            let run = setup(&server, &["--credentials-file", file.to_str().unwrap()]);
            let told =
                format!("{} has its password, should the server have made it", file.display());
            let told = if want.is_some() { told.as_str() } else { "" };
            run.expect(name, 1, &["x user lbproxy: ", told, "NOT COMPLETE"]);
            assert_eq!(length(&file), want, "{name}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shipping");
    let arguments = ["--credentials", "api-key", "--credentials-file", file.to_str().unwrap()];
    let server = server(Product::Elasticsearch);
    server.script("POST", "/_security/api_key", 200, r#"{"encoded": ""}"#);
    setup(&server, &arguments).expect("an empty key", 1, &["x API key lbproxy_shipping: "]);
    assert_eq!(length(&file), None);
}
