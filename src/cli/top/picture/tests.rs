//! Goal: in every situation the picture says the right thing, fits, and harms no terminal. Method: what
//! the API tells, as JSON, drawn on terminals that exist only here; keys as people press them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::super::fetch::Problem;
use super::super::figures::{Figures, Raw};
use super::super::state::After;
use super::*;

/// The clock of all pictures: 12:03:04 UTC.
const NOW_MS: u64 = 1_795_521_784_000;

/// An endpoint as the API tells it.
fn endpoint(service: &str, endpoint: &str, state: &str, rate: f64) -> Value {
    json!({
        "service": service, "endpoint": endpoint, "state": state, "since_ms": NOW_MS - 12_000,
        "attempts_rate": rate, "failures_rate": 0.0, "in_flight": 3, "connections_active": 3,
        "connections_idle": 5, "connections_opened": 10, "connections_reused": 90,
    })
}

/// Figures of a service or endpoint as the API tells them.
fn place(service: &str, endpoint: Option<&str>, success: u64, failure: u64) -> Value {
    let times = json!({ "p50_us": 1_200, "p95_us": 8_000, "p99_us": 12_400, "max_us": 90_000,
                        "count": success + failure });
    let reasons = if failure > 0 {
        json!([{ "reason": "upstream_reset", "count": failure, "blame": "endpoint",
                 "meaning": "the endpoint reset the connection" }])
    } else {
        json!([])
    };
    json!({
        "service": service, "endpoint": endpoint, "requests": success + failure, "success": success,
        "failure": failure, "classes": [0, 0, success, 0, 0, failure], "failed_attempts": failure,
        "duration": times, "first_byte": times, "connect": null, "reasons": reasons,
        "levels": { "success": if failure > 0 { "hurt" } else { "ok" }, "latency": "ok" },
    })
}

/// A verdict as the API tells it, with a time in it.
fn verdict(level: &str, before: &str, after: &str) -> Value {
    json!({ "level": level, "words": [before, { "time_ms": NOW_MS - 12_000 }, after] })
}

/// Objectives as the API tells them: the worst has this group and budget.
fn budget(group: &Value, left: f64) -> Value {
    json!({ "objectives": 2, "worst": {
        "title": "Availability", "group": group, "level": "ok", "state": "inactive", "alert": null,
        "valid": 30_900, "budget_left": left,
    } })
}

/// A proxy of two services, `shop` with this share of failures.
fn answers(failure: u64, second: &str) -> Raw {
    let places = json!([
        place("shop", None, 30_000 - failure, failure),
        place("api", None, 900, 0),
        place("shop", Some("10.0.0.1:9090"), 20_000, 0),
        place("shop", Some("10.0.0.2:9090"), 10_000 - failure, failure),
        place("api", Some("10.0.1.1:80"), 900, 0),
    ]);
    let mut totals = place("", None, 30_900 - failure, failure);
    let reasons = totals["reasons"].take();
    Raw {
        about: json!({ "version": "0.1.0", "instance": "lb-1" }),
        live: json!({
            "time_ms": NOW_MS, "uptime_s": 10_800, "requests_rate": 103.0, "received_rate": 20_480.0,
            "sent_rate": 1_310_720.0, "cpu_ratio": 0.123, "resident_bytes": 20_971_520,
            "connections": 40, "in_flight": 9,
            "endpoints": [
                endpoint("api", "10.0.1.1:80", "up", 3.0),
                endpoint("shop", "10.0.0.1:9090", "up", 75.0),
                endpoint("shop", "10.0.0.2:9090", second, 25.0),
            ],
            "queues": [
                { "service": "shop", "in_flight": 10, "in_flight_max": 10, "waiting": 7,
                  "waiting_max": 1_000 },
            ],
            "verdict": { "list": [{ "level": "ok", "words": ["All is as promised."] }], "more": 0 },
            "trust": {
                "created": 31_000, "journaled": 31_000, "dropped": 0, "damaged": 0,
                "journal_used_bytes": 10, "journal_capacity_bytes": 100,
                "shipping": { "state": "shipping", "acknowledged": 30_960, "pending": 40,
                              "oldest_pending_s": 1 },
            },
        }),
        overview: json!({ "since_ms": NOW_MS - 300_000, "totals": totals, "reasons": reasons,
                          "services": [places[0], places[1]] }),
        services: json!({ "rows": places }),
    }
}

