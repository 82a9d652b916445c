//! What each panel costs: a day of records and their rollups in the real servers, and for each panel
//! the documents that its searches touch and the time that the server says they took.
//!
//! No test: `make cost` runs it, and it writes bench/BOARDS.md. Shares data and makers of searches with
//! the test of every figure; what the figures are is not looked at here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Mutex;

use lbproxy::elk::Product;
use lbproxy::record::Dataset;
use lbproxy_boards as boards;

use super::data::{DAY_MS, Loaded};
use super::{Asked, Objects, committed};
use crate::server::{RealServer, on_both};

const REQUESTS: u64 = 100_000;
/// Searches of each panel: the middle one counts.
const ROUNDS: usize = 3;

/// What a panel's searches touched and took.
#[derive(Clone, Copy)]
struct Cost {
    documents: u64,
    took_ms: u64,
}

/// By product, board and panel, and whether it is for the whole day.
type Costs = HashMap<(Product, &'static str, &'static str, bool), Cost>;

#[test]
#[ignore = "no test: `make cost` writes bench/BOARDS.md"]
fn cost_of_every_panel() {
    let costs = Mutex::new(Costs::new());
    let stored = Mutex::new(HashMap::new());
    let versions = Mutex::new(BTreeMap::new());
    on_both(|product| {
        let server = RealServer::shared(product);
        let mut loaded = Loaded::day_into(server, REQUESTS);
        let objects = Objects::of(product);
        let end = loaded.range_ms.1;
        for board in boards::source::BOARDS {
            for (range_ms, is_day) in [(span_ms(board.range), false), (DAY_MS, true)] {
                loaded.range_ms = (end - range_ms, end);
                for panel in board.panels() {
                    let cost = cost(server, &objects, &loaded, (product, board, panel));
                    costs.lock().unwrap().insert((product, board.id, panel.id, is_day), cost);
                }
            }
        }
        // The tests' build of Elasticsearch has no other place that says it.
        let nodes = server.get("/_nodes?filter_path=nodes.*.version");
        let node = nodes["nodes"].as_object().unwrap().values().next().unwrap();
        let version = node["version"].as_str().unwrap().to_owned();
        versions.lock().unwrap().insert(product.as_str(), version);
        let counts = Dataset::ALL.map(|dataset| (dataset, loaded.count(dataset)));
        stored.lock().unwrap().insert(product, counts);
    });
    let stored = stored.into_inner().unwrap();
    let about = about(&versions.into_inner().unwrap());
    let page = page(&costs.into_inner().unwrap(), &stored[&Product::OpenSearch], &about);
    std::fs::write(committed::rooted("bench/BOARDS.md"), &page).unwrap();
    eprintln!("{page}");
}

/// Asks for a panel a few times.
fn cost(
    server: &RealServer,
    objects: &Objects,
    loaded: &Loaded,
    (product, board, panel): (Product, &boards::model::Board, &boards::model::Panel),
) -> Cost {
    let mut rounds = [(); ROUNDS].map(|()| {
        let asked = Asked::new(server, objects, loaded);
        asked.panel(product, board, panel);
        let (documents, took_ms) = asked.spent.get();
        Cost { documents, took_ms }
    });
    rounds.sort_by_key(|cost| cost.took_ms);
    rounds[ROUNDS / 2]
}

/// A span such as `24h`.
fn span_ms(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit_ms = match unit {
        "m" => 60_000,
        "h" => 3_600_000,
        _ => DAY_MS,
    };
    (number.parse::<u64>().unwrap() * unit_ms).min(DAY_MS)
}

