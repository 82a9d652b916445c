//! Goal: every mistake of `slo.notify` is found at its place with a cure, and no secret is shown. Method:
//! small files, named rows.

use super::super::parse;
use super::*;

/// A file with these keys of `slo.notify`.
fn file(keys: &str) -> String {
    format!(
        "proxy: {{listen: {{port: 0}}, services: [{{name: a, domain: a, hosts: [\"a:1\"]}}]}}\n\
         slo:\n  notify: {{{keys}}}\n"
    )
}

fn read(keys: &str) -> Notify {
    let config = parse("f.yaml", &file(keys), &|_| None);
    config.unwrap_or_else(|report| panic!("{keys}: {report}")).slo.notify
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn mistakes_of_channels_and_routes_name_place_key_and_cure() {
    let channel = |keys: &str| format!("channels: {{a: {{{keys}}}}}");
    let slack = "channels: {a: {type: slack, url: \"https://h/x\"}}";
    let route = |keys: &str| format!("{slack}, routes: [{{{keys}}}]");
    let mail = |keys: &str| channel(&format!("type: email, server: h, from: a@b, {keys}"));
    for (name, keys, wants) in [
        ("no type", channel("url: x"), &["channels.a.type: is missing"][..]),
        (
            "another type",
            channel("type: pigeon"),
            &["`pigeon` is not a known word", "pagerduty or"],
        ),
        (
            "a key of another type",
            channel("type: slack, url: \"https://h/x\", urls: [x]"),
            &["a.urls: is not a known key", "did you mean `url`?"],
        ),
        (
            "a name with a point",
            "channels: {\"a.b\": {type: slack}}".to_owned(),
            &["is not a name of a channel"],
        ),
        (
            "no key",
            channel("type: pagerduty"),
            &["a.routing_key_file: is missing", "or `routing_key`"],
        ),
        (
            "two keys",
            channel("type: pagerduty, routing_key: x, routing_key_file: y"),
            &["keep one of the two"],
        ),
        (
            "no file",
            channel("type: jsm, api_key_file: /nonexistent"),
            &["api_key_file", "/nonexistent"],
        ),
        (
            "credentials in a URL",
            channel("type: jsm, api_key: x, url: \"https://u:hunter22@h\""),
            &["holds credentials"],
        ),
        ("no URL", channel("type: slack, url: hunter22"), &["a.url: is not a URL of HTTP"]),
        (
            "a login in a URL",
            channel("type: webhook, url: \"https://u:hunter22@h/x\""),
            &["a.url: has a user or password in it", "password_file"],
        ),
        (
            "no replica",
            channel("type: alertmanager, urls: []"),
            &["urls: is empty", "every replica"],
        ),
        ("no reader", mail("to: []"), &["to: is empty"]),
        ("no address", mail("to: [\"a b@c\"]"), &["to[0]", "is not an address of mail"]),
        (
            "no user of mail",
            mail("to: [c@d, \"a..b@example.com\"]"),
            &["to[1]", "is not an address"],
        ),
        ("no host of mail", mail("to: [\"a@.\"]"), &["to[0]", "is not an address of mail"]),
        (
            "a password in the clear",
            mail("to: [a@b], encryption: none, username: u, password: hunter22"),
            &["encryption: would send the password in the clear"],
        ),
        ("a token for mail", mail("to: [a@b], bearer: hunter22"), &["does not use"]),
        (
            "no such channel",
            route("name: r, to: [aa]"),
            &["routes[0].to[0]: is no channel", "did you mean `a`?"],
        ),
        (
            "no such channel at all",
            "routes: [{name: r, to: [x]}]".to_owned(),
            &["slo.notify.channels has none"],
        ),
        (
            "a name twice",
            route("name: r, to: [a]}, {name: r, to: [a]"),
            &["routes[1].name: is the name of an earlier route"],
        ),
        ("no such severity", route("name: r, to: [a], severity: both"), &["page or ticket"]),
        ("no list", route("name: r, to: [a], service: shop"), &["service: is not a list"]),
        (
            "no time",
            route("name: r, to: [a], hours: [{from: \"9:00\", to: \"24:01\"}]"),
            &["`9:00` is not a time of day", "`24:01` is not"],
        ),
        (
            "no day",
            route("name: r, to: [a], hours: [{from: \"09:00\", to: \"17:00\", days: [monday]}]"),
            &["days[0]", "mon or tue"],
        ),
        (
            "no zone",
            route("name: r, to: [a], hours: [{from: \"09:00\", to: \"17:00\", offset: CET}]"),
            &["offset", "such as \"+01:00\""],
        ),
        (
            "no cap",
            format!("{slack}, rate_cap: 0"),
            &["rate_cap: `0` is not a whole number from 1"],
        ),
    ] {
        let said = match parse("f.yaml", &file(&keys), &|_| None) {
            Ok(_) => panic!("{name}: nothing found in {keys}"),
            Err(report) => report.to_string(),
        };
        assert!(wants.iter().all(|want| said.contains(want)), "{name}: {said}");
        assert!(!said.contains("hunter"), "{name}: {said}");
    }
}

#[test]
fn a_file_with_a_channel_of_each_kind_is_read() {
    let config = read(
        "channels: {a: {type: pagerduty, routing_key: hunter22, proxy: \"http://u:hunter22@h:1\"}, b: {type: jsm, api_key: hunter22}, \
         c: {type: email, server: h, from: a@b, to: [c@d], encryption: tls}, \
         d: {type: webhook, url: \"http://h/x\", sign: hunter22, timeout: 2s}}, \
         routes: [{name: r, to: [a, d], severity: ticket, owner: [x, y], \
         hours: [{days: [sat, sun], from: \"22:00\", to: \"06:30\", offset: \"-05:30\"}]}]",
    );
    let kinds: Vec<_> = config.channels.iter().map(|one| one.target.kind().as_str()).collect();
    assert_eq!(kinds, ["pagerduty", "jsm", "email", "webhook"]);
    let (Target::PagerDuty { url, .. }, Target::Jsm { url: base, .. }) =
        (&config.channels[0].target, &config.channels[1].target)
    else {
        panic!("{config:?}")
    };
    assert_eq!(url.as_str(), "https://events.pagerduty.com/v2/enqueue");
    assert_eq!(base.as_str(), "https://api.atlassian.com/jsm/ops/integration");
    assert!(matches!(config.channels[2].target, Target::Email { port: 465, login: None, .. }));
    assert_eq!(config.channels[3].timeout, seconds(2));
    let NotifyRoute { is_page, labels, hours, .. } = &config.routes[0];
    assert_eq!(
        (is_page, &labels[..]),
        (&Some(false), &[("owner", vec!["x".into(), "y".into()])][..])
    );
    let days = [false, false, false, false, false, true, true];
    let want = Hours { days, from_minute: 22 * 60, to_minute: 390, offset_minutes: -330 };
    assert_eq!(hours[..], [want]);
    assert!(!format!("{config:?}").contains("hunter22"));
    assert_eq!(read("").rate_cap, 20);
}

/// Goal: what we show is a configuration. Method: blocks of the pages, with a file for each secret.
#[test]
fn the_pages_show_what_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "https://hooks.example.com/services/T0/B0/XXXXXXXX").unwrap();
    let mut shown = 0;
    for page in [include_str!("../../../docs/notify.md"), include_str!("../../../docs/slo.md")] {
        for block in page.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let indent = block.len() - block.trim_start().len();
            let lines = block.lines().map(|line| line.get(indent..).unwrap_or_default());
            let block = lines.collect::<Vec<_>>().join("\n");
            if !block.contains("\n  notify:\n") {
                continue;
            }
            let mut parts = block.split("_file: ");
            let mut text = parts.next().unwrap().to_owned();
            for part in parts {
                let end = part.find([',', '}', '\n']).unwrap_or(part.len());
                text += "_file: ";
                text += file.path().to_str().unwrap();
                text += &part[end..];
            }
            let proxy =
                "proxy: {listen: {port: 0}, services: [{name: a, domain: a, hosts: [\"a:1\"]}]}\n";
            let config = parse("f.yaml", &format!("{proxy}{text}"), &|_| None);
            let config = config.unwrap_or_else(|report| panic!("{report} in\n{text}"));
            assert!(!config.slo.notify.routes.is_empty());
            shown += 1;
        }
    }
    assert_eq!(shown, 2);
}
