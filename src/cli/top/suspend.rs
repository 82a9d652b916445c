//! Ctrl-Z and `fg`: the terminal is given back before this process stops, and taken again when it goes on.
//!
//! In raw mode Ctrl-Z is a key, so it is turned into the signal that it would have been, for everybody
//! in the foreground as a terminal does. Not here: the terminal itself (`screen`).

use std::io;
use std::sync::mpsc::SyncSender;

use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::News;

/// Tells every wish to stop and every going on.
pub(super) fn watch() -> io::Result<impl FnOnce(&SyncSender<News>) + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut stop, mut go_on) = {
        let _entered = runtime.enter();
        let number = |signal: Signal| SignalKind::from_raw(signal.as_raw());
        (signal(number(Signal::TSTP))?, signal(number(Signal::CONT))?)
    };
    Ok(move |tell: &SyncSender<News>| {
        runtime.block_on(async {
            loop {
                let news = tokio::select! {
                    _ = stop.recv() => News::Stop,
                    _ = go_on.recv() => News::GoOn,
                };
                if tell.send(news).is_err() {
                    return;
                }
            }
        });
    })
}

/// What the key Ctrl-Z would have done.
pub(super) fn ask() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}

/// Stops this process until somebody lets it go on. May return a moment before it has stopped, so
/// nothing is drawn until [`News::GoOn`].
pub(super) fn stop() -> io::Result<()> {
    Ok(kill_process(getpid(), Signal::STOP)?)
}
