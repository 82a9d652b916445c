//! Goal: a signal ends the program in order or not at all, from its first moment on. Method: the real
//! program with an exchange under way, and a row per signal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::*;

/// Ends the program when the test does.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(pipes.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits until the program handles these signals itself.
    fn await_handlers(&self, signals: &[Signal]) {
        wait_for("the handlers of signals", || {
            let path = format!("/proc/{}/status", self.0.id());
            let status = std::fs::read_to_string(path).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            let is_caught = |signal: &Signal| mask & (1 << (signal.as_raw() - 1)) != 0;
            signals.iter().all(is_caught).then_some(())
        });
    }

    /// Waits for its end; whether that was a success, and what it said. Its input stays open until then:
    /// the end of a configuration must not overtake a signal.
    fn end(mut self) -> (bool, String) {
        let _input = self.0.stdin.take();
        let status = wait_for("the end", || self.0.try_wait().unwrap());
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.success(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_exchange_under_way_survives_every_signal() {
    for (signal, ends, said) in [
        (Signal::HUP, false, "does not read its configuration again yet"),
        (Signal::USR1, false, "no log file to reopen"),
        (Signal::USR2, false, "no log file to reopen"),
        (Signal::QUIT, true, "draining"),
        (Signal::TERM, true, "draining"),
        (Signal::INT, true, "draining"),
    ] {
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let begun = Arc::new(Mutex::new(false));
        let has_begun = Arc::clone(&begun);
        let upstream = Upstream::start(move |_, _| {
            *begun.lock().unwrap() = true;
            let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
        });
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
        let mut client = connect(proxy.address);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        wait_for("the exchange", || has_begun.lock().unwrap().then_some(()));
        proxy.signal(signal);
        wait_for(said, || proxy.log().contains(said).then_some(()));
        go_on.send(()).unwrap();
        let answer = read_response(&mut BufReader::new(client), false);
        assert_eq!(answer.map(|answer| answer.body), Some(b"ok".to_vec()), "{signal:?}");
        let log = if ends { proxy.ended() } else { proxy.terminate() };
        assert!(
            log.contains("created 1 = journaled 1 + dropped_full 0 (holds)"),
            "{signal:?}: {log}"
        );
    }
}

#[test]
fn signals_of_the_start_are_neither_lost_nor_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "proxy:\n{}\nadmin: {{listen: \"127.0.0.1:0\"}}\n\
         telemetry: {{journal: {{path: {}}}}}\n",
        one_service(&[nobody()], ""),
        dir.path().join("journal").display()
    );
    let run = || Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    let quiet = [Signal::HUP, Signal::USR1, Signal::USR2];
    let all = [&quiet[..], &[Signal::QUIT, Signal::TERM, Signal::INT]].concat();

    let mut program = Program::start(run().args(["run", "--config", "-"]));
    program.await_handlers(&all);
    for signal in quiet {
        program.signal(signal);
    }
    program.0.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut lines = BufReader::new(program.0.stderr.as_mut().unwrap()).lines();
    for said in ["listening", "SIGHUP"] {
        assert!(lines.any(|line| line.unwrap().contains(said)), "{said}");
    }
    program.signal(Signal::QUIT);
    assert!(program.end().0);

    for signal in [Signal::QUIT, Signal::TERM, Signal::INT] {
        let program = Program::start(run().args(["run", "--config", "-"]));
        program.await_handlers(&all);
        program.signal(signal);
        let (is_fine, said) = program.end();
        assert!(is_fine && said.contains("before anything was started"), "{signal:?}: {said}");
    }
}

/// Goal: a limit of the process is named, where the system would end it without a word.
#[test]
fn a_limit_on_file_sizes_below_a_segment_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let text = format!(
        "proxy:\n{}\nadmin: {{listen: \"127.0.0.1:0\"}}\ntelemetry: {{journal: {{path: {}}}}}\n",
        one_service(&[nobody()], ""),
        dir.path().join("journal").display()
    );
    std::fs::write(&file, text).unwrap();
    let script = "ulimit -f 200; exec \"$0\" run --config \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_lbproxy")])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("segment-") && said.contains("LimitFSIZE="), "{said}");
}

#[test]
fn what_belongs_to_a_terminal_ends_with_it_unless_told_not_to() {
    let upstream = "upstream --listen 127.0.0.1:0";
    let all = [Signal::HUP, Signal::USR1, Signal::USR2, Signal::QUIT, Signal::TERM, Signal::INT];
    let start = |before: &str| {
        let script = format!("{before} exec \"$0\" {upstream}");
        Program::start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_lbproxy")]))
    };
    for signal in [Signal::HUP, Signal::QUIT, Signal::TERM] {
        let program = start("");
        program.await_handlers(&all);
        program.signal(Signal::USR1);
        program.signal(signal);
        let (is_fine, said) = program.end();
        assert!(is_fine && said.contains("0 requests on 0 connections"), "{signal:?}: {said}");
    }
    // As with nohup.
    let mut program = start("trap '' HUP;");
    program.await_handlers(&all[1..]);
    program.signal(Signal::HUP);
    program.signal(Signal::USR1);
    let mut lines = BufReader::new(program.0.stderr.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("SIGUSR1")), "it goes on");
    program.signal(Signal::TERM);
    assert!(program.end().0);
}
