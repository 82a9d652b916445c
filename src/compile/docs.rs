//! `docs/slo-compile.md`, written from the tables of features and tools.

use std::fmt::Write as _;

use super::{Feature, Support, TOOLS};

const HEAD: &str = "\
# Objectives for other tools

<!-- Generated from src/compile; `UPDATE=1 cargo test --test tidy` rewrites it. -->

lbproxy evaluates its objectives itself ([evaluation.md](evaluation.md)). Who has an on-call rotation in another tool \
compiles them for it; the files of objectives stay the one truth.

```sh
lbproxy slo compile --to prometheus                    # prints the rules; what is lost goes to standard error
lbproxy slo compile --to prometheus --out rules        # writes them, removes what no objective makes any more
lbproxy slo compile --to prometheus --out rules --check    # for CI: exit code 1 when the folder is not up to date
lbproxy slo compile --to elastalert2 --out rules --format json slo/*.yaml
```

- Which events count and which are good is said by lbproxy alone, in `lbproxy_slo_valid_total` and \
`lbproxy_slo_bad_total` on `/metrics` and in the records `metrics-lbproxy.slo-*`. No tool is given a filter, so none \
can read one otherwise.
- The same objectives give the same bytes. The head of each file has the SHA-256 of the objectives with every default \
written out: another spelling of a file changes nothing.
- Ids are `lbp-NAME-WINDOW`, such as `lbp-availability-1h` (`lbp-NAME-1h-5m` where two windows have the same long one; \
`lbp-NAME-no-data`), at most 48 bytes: what is longer, or would be there twice, ends in digits of a hash. A new target \
or text leaves them as they are, so a tool goes on with the same rule.
- Files are written whole or not at all (mode 0644: another account reads them). A file in `--out` is removed only when \
it says in its first lines that this command made it for this tool.

## What each tool does
What an objective asks for and a tool does not do as lbproxy does is printed at each run, by objective.

";

/// The whole of `docs/slo-compile.md`: what each tool does, how its files are loaded.
pub fn compile_markdown() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| | {} |", TOOLS.map(|tool| tool.title).join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(TOOLS.len()));
    for feature in Feature::ALL {
        let cells = TOOLS.map(|tool| match (tool.support)(feature) {
            Support::Whole(_) => "yes",
            Support::Partly { .. } => "partly",
            Support::Absent { .. } => "no",
        });
        let _ = writeln!(page, "| {} | {} |", feature.title(), cells.join(" | "));
    }
    for tool in TOOLS {
        let _ = write!(page, "\n## {}\n`--to {}`. {}\n\n", tool.title, tool.name, tool.loading);
        page += "| | How | What to do about it |\n|---|---|---|\n";
        for feature in Feature::ALL {
            let (how, instead) = match (tool.support)(feature) {
                Support::Whole("") => continue,
                Support::Whole(how) => (how, ""),
                Support::Partly { why, instead } | Support::Absent { why, instead } => {
                    (why, instead)
                }
            };
            let (how, instead) = (how.replace('|', "\\|"), instead.replace('|', "\\|"));
            let _ = writeln!(page, "| {} | {how} | {instead} |", feature.title());
        }
    }
    page
}
