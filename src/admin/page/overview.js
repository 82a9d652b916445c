// Overview: are users served, how much, whose fault, how close to the edge, can I trust this.

import { h, set, attr, keep, lead, visible } from './dom.js';
import { count, rate, micros, bandwidth, share, ratio, bytes, clock, span, zone } from './format.js';
import { chart, spark } from './chart.js';
import { asker } from './stream.js';
import { atLeast, between, is, requests, statuses } from './filter.js';
import { amount, failures, latency as slower, line as compared, named, which } from './before.js';
import { tell } from './empty.js';
import { table } from './table.js';
import { burn, condition, left, place as budgetOf, titled } from './budget.js';
import { kind, mark, place, sentence, weight, wrong } from './verdict.js';

// What stands before the figures of shipping while records wait.
const SHIPPING = { waiting: 'not connected; ', unauthorized: 'credentials refused; ', blocked: 'blocked; ', dead_letters_full: 'dead letters full; ' };

export const CLASSES = [
  { label: '5xx', colour: '--c5', index: 5 },
  { label: 'none', colour: '--c0', index: 0 },
  { label: '4xx', colour: '--c4', index: 4 },
  { label: '3xx', colour: '--c3', index: 3 },
  { label: '2xx', colour: '--c2', index: 2 },
];

function tile(title, help) {
  const value = h('a', {}, '–');
  const detail = h('p', { class: 'detail' }, '\u00a0');
  const line = spark('');
  const before = compared();
  const node = h('section', { class: 'tile', title: help }, h('h2', {}, title), h('strong', {}, value), line.node, detail, before.node);
  return { node, value, detail, line, before };
}

// Verdicts that are shown below the first.
const ALSO_MAX = 3;

/// One of the verdicts below the first.
function another() {
  const sign = h('span', { class: 'mark', 'aria-hidden': 'true' });
  const text = h('a');
  const node = h('li', {}, sign, text);
  return {
    node,
    update(one) {
      attr(node, 'class', `status ${kind(one.level)}`);
      set(sign, mark(one.level));
      lead(text, place(one), sentence(one));
    },
  };
}

