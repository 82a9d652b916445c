//! Goal: a chart with values that cannot work is refused when it is rendered, and the message names what to set; the
//! proxy.yaml of every example is one that lbproxy takes. Method: both Helms without a cluster, named rows.
//!
//! What they render is run by `chart_run` and `chart_rolling`; the objects themselves are tried by `helm-unittest`
//! (helm/*/tests) and `scripts/chart`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chart_pod::Release;

/// Both Helms; none, and a loud line, where there was no Go to build them.
pub(crate) fn helms() -> Vec<PathBuf> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/parts");
    let where_is = |name: &str| {
        let output = Command::new(&parts).args(["where", name]).output().unwrap();
        let path = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| PathBuf::from(path.trim_end()))
    };
    let found: Vec<_> = ["helm3", "helm4"].into_iter().filter_map(where_is).collect();
    if found.len() < 2 {
        eprintln!("SKIPPED: no Helm; run `scripts/parts chart` (it needs a Go toolchain)");
        return Vec::new();
    }
    found
}

/// What a chart renders without a cluster, or why not.
pub(crate) fn render(helm: &Path, chart: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(helm)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["template", "r", &format!("helm/{chart}"), "--namespace", "n"])
        .args(["--kube-version", "1.33.0"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Values under which the chart renders without a cluster.
const SECRETS: &str = "secrets.existingSecret=s,stack.tls.existingSecret=t";

#[test]
fn values_that_cannot_work_are_refused_with_what_to_set() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("an unknown key", &["--set", "replicaz=2"], &["replicaz"]),
        (
            "an unknown key of proxy.yaml",
            &["--set", "config.proxy.workerz=2"],
            &["/config/proxy", "workerz"],
        ),
        (
            "a duration without a unit",
            &["--set", "config.telemetry.journal.sync=5"],
            &["/config/telemetry/journal/sync"],
        ),
        (
            "a service without hosts",
            &["--set-json", "config.proxy.services=[{\"name\":\"a\",\"domain\":\"*\"}]"],
            &["/config/proxy/services/0", "hosts"],
        ),
        ("no service", &["--set-json", "config.proxy.services=[]"], &["/config/proxy/services"]),
        (
            "an unknown mode",
            &["--set", "stack.mode=cloud"],
            &["'bundled', 'eck', 'external', 'none'"],
        ),
        ("an image's digest", &["--set", "image.digest=latest"], &["/image/digest", "sha256:"]),
        ("external without a URL", &["--set", "stack.mode=external"], &["set stack.external.urls"]),
        (
            "external without credentials",
            &[
                "--set",
                "secrets.existingSecret=,stack.mode=external,stack.external.urls={https://a:9200}",
            ],
            &[
                "admin-token, shipping-password, watch-password, server-password",
                "set secrets.existingSecret",
            ],
        ),
        (
            "an address that is none",
            &["--set", "stack.mode=external,stack.external.urls={search:9200}"],
            &["/stack/external/urls/0", "^https?://"],
        ),
        (
            "eck without its operator",
            &["--set", "stack.mode=eck"],
            &["helm install eck elastic/eck-operator"],
        ),
        (
            "eck with OpenSearch",
            &["--set", "stack.mode=eck,stack.product=opensearch"],
            &["stack.mode=bundled"],
        ),
        (
            "several bundled nodes",
            &["--set", "stack.server.nodes=3"],
            &["set stack.server.nodes=1"],
        ),
        (
            "passwords under a renderer without `lookup`",
            &["--set", "secrets.existingSecret="],
            &["sees no cluster", "dashboards-key", "set secrets.existingSecret"],
        ),
        (
            "certificates under a renderer without `lookup`",
            &["--set", "stack.tls.existingSecret="],
            &["sees no cluster", "tls.crt, tls.key, ca.crt", "set stack.tls.existingSecret"],
        ),
        (
            "the admin address",
            &["--set", "config.admin.listen=0.0.0.0:1"],
            &["config.admin", "Remove it"],
        ),
        (
            "the journal's folder",
            &["--set", "config.telemetry.journal.path=/a"],
            &["journal.keep", "Remove it"],
        ),
        (
            "the server's address twice",
            &["--set", "config.telemetry.elasticsearch.urls={http://a:9200}"],
            &["config.telemetry.elasticsearch.urls", "set stack.external"],
        ),
        (
            "a server without an address",
            &["--set", "stack.mode=none,config.telemetry.elasticsearch.timeout=5s"],
            &["config.telemetry.elasticsearch has no urls"],
        ),
        (
            "objectives twice",
            &["--set", "config.slo.files={a.yaml},objectives.b\\.yaml=c"],
            &["config.slo.files and objectives", "Keep one"],
        ),
        (
            "a file of objectives by no name of one",
            &["--set", "objectives.b=c"],
            &["objectives.b", ".yaml"],
        ),
        (
            "a volume smaller than its journal",
            &["--set", "config.telemetry.journal.size=2GiB"],
            &["Set journal.size"],
        ),
        ("a size without a unit", &["--set-string", "journal.size=1000"], &["/journal/size"]),
        (
            "an autoscaler of nodes' pods",
            &["--set", "autoscaling.enabled=true,journal.keep=node"],
            &["Set journal.keep to volume or pod"],
        ),
        (
            "an autoscaler without room",
            &["--set", "autoscaling.enabled=true,autoscaling.min=3,autoscaling.max=2"],
            &["Set max to at least min"],
        ),
        (
            "a monitor without its operator",
            &["--set", "serviceMonitor.enabled=true"],
            &["serviceMonitor.enabled=false"],
        ),
        (
            "a gateway without its API",
            &["--set", "gateway.enabled=true"],
            &["gateway.enabled=false"],
        ),
        (
            "a route to no gateway",
            &["--set", "gateway.enabled=true", "--api-versions", "gateway.networking.k8s.io/v1"],
            &["set gateway.parentRefs"],
        ),
        ("an Ingress without a host", &["--set", "ingress.enabled=true"], &["set ingress.hosts"]),
        (
            "any free port",
            &["--set", "config.proxy.listen.port=0"],
            &["Set its port in config.proxy"],
        ),
        (
            "the admin's port",
            &["--set", "config.proxy.listen.port=9901"],
            &["Set another in config.proxy"],
        ),
        (
            "a port of no listener",
            &["--set", "service.ports.https=443"],
            &["names no listener", "http"],
        ),
        ("an old cluster", &["--kube-version", "1.29.0"], &[">=1.30.0"]),
    ];
    for helm in helms() {
        for (name, arguments, words) in rows {
            let all = [&["--set", SECRETS], *arguments].concat();
            let message = match render(&helm, "lbproxy", &all) {
                Ok(text) => panic!("{name}: {} renders {text}", helm.display()),
                Err(message) => message,
            };
            for word in *words {
                assert!(
                    message.contains(word),
                    "{name}: {} does not say {word:?}: {message}",
                    helm.display()
                );
            }
        }
        for (name, argument) in [("the address", "--listen=0.0.0.0:1"), ("no flag", "delay")] {
            let set = format!("args={{{argument}}}");
            let message = render(&helm, "lbserverdown", &["--set", &set]).unwrap_err();
            assert!(message.contains("/args/0"), "{name}: {message}");
        }
    }
}

