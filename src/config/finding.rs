//! What is wrong with a configuration file: where, what, and what to write instead.

use std::collections::HashMap;
use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// File as it was named.
    pub file: String,
    /// Line from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column from 1.
    pub column: usize,
    /// Path of the key, such as `proxy.services[0].hosts`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}; {}", self.problem, self.cure)
    }
}

/// Where the keys of a file stand, to say of one what is found out later.
#[derive(Clone, Default)]
pub struct Places {
    pub(crate) file: String,
    /// Line and column of each key that is written.
    pub(crate) keys: HashMap<String, (usize, usize)>,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

impl Places {
    /// Whether a key is written in the file.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// A finding about a key, at its place; about one that is not written, at what it would stand in.
    pub fn finding(&self, key: &str, problem: String, cure: String) -> Finding {
        let mut around = std::iter::successors(Some(key), |key| Some(key.rsplit_once('.')?.0));
        let (line, column) = around.find_map(|key| self.keys.get(key).copied()).unwrap_or((0, 0));
        Finding { file: self.file.clone(), line, column, key: key.to_owned(), problem, cure }
    }
}

/// Every mistake of a file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Report {
    /// At least one.
    pub findings: Vec<Finding>,
}
