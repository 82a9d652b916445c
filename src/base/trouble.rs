//! Trouble that may last: told once when it begins, with every cause down to the system's, and once
//! when it is over, however often it is met meanwhile.

use std::error::Error;

/// What helps when a file may not grow (EFBIG): a limit of the process, not of the disk.
pub const RAISE_FILE_SIZE: &str = "raise the limit of file sizes (ulimit -f, LimitFSIZE=)";

/// One kind of trouble.
#[derive(Debug)]
pub struct Trouble {
    what: String,
    is_on: bool,
}

impl Trouble {
    /// None so far; `what` is told of it.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_on: false }
    }

    /// Takes the result of a try: tells if it is another than before.
    pub fn note<T, E: Error>(&mut self, result: &Result<T, E>) {
        if result.is_err() == self.is_on {
            return;
        }
        self.is_on = !self.is_on;
        if let Err(error) = result {
            tracing::warn!(error = causes(error), "{}", self.what);
        } else {
            tracing::info!("{}: this is over", self.what);
        }
    }
}

/// An error and its causes, the outermost first.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read")]
    struct Outer(#[source] io::Error);

    /// Goal: a line per change, with the errno. Method: a subscriber of this thread alone.
    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_is_over() {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut trouble = Trouble::new("the file is away");
            let fails = || Err::<(), _>(Outer(io::Error::from_raw_os_error(24)));
            for result in [Ok(()), fails(), fails(), fails(), Ok(()), Ok(()), fails()] {
                trouble.note(&result);
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let told: Vec<_> = text.lines().collect();
        assert_eq!(told.len(), 3, "{text}");
        for (line, want) in told.iter().zip(["os error 24", "this is over", "os error 24"]) {
            assert!(line.contains("the file is away") && line.contains(want), "{line}");
        }
    }
}