fn page(costs: &Costs, stored: &[(Dataset, u64)], about: &str) -> String {
    let mut page = HEAD.replace("ABOUT", about);
    for (dataset, count) in stored.iter().filter(|(_, count)| *count > 0) {
        let _ = writeln!(page, "| {} | {count} |", dataset.as_str());
    }
    let sum = |product: Product, is: &dyn Fn(Dataset) -> bool| {
        let panels = boards::source::BOARDS
            .iter()
            .flat_map(|board| board.panels().map(move |panel| (board, panel)));
        let own = panels.filter(|(_, panel)| is(panel.dataset)).map(|(board, panel)| {
            let cost = costs[&(product, board.id, panel.id, true)];
            (1, cost.documents, cost.took_ms)
        });
        own.fold((0_u64, 0_u64, 0_u64), |all, one| (all.0 + one.0, all.1 + one.1, all.2 + one.2))
    };
    page += "\n## A day, by what is asked\n\n| Panels of | Panels | Documents each, OpenSearch | ms each \
             | Documents each, Elasticsearch | ms each |\n|---|---|---|---|---|---|\n";
    for dataset in Dataset::ALL {
        let is_own = |own: Dataset| own == dataset;
        let [open, elastic] =
            [Product::OpenSearch, Product::Elasticsearch].map(|product| sum(product, &is_own));
        let Some(count) = Some(open.0).filter(|count| *count > 0) else { continue };
        let _ = writeln!(
            page,
            "| {} | {count} | {} | {} | {} | {} |",
            dataset.as_str(),
            open.1 / count,
            open.2 / count,
            elastic.1 / count,
            elastic.2 / count
        );
    }
    page += &share();
    for board in boards::source::BOARDS {
        let _ = writeln!(page, "\n## {}\n", board.title);
        let range = board.range;
        let _ = writeln!(
            page,
            "| Panel | Data | OpenSearch {range}: documents | ms | 24h: documents | ms | \
             Elasticsearch {range}: documents | ms | 24h: documents | ms |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        );
        for panel in board.panels() {
            let _ = write!(page, "| {} | {} ", panel.title, panel.dataset.as_str());
            for product in [Product::OpenSearch, Product::Elasticsearch] {
                for is_day in [false, true] {
                    let cost = costs[&(product, board.id, panel.id, is_day)];
                    let _ = write!(page, "| {} | {} ", cost.documents, cost.took_ms);
                }
            }
            page += "|\n";
        }
    }
    page
}

fn about(versions: &BTreeMap<&str, String>) -> String {
    let date = std::process::Command::new("date").args(["-u", "+%F"]).output().unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    let versions: Vec<_> =
        versions.iter().map(|(product, version)| format!("{product} {version}")).collect();
    format!("{}, {cores} cores, {}, one node each.", date.trim_end(), versions.join(", "))
}

/// What boards with long ranges ask.
fn share() -> String {
    let long = boards::source::BOARDS.iter().filter(|board| span_ms(board.range) >= 6 * 3_600_000);
    let (boards, panels): (Vec<_>, Vec<_>) =
        long.map(|board| (board.title, board.panels().collect::<Vec<_>>())).unzip();
    let panels = panels.concat();
    let of = |is: &dyn Fn(Dataset) -> bool| panels.iter().filter(|own| is(own.dataset)).count();
    let rollups = of(&|own| own == Dataset::Rollup);
    let requests = of(&|own| own == Dataset::Access);
    let rest = panels.len() - rollups - requests;
    format!(
        "\n{} boards open with 6 hours or more. Of their {} panels, {rollups} ask rollups, {rest} samples, \
         checks and the like, and {requests} requests one by one.\n",
        boards.len(),
        panels.len()
    )
}

/// The head of the page.
const HEAD: &str = "\
# What the boards cost

<!-- Written by `make cost`. -->

ABOUT

Each panel's searches, as its product sends them, against real servers on one machine with nothing else in
them, for the range that its board opens with and for 24 hours. *Documents* are those that match a search's
range and filter: what its aggregations go through. *ms* is the server's own `took`, the middle of three
without its cache of requests. Milliseconds are those of the machine it ran on; documents are not.

Documents of rollups grow with services, routes, endpoints and minutes; those of requests with traffic. A
hundred times the traffic costs a hundred times as much where a panel asks requests, and nothing more
where it asks rollups: that is why the boards that open with long ranges ask rollups. The build of Elasticsearch
that the tests have cannot merge histograms, so its times lack the percentiles of rollups.

The day: two services with three routes and three endpoints each, samples every 15 seconds.

| Data | Documents stored |
|---|---|
";
