//! A report as one page: style and pictures are in it, nothing is loaded, no script runs.

use std::fmt::Write as _;

use super::super::source::Found;
use super::super::svg::{self, escape};
use super::parts::{ReportPart, parts};
use crate::base::visible::visible;

/// The page around the plots, whose style comes with them.
const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f6f7f9;--panel:#fff;--ink:#1b2330;--quiet:#5a6575;--line:#e3e7ec}\
@media(prefers-color-scheme:dark){:root{--ground:#10141a;--panel:#171c24;--ink:#e4e9f0;--quiet:#98a4b5;--line:#2a323d}}\
body{margin:0;background:var(--ground);color:var(--ink);font:14px/1.5 system-ui,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;\
font-variant-numeric:tabular-nums}main{max-width:960px;margin:0 auto;padding:20px 16px 60px}\
h1{font-size:22px;margin:0 0 6px}h2{font-size:17px;margin:34px 0 4px;padding-top:14px;border-top:1px solid var(--line)}\
h3{font-size:14px;margin:18px 0 4px}p{margin:4px 0}p,td,th{overflow-wrap:anywhere}\
.wide{overflow-x:auto;margin:8px 0;background:var(--panel);border:1px solid var(--line);border-radius:8px}\
.wide svg{display:block;min-width:720px;width:100%;height:auto}\
table{border-collapse:collapse;width:100%;min-width:660px;font-size:13px}th,td{padding:5px 10px;text-align:left;vertical-align:top;\
border-top:1px solid var(--line);overflow-wrap:normal}thead th{border-top:0;color:var(--quiet);font-weight:500}\
.n{text-align:right;white-space:nowrap}@media print{.wide{break-inside:avoid}}";

pub(super) fn write(found: &Found) -> String {
    let mut body = String::new();
    for part in parts(found) {
        // Writing to a String cannot fail.
        let _ = match part {
            ReportPart::Heading(level, words) => {
                writeln!(body, "<h{level}>{}</h{level}>", plain(&words))
            }
            ReportPart::Sentence(words) => writeln!(body, "<p>{}</p>", plain(&words)),
            ReportPart::Table(head, rows) => table(&mut body, &head, &rows),
            ReportPart::Picture(plot) => {
                writeln!(body, "<div class=\"wide\">{}</div>", plot.draw().inline(&plot.label()))
            }
        };
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Service level report</title>\n<style>{STYLE}{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n\
         </html>\n",
        svg::STYLE
    )
}

fn table(body: &mut String, head: &[(&str, bool)], rows: &[Vec<String>]) -> std::fmt::Result {
    let class = |is_figure: bool| if is_figure { " class=\"n\"" } else { "" };
    write!(body, "<div class=\"wide\"><table>\n<thead><tr>")?;
    for (name, is_figure) in head {
        write!(body, "<th scope=\"col\"{}>{name}</th>", class(*is_figure))?;
    }
    writeln!(body, "</tr></thead>\n<tbody>")?;
    for cells in rows {
        body.push_str("<tr>");
        for (cell, (_, is_figure)) in cells.iter().zip(head) {
            write!(body, "<td{}>{}</td>", class(*is_figure), plain(cell))?;
        }
        body.push_str("</tr>\n");
    }
    writeln!(body, "</tbody></table></div>")
}

/// A text that is no markup.
fn plain(text: &str) -> String {
    escape(&visible(text.as_bytes()).to_string()).into_owned()
}
