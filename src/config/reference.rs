//! `docs/config.md`: every key with type, default and meaning, made from what the reader asks for.

use std::fmt::Write as _;

use super::keys::{Key, Shape};
use crate::base::units;

/// The head of the page.
const HEAD: &str = "\
# proxy.yaml

<!-- Generated from what the reader asks for (src/config/read.rs); `UPDATE=1 cargo test --test tidy` rewrites it. -->

Every key, with its type, its default and its meaning. A key that is not here is a mistake, and
`lbproxy check` names the nearest one that is. For editors there is a JSON Schema:
[config.schema.json](config.schema.json), also `lbproxy schema config`.

- Durations are a whole number and a unit: `500ms`, `10s`, `5m`, `1h`; sizes too: `512B`, `64KiB`, `5MiB`.
- `${VAR}` and `${VAR:-default}` in a value are replaced from the environment; `$${` stands for `${`.
- Paths that are not absolute start at the folder in which lbproxy was started.
- Secrets also come from the file that the same key with `_file` names.

The smallest complete file:

```yaml
proxy:
  listen: {port: 8080}
  services:
    - name: shop
      domain: \"*\"
      hosts: [\"127.0.0.1:9090\"]
```
";

/// The page.
pub fn reference_markdown() -> String {
    let keys = super::keys();
    let mut page = String::from(HEAD);
    let mut told: Vec<&str> = Vec::new();
    let mut elsewhere: Vec<&str> = Vec::new();
    for map in keys.iter().filter(|key| key.shapes.contains(&Shape::Map)) {
        if elsewhere.iter().any(|path| map.path.starts_with(path)) {
            continue;
        }
        let title = if map.path.is_empty() { "The file" } else { &map.path };
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {title}\n");
        if !map.doc.is_empty() {
            let _ = write!(page, "\n{}\n", map.doc);
        }
        let same = told.iter().find(|path| inner(&keys, path) == inner(&keys, &map.path));
        if let Some(path) = same {
            let _ = write!(page, "\nAs `{path}`.\n");
            elsewhere.push(&map.path);
        } else {
            table(&mut page, &keys, &map.path);
            told.push(&map.path);
        }
    }
    page
}

/// The keys below a path, without it: what makes two mappings the same.
fn inner<'k>(keys: &'k [Key], path: &str) -> Vec<(&'k str, &'k [Shape], &'k str)> {
    let below = |key: &'k Key| {
        let rest = key.path.strip_prefix(path)?.strip_prefix('.')?;
        Some((rest, key.shapes.as_slice(), key.doc.as_str()))
    };
    keys.iter().filter_map(below).collect()
}

/// The table of one mapping.
fn table(page: &mut String, keys: &[Key], path: &str) {
    *page += "\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n";
    for key in keys.iter().filter(|key| key.parent() == Some(path)) {
        let default = match (&key.default, key.is_required) {
            (_, true) => "required".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, _) => String::new(),
        };
        let instead = key.instead.as_ref().map_or_else(String::new, |(other, is_one_required)| {
            let other = other.rsplit('.').next().unwrap_or_default();
            let end = if *is_one_required { "; one of them is required" } else { "" };
            format!(" Not beside `{other}`{end}.")
        });
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | {}{instead} |",
            key.name(),
            kinds(keys, key),
            key.doc
        );
    }
}

/// What a key can be, in words.
fn kinds(keys: &[Key], key: &Key) -> String {
    if key.shapes.is_empty() {
        return "text".to_owned();
    }
    let all: Vec<_> = key.shapes.iter().map(|shape| kind(keys, key, shape)).collect();
    all.join(", or ")
}

/// One thing that a key can be, in words.
fn kind(keys: &[Key], key: &Key, shape: &Shape) -> String {
    match shape {
        Shape::Text(what) => what.clone(),
        Shape::Choice(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(" or ")
        }
        Shape::Flag => "true or false".to_owned(),
        Shape::Number { least, most } => format!("number, {least} to {most}"),
        Shape::Duration { least, most } => {
            format!(
                "duration, {} to {}",
                units::write_duration(*least),
                units::write_duration(*most)
            )
        }
        Shape::Size { least, most } => {
            format!("size, {} to {}", units::write_bytes(*least), units::write_bytes(*most))
        }
        Shape::Map => "mapping".to_owned(),
        Shape::Names => "mapping by name".to_owned(),
        Shape::List { .. } => {
            let path = format!("{}[]", key.path);
            let items = keys.iter().find(|item| item.path == path);
            items.map_or_else(
                || "list".to_owned(),
                |items| format!("list of: {}", kinds(keys, items)),
            )
        }
    }
}