/// A state that has seen these answers.
fn state(raw: &Raw) -> State {
    let mut state = State::new("http://h:1".to_owned(), Palette { has_colours: true });
    state.answered(Figures::read(raw).unwrap());
    state
}

/// A terminal with the picture on it.
fn drawn(state: &mut State, columns: u16, rows: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(state, NOW_MS, Form::Screen, frame.buffer_mut())).unwrap();
    terminal
}

/// What is read on it.
fn read(state: &mut State, columns: u16, rows: u16) -> String {
    text(drawn(state, columns, rows).backend().buffer()).join("\n")
}

fn press(state: &mut State, keys: &str) -> After {
    let mut after = After::Draw;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            key => KeyCode::Char(key),
        };
        after = state.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    after
}

/// The problem of a proxy that has gone.
fn refused() -> Problem {
    Problem { what: "no proxy answers at http://h:1".to_owned(), cure: "start it".to_owned() }
}

/// A situation: its name, a state, and what must be read.
type Situation = (&'static str, State, Vec<&'static str>);

fn situations() -> Vec<Situation> {
    let all = [with_figures(), with_budgets(), with_records_late(), without_figures()];
    all.into_iter().flatten().collect()
}

/// All well but for this.
fn with(change: impl Fn(&mut Raw)) -> State {
    let mut raw = answers(0, "up");
    change(&mut raw);
    state(&raw)
}

/// A proxy with objectives.
fn with_budgets() -> Vec<Situation> {
    vec![
        (
            "a budget",
            with(|raw| raw.live["slo"] = budget(&json!({}), 0.8731)),
            vec!["p99 12.4 ms   budget 87.3 % (Availability)   rate 103/s"],
        ),
        (
            "a budget of a group, overspent while its page fires",
            with(|raw| {
                raw.live["slo"] = budget(&json!({ "service": "shop", "endpoint": "h:1" }), -0.35);
                let worst = &mut raw.live["slo"]["worst"];
                worst["level"] = "hurt".into();
                worst["state"] = "firing".into();
                worst["alert"] = "page".into();
            }),
            vec!["budget -35.0 % (Availability h:1 shop, page fires)"],
        ),
        (
            "a budget spent many times over",
            with(|raw| raw.live["slo"] = budget(&json!({}), -131.35)),
            vec!["budget spent 132x (Availability)"],
        ),
        (
            "a budget before the first event",
            with(|raw| {
                raw.live["slo"] = budget(&json!({}), 1.0);
                raw.live["slo"]["worst"]["valid"] = 0.into();
            }),
            vec!["p99 12.4 ms   budget -   rate 103/s"],
        ),
        (
            "a budget before the first evaluation",
            with(|raw| raw.live["slo"] = json!({ "worst": null })),
            vec!["budget -   rate 103/s"],
        ),
    ]
}

/// A proxy that answers and has traffic.
fn with_figures() -> Vec<Situation> {
    vec![
        (
            "all well",
            state(&answers(0, "up")),
            vec![
                "lbproxy top  lb-1  up 3h  12:03:04 UTC",
                "✓ All is as promised.",
                "success 100 %   p50 1.20 ms   p95 8.00 ms   p99 12.4 ms   rate 103/s",
                "in 20.0 KiB/s   out 1.25 MiB/s   CPU 12.3 %   mem 20.0 MiB",
                "status 2xx 30 900 reasons none but complete",
                "made 31 000   → journaled 31 000   → shipped 30 960   40 pending, behind by 1s",
                "0 dead letters   no gap",
            ],
        ),
        ("one endpoint ejected", state(&answers(0, "ejected")), vec!["1 of 2 up", "ejected 12s"]),
        ("one endpoint kept", state(&answers(0, "kept")), vec!["1 of 2 up", "kept 12s"]),
        (
            "requests fail",
            state(&answers(3_000, "ejected")),
            vec!["5xx 3 000 reasons upstream_reset 3 000 (endpoint)", "10.0 %"],
        ),
        (
            "one verdict",
            with(|raw| {
                raw.live["verdict"] =
                    json!({ "list": [verdict("hurt", "shop fails since ", ".")] });
            }),
            vec!["■ shop fails since 12:02:52 UTC. success"],
        ),
        (
            "as many as are shown",
            with(|raw| {
                let list = [verdict("warn", "a since ", "."), verdict("note", "b since ", ".")];
                raw.live["verdict"] = json!({ "list": list, "more": 0 });
            }),
            vec!["▲ a since 12:02:52 UTC. i b since 12:02:52 UTC. success"],
        ),
        (
            "more of them",
            with(|raw| {
                let list = ["hurt", "warn", "ok"].map(|level| verdict(level, level, "."));
                raw.live["verdict"] = json!({ "list": list, "more": 4 });
            }),
            vec!["■ hurt12:02:52 UTC. ▲ warn12:02:52 UTC. And 5 more. success"],
        ),
        (
            "levels and words of another version",
            with(|raw| {
                raw.live["verdict"] =
                    json!({ "list": [{ "level": "x", "words": ["New: ", null] }] });
            }),
            vec!["○ New: success"],
        ),
        (
            "no verdict",
            with(|raw| drop(raw.live.as_object_mut().unwrap().remove("verdict"))),
            vec!["○ This proxy says nothing of how users are: its version is another."],
        ),
    ]
}

