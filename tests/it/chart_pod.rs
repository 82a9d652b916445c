//! Containers of a rendered chart as processes: command, arguments, environment, files and probes are those that the
//! chart gives them. What has to differ on one machine, and nothing else: the folders `/etc/lbproxy` and
//! `/var/lib/lbproxy` lie below a private one, addresses are on loopback, and ports are free ones.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::*;

/// The objects of a rendering, and what somebody else put into the namespace.
pub(crate) struct Release {
    objects: Vec<Value>,
    /// Data of Secrets that the chart does not make, by key; all are in one.
    secrets: HashMap<String, String>,
    dir: Arc<tempfile::TempDir>,
    /// Services by their addresses, and where they are here.
    elsewhere: Vec<(String, String)>,
}

/// What a kubelet would start.
struct Prepared {
    program: PathBuf,
    arguments: Vec<String>,
    env: Vec<(String, String)>,
    folder: PathBuf,
}

impl Release {
    pub(crate) fn new(rendered: &str, secrets: &[(&str, &str)]) -> Self {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self {
            objects: schema::yaml_documents(rendered),
            secrets: secrets.iter().map(own).collect(),
            dir: Arc::new(tempfile::tempdir().unwrap()),
            elsewhere: Vec::new(),
        }
    }

    /// The same namespace after an upgrade: volumes of pods of the same name are the same.
    pub(crate) fn upgraded(&self, rendered: &str) -> Self {
        Self {
            objects: schema::yaml_documents(rendered),
            secrets: self.secrets.clone(),
            dir: Arc::clone(&self.dir),
            elsewhere: self.elsewhere.clone(),
        }
    }

    /// From now on this address of a Service is that one.
    pub(crate) fn service(&mut self, name: &str, address: SocketAddr) {
        self.elsewhere.push((name.to_owned(), address.to_string()));
    }

    pub(crate) fn object(&self, kind: &str, name: &str) -> &Value {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        self.objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// Pod of a workload.
    fn pod_of(&self, kind: &str, name: &str) -> &Value {
        &self.object(kind, name)["spec"]["template"]["spec"]
    }

    fn secret(&self, key: &str) -> String {
        self.secrets.get(key).cloned().unwrap_or_else(|| format!("secret-{key}"))
    }

    /// A file of a volume, as it is there.
    fn file(&self, source: &Value, key: &str, folder: &Path) -> String {
        let Some(map) = source["configMap"]["name"].as_str() else { return self.secret(key) };
        let text = self.object("ConfigMap", map)["data"][key].as_str().unwrap();
        if key != "proxy.yaml" {
            return text.to_owned();
        }
        self.elsewhere
            .iter()
            .fold(localised(text, folder), |text, (name, address)| text.replace(name, address))
            .replace("0.0.0.0:9901", "127.0.0.1:0")
            .replace("port: 8080", "address: 127.0.0.1\n    port: 0")
    }

    /// Puts the files of a pod's first container in place, in a folder of its own that a later one finds again.
    fn prepare(&self, kind: &str, workload: &str, pod: &str) -> Prepared {
        let spec = self.pod_of(kind, workload);
        let container = &spec["containers"][0];
        let folder = self.dir.path().join(pod);
        for mount in list(&container["volumeMounts"]) {
            let place = folder.join(mount["mountPath"].as_str().unwrap().trim_start_matches('/'));
            std::fs::create_dir_all(&place).unwrap();
            let volume = list(&spec["volumes"]).iter().find(|one| one["name"] == mount["name"]);
            let sources = volume.map_or(&Value::Null, |volume| &volume["projected"]["sources"]);
            for source in list(sources) {
                let kind = if source["configMap"].is_null() { "secret" } else { "configMap" };
                for item in list(&source[kind]["items"]) {
                    let [key, path] = ["key", "path"].map(|part| item[part].as_str().unwrap());
                    let file = place.join(path);
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    std::fs::write(&file, self.file(source, key, &folder)).unwrap();
                }
            }
        }
        let env: Vec<_> =
            list(&container["env"]).iter().map(|one| self.variable(one, pod)).collect();
        let mut arguments = Vec::new();
        for argument in list(&container["args"]) {
            let mut argument = localised(argument.as_str().unwrap(), &folder);
            for (name, value) in &env {
                argument = argument.replace(&format!("$({name})"), value);
            }
            for (name, address) in &self.elsewhere {
                argument = argument.replace(name, address);
            }
            arguments.push(argument.replace("0.0.0.0:9090", "127.0.0.1:0"));
        }
        // The image's entry point.
        let program = PathBuf::from(env!("CARGO_BIN_EXE_lbproxy"));
        Prepared { program, arguments, env, folder }
    }

    fn variable(&self, one: &Value, pod: &str) -> (String, String) {
        let from = &one["valueFrom"];
        let value = if let Some(value) = one["value"].as_str() {
            value.to_owned()
        } else if from["fieldRef"]["fieldPath"] == "metadata.name" {
            pod.to_owned()
        } else {
            self.secret(from["secretKeyRef"]["key"].as_str().unwrap())
        };
        (one["name"].as_str().unwrap().to_owned(), value)
    }

    /// What `lbproxy check` says of the proxy's own files.
    pub(crate) fn check(&self, workload: &str) -> (Option<i32>, String) {
        let kinds = ["StatefulSet", "Deployment", "DaemonSet"];
        let is_it = |object: &&Value| {
            object["metadata"]["name"] == workload
                && kinds.iter().any(|kind| object["kind"] == *kind)
        };
        let kind = self.objects.iter().find(is_it).unwrap()["kind"].as_str().unwrap();
        let prepared = self.prepare(kind, workload, "checked");
        // Certificates are made by the cluster.
        let authority = prepared.folder.join("etc/lbproxy/ca/ca.crt");
        if authority.exists() {
            std::fs::copy(tls::fixture("cert.pem"), authority).unwrap();
        }
        let config = prepared.folder.join("etc/lbproxy/proxy.yaml");
        let mut command = Command::new(prepared.program);
        command.args(["check", "--config"]).arg(config).env_clear().envs(prepared.env);
        let output = command.output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    }

    /// Runs the container of a Job to its end; its exit code and all it said.
    pub(crate) fn job(&self, name: &str) -> (Option<i32>, String) {
        let Prepared { program, arguments, env, .. } = self.prepare("Job", name, name);
        let output = Command::new(program).args(arguments).env_clear().envs(env).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    }

    /// Starts a pod of a workload and waits until its startup and readiness probes succeed.
    pub(crate) fn start(&self, kind: &str, workload: &str, pod: &str) -> Pod {
        let Prepared { program, arguments, env, .. } = self.prepare(kind, workload, pod);
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        copy(child.stdout.take().unwrap(), &log);
        copy(child.stderr.take().unwrap(), &log);
        let spec = self.pod_of(kind, workload).clone();
        let mut pod = Pod { child, log, spec, ports: HashMap::new() };
        for port in list(&pod.spec["containers"][0]["ports"]).clone() {
            let name = port["name"].as_str().unwrap().to_owned();
            let address = wait_for(&name, || pod.listening(&name));
            pod.ports.insert(name, address);
        }
        wait_for("the startup probe", || pod.probe("startupProbe").then_some(()));
        wait_for("the readiness probe", || pod.probe("readinessProbe").then_some(()));
        pod
    }
}

/// The items of a list that may be absent.
fn list(value: &Value) -> &Vec<Value> {
    static NONE: Vec<Value> = Vec::new();
    value.as_array().unwrap_or(&NONE)
}

/// The folders of a container below one of this machine.
fn localised(text: &str, folder: &Path) -> String {
    let folder = folder.display();
    text.replace("/etc/lbproxy", &format!("{folder}/etc/lbproxy"))
        .replace("/var/lib/lbproxy", &format!("{folder}/var/lib/lbproxy"))
}

/// Copies what a process says.
fn copy(from: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&(line + "\n"));
        }
    });
}