#[test]
fn every_example_has_a_proxy_yaml_that_lbproxy_takes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("lbserverdown") {
            continue;
        }
        for helm in helms() {
            let values = path.to_str().unwrap();
            let operator = "elasticsearch.k8s.elastic.co/v1";
            let arguments = ["--values", values, "--set", SECRETS, "--api-versions", operator];
            let release = Release::new(&render(&helm, "lbproxy", &arguments).unwrap(), &[]);
            let (code, text) = release.check("r-lbproxy");
            assert_eq!(code, Some(0), "{name}: {text}");
            count += 1;
        }
    }
    assert!(count >= 12 || helms().is_empty(), "{count} examples");
}

#[test]
fn another_proxy_yaml_or_objective_makes_other_pods() {
    for helm in helms() {
        let sum = |set: &str| {
            let text = render(&helm, "lbproxy", &["--set", SECRETS, "--set", set]).unwrap();
            let lines = text.lines().filter(|line| line.contains("checksum/config"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let first = sum("replicas=2");
        assert_eq!(first, sum("replicas=3"));
        for other in ["config.proxy.workers=3", "objectives.a\\.yaml=b"] {
            let other = sum(other);
            // The server and its dashboards have a checksum each, too, and no proxy.yaml.
            let differ = first.iter().zip(&other).filter(|(one, two)| one != two).count();
            assert_eq!((first.len(), other.len(), differ), (4, 4, 2));
        }
    }
}

#[test]
fn bundled_servers_are_of_the_versions_that_tests_run() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    };
    let (versions, values) = (read("scripts/lib.sh"), read("helm/lbproxy/values.yaml"));
    for product in ["ELASTICSEARCH", "OPENSEARCH"] {
        let name = format!("{product}_VERSION=");
        let version = versions.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        let has = values.matches(&format!(":{version}\n")).count();
        assert_eq!(has, 2, "{product}: server and dashboards have {version} in values.yaml");
    }
}