/// A proxy whose records do not all arrive.
fn with_records_late() -> Vec<Situation> {
    let shipping = |state: &'static str| {
        with(move |raw| raw.live["trust"]["shipping"]["state"] = json!(state))
    };
    vec![
        (
            "shipping behind",
            with(|raw| raw.live["trust"]["shipping"]["oldest_pending_s"] = json!(400)),
            vec!["40 pending, behind by 6m"],
        ),
        ("credentials refused", shipping("unauthorized"), vec!["credentials refused"]),
        ("blocked", shipping("blocked"), vec!["blocked"]),
        ("dead letters full", shipping("dead_letters_full"), vec!["dead letters full"]),
        (
            "records lost",
            with(|raw| raw.live["trust"]["dropped"] = json!(2)),
            vec!["lost: 2 dropped, 0 damaged"],
        ),
    ]
}

/// A proxy without something, or none.
fn without_figures() -> Vec<Situation> {
    let mut gone = state(&answers(0, "up"));
    gone.failed(refused(), NOW_MS - 34_000, NOW_MS);
    gone.failed(refused(), NOW_MS - 4_000, NOW_MS + 4_000);
    let mut never = State::new("http://h:1".to_owned(), Palette { has_colours: true });
    let asking = State::new("http://h:1".to_owned(), Palette { has_colours: true });
    never.failed(refused(), NOW_MS, NOW_MS + 1_000);
    vec![
        (
            "not configured",
            with(|raw| {
                (raw.overview, raw.services) = (Value::Null, Value::Null);
                raw.live["trust"]["shipping"] = json!({ "state": "off" });
            }),
            vec!["success not configured", "→ shipped not configured: set telemetry.elasticsearch"],
        ),
        (
            "empty",
            with(|raw| {
                raw.overview = json!({ "totals": {}, "services": [] });
                raw.services = json!({ "rows": [] });
            }),
            vec!["success -", "reasons   no traffic"],
        ),
        (
            "gone",
            gone,
            vec![
                "■ Gone since 12:02:30 UTC (34s): no proxy answers at http://h:1; start it. Next try",
                "What is below is of 12:03:04 UTC.",
                "shop",
            ],
        ),
        ("never there", never, vec!["■ Gone since 12:03:04 UTC (0s): no proxy answers"]),
        ("not yet answered", asking, vec!["○ Asking http://h:1 …"]),
    ]
}

/// Text in one line, so that where a line breaks does not matter.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_situation_says_what_it_is_at_both_sizes() {
    for (name, mut state, wants) in situations() {
        for (columns, rows) in [(80, 24), (140, 40)] {
            let shown = read(&mut state, columns, rows);
            for want in &wants {
                let (seen, want) = (joined(&shown), joined(want));
                assert!(seen.contains(&want), "{name} at {columns}: no {want:?} in\n{shown}");
            }
            let last = shown.lines().last().unwrap();
            assert!(last.contains("q quit") && last.contains("? help"), "{name}: {last}");
        }
    }
}

