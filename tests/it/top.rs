//! Goal: `lbproxy top` shows the figures of a running proxy, says what is wrong where there is none, and
//! leaves a terminal as it found it. Method: the real program, traffic of known counts, a terminal of
//! the test's own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use crate::support::*;

/// Keys below `telemetry` that switch rollups on.
const ROLLUPS: &str = "  rollup: {every: 1m}\n";

/// The program without a terminal.
fn top(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.arg("top").args(args).stdin(Stdio::null()).env("TERM", "xterm").output().unwrap()
}

/// What it prints, when it ends well.
fn printed(args: &[&str]) -> String {
    let output = top(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn url(proxy: &Proxy) -> String {
    format!("http://{}", proxy.admin)
}

/// A proxy that has answered 30 requests with 200 and 10 with 503.
fn busy() -> Proxy {
    let upstream = Upstream::start(|head, _| {
        let status = if head.contains("/bad") { "503 Bad" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), ROLLUPS);
    for (path, count) in [("/good", 30), ("/bad", 10)] {
        for _ in 0..count {
            proxy.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
    }
    proxy
}

#[test]
fn figures_are_those_of_the_traffic() {
    let proxy = busy();
    let url = url(&proxy);
    let json = wait_for("every request to be counted", || {
        let json: Value = serde_json::from_str(&printed(&["--json", "--admin", &url])).unwrap();
        (json["overview"]["totals"]["requests"] == 40).then_some(json)
    });
    assert_eq!(json["about"]["instance"], "test");
    assert_eq!(json["overview"]["totals"]["failure"], 10);
    assert_eq!(json["live"]["endpoints"][0]["attempts"], 40);
    assert_eq!(json["overview"]["totals"]["levels"]["success"], "hurt");
    assert_eq!(json["services"]["rows"].as_array().unwrap().len(), 2, "service and endpoint");
    for args in [&["--admin", &url][..], &["--once", "--admin", &url]] {
        let text = printed(args);
        for want in [
            "lbproxy top  test",
            "■ web: ",
            // Since when, or of the last minutes where the first look at the counts came after it.
            " % of requests failed ",
            ", most of them status 503 at 127.0.0.1:",
            "success 75.0 %",
            "SERVICE",
            "web ",
            "1 up",
            "records   made 4",
            "→ shipped not configured: set telemetry.elasticsearch",
            "no gap",
        ] {
            assert!(text.contains(want), "{want:?} is not in\n{text}");
        }
        assert!(!text.contains('\x1b'), "a pipe is no terminal: {text:?}");
    }
}

#[test]
fn without_rollups_it_says_what_to_set() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let text = printed(&["--admin", &url(&proxy)]);
    assert!(text.contains("○ Not configured") && text.contains("telemetry.rollup.every"), "{text}");
    let json: Value = serde_json::from_str(&printed(&["--json", "--admin", &url(&proxy)])).unwrap();
    assert!(json["overview"].is_null() && json["live"]["seq"].is_u64(), "{json}");
}

#[test]
fn where_there_are_no_figures_it_says_why_and_what_to_do() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("token", "sesame\n"), file("wrong", "sesam\n"));
    let admin = format!("admin: {{listen: \"127.0.0.1:0\", token_file: {right:?}}}\n");
    let proxy = Proxy::start_in(Arc::clone(&dir), &one_service(&[nobody()], ""), &admin);
    let guarded = url(&proxy);
    let stranger = Upstream::ok();
    let stranger = format!("http://{}", stranger.address);
    let nobody = format!("http://{}", nobody());
    for (name, args, code, wants) in [
        ("nobody", &["--admin", &*nobody][..], 1, &["no proxy answers at", "--admin"][..]),
        ("something else", &["--admin", &stranger], 1, &["is no admin listener of lbproxy"]),
        ("no token", &["--admin", &guarded], 1, &["asks for a token", "--token-file"]),
        (
            "a wrong one",
            &["--admin", &guarded, "--token-file", &wrong],
            1,
            &["refuses the token of --token-file", "admin.token_file"],
        ),
        ("no file", &["--token-file", "/nowhere/t"], 2, &["/nowhere/t", "cannot be read"]),
        ("no address", &["--admin", "127.0.0.1:9901"], 2, &["http://ADDRESS:PORT"]),
        ("too often", &["--interval", "1ms"], 2, &["200ms or more"]),
    ] {
        let output = top(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {text}");
        for want in wants {
            assert!(text.contains(want), "{name}: {want:?} is not in {text}");
        }
        assert!(!text.contains("sesam"), "{name}: the token is told: {text}");
    }
    printed(&["--admin", &guarded, "--token-file", &right]);
}

/// The program on a terminal of its own, killed when dropped.
struct Terminal {
    child: Child,
    master: File,
    /// Keeps what the terminal is set to, also when the program has gone.
    slave: OwnedFd,
    /// Everything that was written to it.
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn start(url: &str, colours: bool) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let flags =
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&*path, flags, rustix::fs::Mode::empty()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        command.args(["top", "--interval", "200ms", "--admin", url]).env("TERM", "xterm-256color");
        if colours {
            command.env_remove("NO_COLOR")
        } else {
            command.env("NO_COLOR", "1")
        };
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // As a shell does: Ctrl-Z stops the group of who reads the keys, not the test.
        command.process_group(0);
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, master, slave, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until this was written to it; a picture is sent in pieces, but a word is one.
    fn await_text(&self, text: &str) {
        let found = || self.seen().contains(text).then_some(());
        wait_for(text, found);
    }

    /// Whether keys are lines that are echoed, as a shell left it.
    fn is_as_before(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    fn send(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Whether the system holds it, as a shell's `jobs` would say.
    fn is_stopped(&self) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        text.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
    }

    fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Waits for its end by itself, and for its last words.
    fn end(&mut self) -> String {
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.seen());
        self.await_text("\x1b[?1049l");
        self.seen()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    let proxy = busy();
    for (name, keys, signal) in [
        ("q", &b"q"[..], None),
        ("Ctrl-C", b"\x03", None),
        ("q in a service", b"\rjq", None),
        ("SIGTERM", b"", Some(Signal::TERM)),
        ("SIGINT", b"", Some(Signal::INT)),
    ] {
        let mut terminal = Terminal::start(&url(&proxy), true);
        terminal.await_text("journaled");
        assert!(!terminal.is_as_before(), "{name}: keys come one by one");
        terminal.press(keys);
        if let Some(signal) = signal {
            terminal.send(signal);
        }
        let seen = terminal.end();
        assert!(terminal.is_as_before(), "{name}");
        let last = |text: &str| seen.rfind(text).unwrap_or_else(|| panic!("{name}: no {text:?}"));
        assert!(last("\x1b[?1049h") < last("\x1b[?1049l"), "{name}: back on the page of before");
        assert!(seen.rfind("\x1b[?25l") < seen.rfind("\x1b[?25h"), "{name}: the cursor is seen");
    }
}

#[test]
fn a_proxy_that_goes_is_told_and_asked_again() {
    let proxy = busy();
    let mut terminal = Terminal::start(&url(&proxy), false);
    terminal.await_text("journaled");
    proxy.kill();
    terminal.await_text("Gone");
    terminal.await_text("--admin");
    terminal.press(b"q");
    let seen = terminal.end();
    let colours = ["\x1b[31", "\x1b[38;5;", "\x1b[1;31"];
    assert!(colours.iter().all(|code| !seen.contains(code)), "NO_COLOR: {seen:?}");
}

/// Goal: Ctrl-Z and `fg` do what they do elsewhere. Method: stopped by the key, by its signal and by one
/// that no program sees; in between the terminal is that of the shell, afterwards the picture is whole.
#[test]
fn it_stops_and_goes_on_like_any_program() {
    let proxy = busy();
    for (name, keys, signal) in [
        ("Ctrl-Z", &b"\x1a"[..], None),
        ("Ctrl-Z in the filter", b"/we\x1a", None),
        ("SIGTSTP", b"", Some(Signal::TSTP)),
        ("SIGSTOP", b"", Some(Signal::STOP)),
    ] {
        let mut terminal = Terminal::start(&url(&proxy), true);
        terminal.await_text("journaled");
        for round in 0..2 {
            terminal.press(keys);
            if let Some(signal) = signal {
                terminal.send(signal);
            }
            wait_for("the stop", || terminal.is_stopped().then_some(()));
            if signal != Some(Signal::STOP) {
                assert!(terminal.is_as_before(), "{name}, {round}: the shell has its terminal");
                terminal.await_text("\x1b[?1049l");
            }
            terminal.seen.lock().unwrap().clear();
            terminal.send(Signal::CONT);
            terminal.await_text("\x1b[?1049h");
            terminal.await_text("journaled");
            assert!(!terminal.is_as_before(), "{name}, {round}: keys come one by one again");
        }
        terminal.press(b"\x03");
        terminal.end();
        assert!(terminal.is_as_before(), "{name}: as before");
    }
}