export function make({ state, listen, go }) {
  let overview = null;
  let slot = null;
  const load = [];
  let said = '';

  const sign = h('span', { class: 'mark', 'aria-hidden': 'true' });
  const text = h('a');
  const status = h('div', { class: 'status none' }, sign, text);
  const also = h('ul', { class: 'also' });
  // Read aloud when it gets better or worse, not with each change of a number.
  const aloud = h('p', { class: 'hidden', role: 'status' });
  const counted = h('a');
  const until = h('span');
  const since = h('p', { class: 'since' }, counted, until);
  const success = tile('Success', 'Requests served, of those whose outcome is known. A client that left counts for neither.');
  const latency = tile('Latency p99', 'From the first byte of the request to the last byte of the response; within 0.4 %.');
  const budget = tile('Error budget', 'What is left of the budget of the objective that is worst; SLO has all of them.');
  budget.line.node.remove(); // it hardly moves while somebody looks
  const rates = tile('Rate', 'Requests ended per second, over the last five seconds; compared is the mean of the whole window.');
  const traffic = tile('Bandwidth', 'Bytes on downstream sockets per second, over the last five seconds.');
  const process = tile('CPU', 'CPU time of this process per second, over the last five seconds; 100 % is one core.');

  const times = chart({
    title: 'Latency',
    hint: 'how long users wait',
    format: micros,
    floor: 1000,
    leads: true,
    series: [
      { label: 'p50', colour: '--p50', width: 1.25 },
      { label: 'p95', colour: '--p95', width: 1.5 },
      { label: 'p99', colour: '--p99', width: 2 },
    ],
  });
  const classes = chart({
    title: 'Requests per second',
    hint: 'by class of status',
    format: rate,
    stacked: true,
    floor: 1,
    leads: true,
    series: CLASSES.map(({ label, colour, index }) => ({ label, colour, width: 0.5, filter: statuses(index) })),
  });
  const net = chart({
    title: 'Bandwidth',
    hint: 'requests in, responses out',
    format: bandwidth,
    floor: 1024, steps: 'binary',
    leads: true,
    series: [
      { label: 'in', colour: '--p50', width: 1.5 },
      { label: 'out', colour: '--p99', width: 1.5 },
    ],
  });
  const reasons = h('ol', { class: 'reasons' });
  const nothing = h('p', { class: 'empty', hidden: true });
  // Count of the most frequent one.
  let frequent = 1;
  const why = h('section', { class: 'panel' },
    h('header', {}, h('h2', {}, 'Reasons'), h('span', { class: 'hint' }, 'of ends that were not normal, and whose doing they were')), reasons, nothing);

  /// Requests of a service in this window, or some of them; none have nowhere to lead.
  const to = (row, part, number = row.requests) => (number ? requests(is('service', row.service), part, between(overview.since_ms)) : null);
  const slow = (name) => (row) => to(row, row.duration && atLeast('duration', row.duration[name]));
  const services = table({
    caption: 'Services, those in trouble first',
    key: (row) => row.service,
    open: (row) => go('services', { open: row.service }),
    columns: [
      { name: 'Service', head: true, text: (row) => visible(row.service), link: (row) => `#/services?${new URLSearchParams({ open: row.service })}`, sort: (row) => row.service },
      { name: 'Endpoints', text: (row) => row.endpoints, class: (row) => row.ejected ? 'warn' : '' },
      { name: 'Rate', number: true, hint: 'Requests per second in this window', text: (row) => `${rate(row.rate)}/s`, link: (row) => to(row), sort: (row) => row.rate },
      { name: 'Success', number: true, text: (row) => share(row.success, row.success + row.failure), sort: (row) => -row.failed, class: (row) => wrong(row.levels?.success), link: (row) => to(row, row.failure ? 'outcome = failure' : 'outcome = success') },
      { name: '4xx', number: true, text: (row) => share(row.classes[4], row.requests), link: (row) => to(row, statuses(4), row.classes[4]), sort: (row) => row.classes[4] },
      { name: '5xx', number: true, text: (row) => share(row.classes[5], row.requests), link: (row) => to(row, statuses(5), row.classes[5]), sort: (row) => row.classes[5] },
      { name: 'p50', number: true, text: (row) => micros(row.duration?.p50_us), link: slow('p50_us'), sort: (row) => row.duration?.p50_us },
      { name: 'p95', number: true, text: (row) => micros(row.duration?.p95_us), link: slow('p95_us'), sort: (row) => row.duration?.p95_us },
      { name: 'p99', number: true, text: (row) => micros(row.duration?.p99_us), class: (row) => wrong(row.levels?.latency), link: slow('p99_us'), sort: (row) => row.duration?.p99_us },
    ],
  });
  const list = h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Services'), h('span', { class: 'hint' }, 'most trouble first; a row leads to its endpoints')), services.node);

  const steps = ['made', 'journaled', 'shipped'].map((name) => {
    const value = h('a', { href: '#/shipping' }, '–');
    const note = h('span', { class: 'note' });
    return { name, value, note, node: h('li', {}, h('span', {}, name), h('strong', {}, value), note) };
  });
  const trust = h('section', { class: 'panel trust' },
    h('header', {}, h('h2', {}, 'Can I trust this'), h('span', { class: 'hint' }, 'every record from the worker to the store')),
    h('ol', {}, steps.map((one) => one.node)));

  const notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  const lacking = h('p', { class: 'notice', hidden: true });
  const failed = h('a');
  const known = h('span');
  success.detail.replaceChildren(failed, known);
  const half = h('a');
  const most = h('a');
  latency.detail.replaceChildren(half, ', ', most);
  for (const one of [traffic, process]) attr(one.value, 'href', '#/process');
  const figures = asker(notice, (why) => `Not configured: ${why.message}. To see them, ${why.cure}.`);
  const node = h('div', { class: 'overview' },
    h('h1', { class: 'hidden' }, 'Overview'),
    h('div', { class: 'top' }, status, aloud, since), also, notice, lacking,
    h('div', { class: 'tiles' }, [success, latency, budget, rates, traffic, process].map((one) => one.node)),
    h('div', { class: 'charts' }, times.node, classes.node),
    list,
    h('div', { class: 'charts' }, net.node, why),
    trust);

  function say() {
    const { list, more } = state.live?.verdict ?? { list: [], more: 0 };
    const [first, ...others] = list;
    const level = first?.level ?? 'unknown';
    const words = first ? sentence(first) : 'Waiting for the first figures.';
    if (level !== said) set(aloud, words);
    said = level;
    attr(status, 'class', `status ${kind(level)}`);
    set(sign, mark(level));
    lead(text, first ? place(first) : null, words);
    const shown = others.slice(0, ALSO_MAX);
    const hidden = others.length - shown.length + more;
    const rest = hidden ? [{ level: 'note', words: [`And ${count(hidden)} more.`] }] : [];
    keep(also, [...shown, ...rest].map((one, at) => ({ ...one, at })), (one) => one.at, another);
  }

  function live(now) {
    set(rates.value, `${rate(now.requests_rate)}/s`);
    set(traffic.value, bandwidth(now.sent_rate));
    set(traffic.detail, `out; ${bandwidth(now.received_rate)} in`);
    load.push(now.cpu_ratio);
    if (load.length > 60) load.shift();
    process.line.update(load);
    set(process.value, ratio(now.cpu_ratio));
    set(process.detail, `of one core; ${bytes(now.resident_bytes)} resident`);
    set(rates.detail, `${count(now.in_flight)} in flight on ${count(now.connections)} connections`);
    proof(now.trust);
    promise(now.slo);
    say();
    if (overview) rows();
    if (now.slot_ms !== slot) {
      slot = now.slot_ms;
      refresh();
    }
  }

  /// The budget of the objective that is worst.
  function promise(slo) {
    const worst = slo?.worst;
    lead(budget.value, worst ? budgetOf(worst) : '#/slo', worst?.valid ? left(worst.budget_left) : '–');
    const name = worst && titled(worst);
    const firing = slo?.hurt + slo?.warn > 1 ? `; ${count(slo.hurt + slo.warn)} in trouble` : '';
    const words = !slo ? 'no objective is configured' : worst?.valid ? `${name}: ${condition(worst, state.live.time_ms)}${firing}` : worst ? 'no events yet' : 'first evaluation within ten seconds';
    set(budget.detail, words);
    attr(budget.detail, 'title', words);
    set(budget.before.node, worst?.valid ? `burns ${burn(worst.burn['1h'])} in 1 h` : '');
    attr(budget.node, 'class', `tile ${wrong(worst?.level)}`);
  }

  function proof(now) {
    const [made, kept, sent] = steps;
    const lost = now.dropped + now.damaged;
    set(made.value, count(now.created));
    set(made.note, 'records since the start');
    set(kept.value, count(now.journaled));
    set(kept.note, now.journal_fault ? now.journal_fault : lost ? `${count(now.dropped)} dropped, ${count(now.damaged)} damaged` : `no gap; ${bytes(now.journal_used_bytes)} of ${bytes(now.journal_capacity_bytes)} in use`);
    attr(kept.node, 'class', lost || now.journal_fault ? 'warn' : 'good');
    const ship = now.shipping;
    if (ship.state === 'off') {
      set(sent.value, 'not configured');
      set(sent.note, 'set telemetry.elasticsearch to store records');
      attr(sent.node, 'class', 'none');
      return;
    }
    set(sent.value, count(ship.acknowledged + ship.duplicate));
    const refused = ship.dead_letter + ship.failure_store;
    set(sent.note, `${SHIPPING[ship.state] ?? ''}${count(ship.pending)} pending, behind by ${span(ship.oldest_pending_s)}${refused ? `; ${count(refused)} refused` : ''}`);
    attr(sent.node, 'class', ship.state !== 'shipping' || ship.is_behind || refused ? 'warn' : 'good');
  }

  /// How serious a row's figures are.
  const trouble = ({ levels }) => Math.max(weight(levels?.success), weight(levels?.latency));

  function rows() {
    // Services without traffic have a state all the same.
    const idle = [...new Set((state.live?.endpoints ?? []).map((end) => end.service))]
      .filter((service) => overview.services.every((one) => one.service !== service))
      .map((service) => ({ service, requests: 0, success: 0, failure: 0, classes: [0, 0, 0, 0, 0, 0] }));
    services.update([...overview.services, ...idle].map((one) => {
      const own = (state.live?.endpoints ?? []).filter((end) => end.service === one.service);
      const up = own.filter((end) => end.state === 'up').length;
      return {
        ...one,
        rate: overview.seen_s ? one.requests / overview.seen_s : 0,
        failed: one.failure / Math.max(1, one.success + one.failure),
        ejected: own.length - up,
        endpoints: own.length === up ? `${up} up` : `${up} of ${own.length} up`,
      };
    }).sort((a, b) => trouble(b) - trouble(a) || b.failed - a.failed || b.requests - a.requests));
  }

  function draw() {
    const { totals, series } = overview;
    const judged = totals.success + totals.failure;
    const some = (part, number = totals.requests) => (number ? requests(part, between(overview.since_ms)) : null);
    lead(success.value, some('outcome = success', totals.success), share(totals.success, judged));
    lead(failed, some('outcome = failure', totals.failure), totals.requests ? `${count(totals.failure)} of ${count(judged)} failed` : '');
    set(known, totals.requests ? '' : 'no traffic in this window');
    attr(success.node, 'title', `Requests served, of those whose outcome is known. ${count(totals.unknown)} that clients left count for neither.`);
    attr(success.node, 'class', `tile ${wrong(totals.levels?.success)}`);
    attr(latency.node, 'class', `tile ${wrong(totals.levels?.latency)}`);
    const over = (name) => some(totals.duration && atLeast('duration', totals.duration[name]));
    lead(latency.value, over('p99_us'), micros(totals.duration?.p99_us));
    lead(half, over('p50_us'), `p50 ${micros(totals.duration?.p50_us)}`);
    lead(most, over('p95_us'), `p95 ${micros(totals.duration?.p95_us)}`);
    attr(rates.value, 'href', some());
    compare();
    tell(lacking, overview, totals.requests, state, true);
    const time = series.time_ms.map((ms) => ms / 1000);
    const end = overview.now_ms / 1000;
    const range = [end - overview.range_s, end];
    times.update(time, [series.p50_us, series.p95_us, series.p99_us], range);
    classes.update(time, CLASSES.map(({ index }) => series.classes[index]), range);
    net.update(time, [series.received, series.sent], range);
    const tail = (column) => column.slice(-60);
    const sum = series.time_ms.map((_, i) => series.classes.reduce((all, one) => all + one[i], 0));
    success.line.update(tail(series.success.map((one, i) => (one + series.failure[i] ? one / (one + series.failure[i]) : null))));
    latency.line.update(tail(series.p99_us));
    rates.line.update(tail(sum));
    traffic.line.update(tail(series.sent));
    lead(counted, some(), overview.since_ms ? `${count(totals.requests)} requests since ${clock(overview.since_ms)} ${zone}` : '');
    set(until, overview.since_ms ? `, counted until ${clock(overview.until_ms)}; ${which(overview.before)}` : '');
    frequent = Math.max(1, ...overview.reasons.map((one) => one.count));
    keep(reasons, overview.reasons, (one) => one.reason, reason);
    nothing.hidden = overview.reasons.length > 0;
    set(nothing, totals.requests ? 'All ended normally.' : 'No traffic in this window.');
    rows();
    say();
  }

  /// A line of the list of reasons.
  function reason({ reason: name, blame, meaning }) {
    const link = h('a', {}, name);
    const meter = h('meter', { min: 0, max: 1, value: 0 });
    const number = h('a', { tabindex: '-1' });
    return {
      node: h('li', { title: meaning }, link, h('span', { class: 'blame' }, blame), meter, h('b', {}, number)),
      update(one) {
        const href = requests(is('reason', name), between(overview.since_ms));
        lead(link, href, name);
        lead(number, href, count(one.count));
        attr(meter, 'max', frequent);
        attr(meter, 'value', one.count);
        attr(meter, 'aria-label', `${name}: ${one.count}`);
      },
    };
  }

  /// Each tile beside the period before.
  function compare() {
    const { before, totals } = overview;
    const name = before ? named(before) : '';
    const than = (value) => before && { value, seconds: before.seconds };
    success.before.update(failures(totals, before, name));
    latency.before.update(slower(totals, before, name));
    rates.before.update(amount(totals.requests, overview.seen_s, than(before?.requests), name));
    traffic.before.update(amount(totals.response_bytes, overview.seen_s, than(before?.response_bytes), name));
  }

  async function refresh() {
    const found = await figures.ask(`/api/v1/overview?range=${state.range}`);
    if (!found) return;
    overview = found;
    draw();
  }

  return {
    node,
    start() {
      say();
      refresh();
      listen(live);
    },
    changed: refresh,
    leave() {
      figures.leave();
      for (const one of [times, classes, net]) one.destroy();
    },
  };
}