#[test]
fn a_wide_terminal_has_every_column_and_a_narrow_one_the_most_important() {
    let mut state = state(&answers(300, "up"));
    let titles =
        |shown: &str| shown.lines().find(|line| line.contains("STATE")).unwrap().to_owned();
    let wide = titles(&read(&mut state, 140, 40));
    for (_, title, ..) in Column::ALL {
        assert!(wide.contains(title), "{title} is not in {wide}");
    }
    let narrow = titles(&read(&mut state, 80, 24));
    for (title, is_there) in [
        ("SERVICE", true),
        ("STATE", true),
        ("RATE/s", true),
        ("ERRORS", true),
        ("P99", true),
        ("P50", true),
        ("POOL", true),
        ("REUSE", false),
    ] {
        assert_eq!(narrow.contains(title), is_there, "{title}: {narrow}");
    }
    // Requests under way, most of them, and those that wait; of a service.
    let shown = read(&mut state, 140, 40);
    for (name, want) in [("shop", "10/10 7 6/10"), ("api", "90.0 % 3 - 3/5")] {
        let is_row = |line: &&str| line.starts_with(name) && line.contains(" up ");
        let row = shown.lines().find(is_row).unwrap();
        let words = row.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.ends_with(want), "{want} is not at the end of {row}");
    }
    // Share of the service's attempts, of its failures, of its connections.
    let shown = read(&mut state, 140, 40);
    let row = shown.lines().find(|line| line.contains("10.0.0.2:9090")).unwrap();
    for want in ["up 12s", "25.0", "25.0 %", "3.0 %", "300", "1.20 ms", "12.4 ms", "90.0 %", "3/5"]
    {
        assert!(row.contains(want), "{want} is not in {row}");
    }
}

#[test]
fn no_size_is_too_small_and_nothing_is_drawn_outside() {
    for (name, mut state, _) in situations() {
        for keys in ["", "\n", "/sh", "\n?"] {
            press(&mut state, keys);
            for (columns, rows) in [(1, 1), (5, 2), (20, 6), (79, 9), (80, 24), (500, 200)] {
                // Whatever lies outside would be a panic.
                let shown = read(&mut state, columns, rows);
                let widest = shown.lines().map(|line| Line::raw(line).width()).max().unwrap_or(0);
                assert!(widest <= usize::from(columns), "{name} at {columns}x{rows}: {shown}");
            }
        }
    }
}

#[test]
fn a_long_table_keeps_the_selected_row_in_sight() {
    let mut raw = answers(0, "up");
    let many = (0..60).map(|index| endpoint("shop", &format!("10.0.0.{index:03}:80"), "up", 1.0));
    raw.live["endpoints"] = many.collect();
    let mut state = state(&raw);
    press(&mut state, "N");
    for (keys, want) in
        [("", "10.0.0.000"), ("G", "10.0.0.059"), ("g", "10.0.0.000"), ("jjj", "10.0.0.002")]
    {
        press(&mut state, keys);
        let terminal = drawn(&mut state, 80, 24);
        let buffer = terminal.backend().buffer();
        assert!(text(buffer).join("\n").contains(want), "{keys}");
        let reversed = (0..24).filter(|&y| buffer[(0, y)].modifier.contains(Modifier::REVERSED));
        assert_eq!(reversed.count(), 1, "{keys}");
        assert!(text(buffer).join("\n").contains("→ journaled"), "what is below stays");
    }
}

/// Names in the order of the table.
fn order(state: &State) -> Vec<String> {
    state.rows().iter().map(|row| row.name().trim().to_owned()).collect()
}

#[test]
fn keys_sort_filter_open_and_go_back() {
    let mut state = state(&answers(300, "ejected"));
    let by_trouble = ["shop", "10.0.0.2:9090", "10.0.0.1:9090", "api", "10.0.1.1:80"];
    let by_name = ["api", "10.0.1.1:80", "shop", "10.0.0.1:9090", "10.0.0.2:9090"];
    let by_rate = ["shop", "10.0.0.1:9090", "10.0.0.2:9090", "api", "10.0.1.1:80"];
    for (keys, want) in [
        ("", &by_trouble[..]),
        ("N", &by_name),
        ("r", &["shop", "10.0.0.2:9090", "10.0.0.1:9090", "api", "10.0.1.1:80"]),
        ("rR", &by_rate),
        ("E", &by_trouble),
        ("/API\n", &["api", "10.0.1.1:80"]),
        ("\x1b/ejec\n", &["shop", "10.0.0.2:9090"]),
        ("/zzz\n", &[]),
        ("\x1b", &by_trouble),
        ("\n", &["shop", "10.0.0.2:9090", "10.0.0.1:9090"]),
        ("\x1b", &by_trouble),
        ("G\n", &["api", "10.0.1.1:80"]),
    ] {
        assert_eq!(press(&mut state, keys), After::Draw);
        assert_eq!(order(&state), want, "{keys:?}");
    }
    press(&mut state, "/");
    assert_eq!(press(&mut state, "q"), After::Draw, "a letter of the filter");
    press(&mut state, "\x1b");
    assert_eq!(press(&mut state, "q"), After::Quit);
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut state, "/");
    assert_eq!(state.key(control), After::Quit, "also while typing");
}