/// A running container; killed when dropped.
pub(crate) struct Pod {
    child: Child,
    log: Arc<Mutex<String>>,
    spec: Value,
    /// Where its named ports are.
    ports: HashMap<String, SocketAddr>,
}

impl Pod {
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn port(&self, name: &str) -> SocketAddr {
        self.ports[name]
    }

    /// Where the container says that it listens for a port of this name.
    fn listening(&self, port: &str) -> Option<SocketAddr> {
        let log = self.log();
        if let Some(line) = log.lines().find(|line| line.contains(" listens on http://")) {
            return line.rsplit('/').next()?.parse().ok();
        }
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_port = lines.filter(|line| {
            let is_proxy = line["fields"]["message"] == "listening";
            line["fields"]["address"].is_string() && is_proxy == (port != "admin")
        });
        of_port.next()?["fields"]["address"].as_str()?.parse().ok()
    }

    /// Whether a probe succeeds, as a kubelet makes it; one that is not there does.
    pub(crate) fn probe(&self, kind: &str) -> bool {
        let probe = &self.spec["containers"][0][kind];
        let name = |action: &Value| action["port"].as_str().unwrap().to_owned();
        if let Some(action) = probe.get("httpGet") {
            let path = action["path"].as_str().unwrap();
            get(self.port(&name(action)), path).is_some_and(|status| (200..400).contains(&status))
        } else if let Some(action) = probe.get("tcpSocket") {
            std::net::TcpStream::connect(self.port(&name(action))).is_ok()
        } else {
            assert!(probe.is_null(), "{probe}");
            true
        }
    }

    /// What a kubelet does to end it: waits, asks, and kills after the grace period, which is no end in order.
    pub(crate) fn terminate(mut self) -> String {
        let wait_s =
            self.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        let grace_s = self.spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        let wait = Duration::from_secs(wait_s.unwrap_or(0));
        std::thread::park_timeout(wait);
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = wait_within(
            Duration::from_secs(grace_s).saturating_sub(wait),
            "the end within its grace period",
            || self.child.try_wait().unwrap(),
        );
        assert!(status.success(), "{status}\n{}", self.log());
        self.log()
    }
}

/// One request on a connection of its own; its status, or none where nobody answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    Some(read_response(&mut BufReader::new(stream), false)?.status)
}

impl Drop for Pod {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
