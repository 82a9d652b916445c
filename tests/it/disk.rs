//! Goal: a full disk and one that turned read-only stop no traffic, lose nothing that was journaled, and are
//! said at once. Method: the real program with its journal on a file system of the test's own; needs
//! root, and says so where it cannot have one.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lbproxy_fakes::{Options, Outage, Product};

use crate::journal::send;
use crate::support::*;

/// Two seconds are promised; a busy machine gets as much again.
const SAID: Duration = Duration::from_secs(4);
/// The stream of what is sent here.
const STREAM: &str = "logs-lbproxy.access-a";

/// A file system that a journal is on, unmounted when dropped.
pub(crate) struct Disk {
    pub(crate) dir: Arc<tempfile::TempDir>,
}

/// Runs a tool; its output, or why the test cannot be made here.
pub(crate) fn tool(name: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(name).args(args).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

impl Disk {
    /// `make` puts a file system at the path of the journal. `None` where that is not allowed.
    pub(crate) fn new(make: impl FnOnce(&Self) -> Result<String, String>) -> Option<Self> {
        let disk = Self { dir: Arc::new(tempfile::tempdir().unwrap()) };
        std::fs::create_dir(disk.journal()).unwrap();
        match make(&disk) {
            Ok(_) => Some(disk),
            Err(reason) => {
                eprintln!("SKIPPED: no file system can be mounted here: {reason}");
                None
            }
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Mounts the image of an ext4 that turns read-only at its first error.
    fn mount_image(&self) -> Result<String, String> {
        let (image, at) = (self.path("image"), self.path("journal"));
        tool("mount", &["-o", "loop,errors=remount-ro", &image, &at])
    }

    /// Meets the ext4 with an error.
    fn fail(&self) {
        let device = tool("findmnt", &["-no", "SOURCE", &self.path("journal")]).unwrap();
        let device = device.trim_start_matches("/dev/");
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let path = self.journal().join("ballast");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
    }

    /// Takes the rights to the folder, from root too, or gives them back.
    fn freeze(&self, how: &str) {
        tool("chattr", &[how, &self.path("journal")]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = tool("umount", &["-l", &self.path("journal")]);
    }
}

/// What the page's strip says of the journal.
fn fault(proxy: &Proxy) -> Option<String> {
    let page = proxy.admin("GET", "/api/v1/shipping").body;
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    page["trust"]["journal_fault"].as_str().map(str::to_owned)
}

#[test]
fn a_full_disk_costs_nothing_that_is_reserved_and_is_said_when_it_does() {
    let on_tmpfs = |disk: &Disk| {
        tool("mount", &["-t", "tmpfs", "-o", "size=16m", "tmpfs", &disk.path("journal")])
    };
    let Some(disk) = Disk::new(on_tmpfs) else { return };
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let upstream = Upstream::ok();
    let (service, target) = (one_service(&[upstream.address], ""), ship_to(&server.url(), "a", ""));
    let size = ", size: 12MiB";
    let proxy = Proxy::start_with(Arc::clone(&disk.dir), &service, &target, "10s", size);
    let stream = connect(proxy.address);
    let whole = proxy.figures()["lbproxy_journal_capacity_bytes"];
    disk.fill();
    send(&stream, 1000);
    let figures = proxy.settled();
    assert_eq!(figures["lbproxy_journal_dropped_full_total"], 0, "its space was reserved");
    assert_eq!((fault(&proxy), figures["lbproxy_journal_folder_fault"]), (None, 0));

    // Nothing is taken, so that the journal fills; somebody removes its files and takes their space.
    server.set_outage(0, Outage::Unavailable);
    for entry in std::fs::read_dir(disk.journal()).unwrap() {
        let path = entry.unwrap().path();
        if path.display().to_string().contains("/segment-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    wait_for("records without space", || {
        disk.fill();
        send(&stream, 20);
        (proxy.figures()["lbproxy_journal_dropped_full_total"] > 0).then_some(())
    });
    wait_within(SAID, "what is said of it", || {
        disk.fill();
        send(&stream, 1);
        let is_less = proxy.figures()["lbproxy_journal_capacity_bytes"] < whole;
        (is_less && fault(&proxy)?.contains("full disk")).then_some(())
    });
    std::fs::remove_file(disk.journal().join("ballast")).unwrap();
    server.set_outage(0, Outage::None);
    wait_for("its whole size", || {
        send(&stream, 20);
        let figures = proxy.figures();
        let is_whole = figures["lbproxy_journal_capacity_bytes"] == whole;
        (is_whole && fault(&proxy).is_none()).then_some(())
    });
    let dropped = proxy.settled()["lbproxy_journal_dropped_full_total"];
    send(&stream, 100);
    let figures = proxy.settled();
    assert_eq!(figures["lbproxy_journal_dropped_full_total"], dropped, "it is used again");
    assert_eq!(figures["lbproxy_ship_damaged_total"], 0, "what was journaled is stored");
    drop(stream);
    let log = proxy.terminate();
    assert!(log.contains("make room on the disk"), "{log}");
}

#[test]
fn a_disk_that_cannot_be_written_is_said_and_nothing_that_was_journaled_is_lost() {
    let on_ext4 = |disk: &Disk| {
        let image = disk.path("image");
        tool("truncate", &["-s", "64M", &image])?;
        tool("mkfs.ext4", &["-q", &image])?;
        disk.mount_image()
    };
    let Some(disk) = Disk::new(on_ext4) else { return };
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let upstream = Upstream::ok();
    let (service, target) = (one_service(&[upstream.address], ""), ship_to(&server.url(), "a", ""));
    let start = || {
        let size = ", size: 12MiB";
        Proxy::start_with(Arc::clone(&disk.dir), &service, &target, "10s", size)
    };
    let proxy = start();
    let stream = connect(proxy.address);
    let said = |is_wrong: bool| {
        wait_within(SAID, "what is said of it", || {
            let figure = proxy.figures()["lbproxy_journal_folder_fault"];
            let is_shown = fault(&proxy).is_some_and(|text| text.contains("cannot be written"));
            ((figure == 1, is_shown) == (is_wrong, is_wrong)).then_some(())
        });
    };
    disk.freeze("+i");
    said(true);
    send(&stream, 20);
    disk.freeze("-i");
    said(false);
    proxy.settled();

    server.set_outage(0, Outage::Unavailable);
    send(&stream, 50);
    disk.fail();
    said(true);
    send(&stream, 50); // users are served, whether or not a record finds space
    server.set_outage(0, Outage::None);
    let stored = wait_for("every journaled record to be stored", || {
        let (stored, figures) = (server.documents(STREAM).len(), proxy.figures());
        (stored as u64 == figures["lbproxy_journal_appended_total"]).then_some(stored)
    });
    assert!(stored >= 70, "{stored}");
    drop(stream);
    let log = proxy.terminate();
    assert_eq!(log.matches("the journal folder cannot be written").count(), 2, "{log}");
    assert_eq!(log.matches("the journal folder is as it should be again").count(), 1, "{log}");

    tool("umount", &[&disk.path("journal")]).unwrap();
    disk.mount_image().unwrap();
    let again = start();
    assert_eq!(again.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    let figures = again.settled();
    assert_eq!(figures["lbproxy_journal_folder_fault"], 0);
    assert_eq!(server.documents(STREAM).len(), stored + 1, "{figures:#?}");
    assert_eq!(server.duplicates(STREAM), Vec::<String>::new());
}