#[test]
fn an_open_service_shows_its_latencies_and_reasons() {
    let mut state = state(&answers(300, "ejected"));
    press(&mut state, "\nj");
    let shown = joined(&read(&mut state, 80, 24));
    for want in [
        "10.0.0.2:9090 p50 p95 p99 max count",
        "to the first byte 1.20 ms 8.00 ms 12.4 ms 90.0 ms 10 000",
        "to connect - - - - 0",
        "2xx 9 700 5xx 300",
        "upstream_reset 300 (endpoint)",
        "the endpoint reset the connection",
        "Esc back",
    ] {
        assert!(shown.contains(want), "{want:?} is not in {shown}");
    }
}

#[test]
fn a_pause_keeps_the_picture_until_it_ends() {
    let mut state = state(&answers(0, "up"));
    press(&mut state, " ");
    state.answered(Figures::read(&answers(0, "ejected")).unwrap());
    let shown = read(&mut state, 80, 24);
    assert!(shown.contains("paused") && !shown.contains("ejected"), "{shown}");
    press(&mut state, " ");
    state.answered(Figures::read(&answers(0, "ejected")).unwrap());
    assert!(read(&mut state, 80, 24).contains("ejected"));
}

#[test]
fn what_is_gone_is_grey_and_comes_back() {
    let mut state = state(&answers(0, "up"));
    state.failed(refused(), NOW_MS, NOW_MS + 1_000);
    let grey = |state: &mut State| {
        let terminal = drawn(state, 140, 40);
        let buffer = terminal.backend().buffer();
        let lines = text(buffer);
        ["success", "shop", "records"].map(|start| {
            let row = lines.iter().position(|line| line.starts_with(start)).unwrap();
            buffer[(0, u16::try_from(row).unwrap())].fg == Color::DarkGray
        })
    };
    assert_eq!(grey(&mut state), [true; 3]);
    state.answered(Figures::read(&answers(0, "up")).unwrap());
    assert_eq!(grey(&mut state), [false; 3]);
}

#[test]
fn without_colours_there_are_none() {
    for (name, mut state, _) in situations() {
        state.palette = Palette { has_colours: false };
        let terminal = drawn(&mut state, 80, 24);
        let cells = terminal.backend().buffer().content();
        assert!(
            cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset),
            "{name}"
        );
    }
}

#[test]
fn names_from_outside_act_on_no_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{202e}\u{9b}31m";
    let mut raw = answers(0, "up");
    raw.about["instance"] = json!(hostile);
    raw.live["endpoints"] = json!([endpoint(hostile, hostile, hostile, 1.0)]);
    raw.live["trust"]["shipping"]["state"] = json!(hostile);
    raw.live["verdict"] = json!({ "list": [verdict(hostile, hostile, hostile)] });
    raw.overview["reasons"] = json!([{ "reason": hostile, "blame": hostile, "count": 1 }]);
    raw.services =
        json!({ "rows": [place(hostile, None, 1, 1), place(hostile, Some(hostile), 1, 1)] });
    let mut state = state(&raw);
    for keys in ["", "\n", "j"] {
        press(&mut state, keys);
        let shown = read(&mut state, 140, 40);
        assert!(shown.contains("\\x1b]0;x\\x07\\u{202e}\\u{9b}31m"), "{shown}");
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!shown.contains(acts), "{shown:?}");
        assert!(!plain(&mut state, NOW_MS, 160).concat().contains(acts));
    }
}

#[test]
fn plain_text_is_whole_and_has_no_keys() {
    let mut raw = answers(0, "up");
    let many = (0..60).map(|index| endpoint("shop", &format!("10.0.0.{index:03}:80"), "up", 1.0));
    raw.live["endpoints"] = many.collect();
    let lines = plain(&mut state(&raw), NOW_MS, 160);
    assert!(lines.iter().any(|line| line.contains("10.0.0.059:80")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("→ journaled")), "{lines:#?}");
    assert!(!lines.concat().contains("q quit"));
}
