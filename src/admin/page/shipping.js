// Shipping: the way of every record, what became of them, and what to do when they wait.

import { h, set, attr } from './dom.js';
import { count, rate, bytes, span, share } from './format.js';
import { chart } from './chart.js';

// Seconds kept for the charts of this page.
const KEPT = 900;

const STATES = {
  off: ['none', 'Not configured', 'Records stay in the journal until it is full and are then overwritten. To store them, set telemetry.elasticsearch.urls.'],
  shipping: ['good', 'Shipping', 'The server takes records.'],
  waiting: ['warn', 'Not connected', 'No server answers; records wait in the journal and none is lost while it has space. Start the server, or look at the log of lbproxy for what was tried.'],
  blocked: ['warn', 'Blocked', 'The server answers and does not take records: a block on an index, a limit, a missing template, pipeline or right. They wait in the journal and none is lost while it has space. The log of lbproxy has the server\'s words and what helps.'],
  dead_letters_full: ['warn', 'Dead letters full', 'The file of dead letters is full or cannot be written, so records wait in the journal. Mend what they were refused for and run `lbproxy log resend`, or raise telemetry.elasticsearch.dead_letters.'],
  unauthorized: ['warn', 'Refused', 'The server refuses the credentials; records wait in the journal. Correct telemetry.elasticsearch.user, password_file or api_key_file.'],
};

export function make({ listen }) {
  let points = [];
  let before = null;
  const mark = h('span', { class: 'mark', 'aria-hidden': 'true' });
  const text = h('span');
  const status = h('div', { class: 'status none', role: 'status' }, mark, text);
  const advice = h('p', { class: 'since' });
  const stations = ['workers', 'journal', 'reader', 'batches', 'store'].map((name) => {
    const value = h('strong', {}, '–');
    const note = h('span', { class: 'note' });
    return { name, value, note, node: h('li', {}, h('span', {}, name), value, note) };
  });
  const way = h('ol', { class: 'way' }, stations.map((one) => one.node));
  const flow = chart({ title: 'Records per second', hint: 'made, and settled by the server; since this page was opened', format: rate, floor: 1, wait: 'a point comes every second', series: [{ label: 'made', colour: '--p50', width: 1.5 }, { label: 'settled', colour: '--p99', width: 1.5 }] });
  const backlog = chart({ title: 'Waiting', hint: 'records journaled and not yet settled', format: count, floor: 10, steps: 'whole', wait: 'a point comes every second', series: [{ label: 'pending', colour: '--p99', width: 1.75 }] });
  const outcomes = h('tbody');
  const equations = h('ul', { class: 'equations' });
  const node = h('div', { class: 'shipping' }, h('h1', { class: 'hidden' }, 'Shipping'),
    h('div', { class: 'top' }, status, advice), way,
    h('div', { class: 'charts' }, flow.node, backlog.node),
    h('div', { class: 'charts' },
      h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'What became of them'), h('span', { class: 'hint' }, 'since the start')),
        h('table', {}, h('caption', { class: 'hidden' }, 'Outcomes of records'), outcomes)),
      h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Does it add up'), h('span', { class: 'hint' }, 'both must hold at every moment')), equations)));

  const OUTCOMES = [
    ['acknowledged', 'stored', (s) => s.acknowledged],
    ['duplicate', 'were stored already', (s) => s.duplicate],
    ['failure store', 'stored by the server in its failure store: look there for its reason', (s) => s.failure_store, true],
    ['dead letter', 'refused for good, kept in the folder of the journal with the reason; mend it, then `lbproxy log resend`', (s) => s.dead_letter, true],
    ['damaged', 'damaged in the journal, or gone with a file of it, before they could be sent', (s) => s.damaged, true],
    ['pending', 'in the journal, not yet settled', (s) => s.pending],
    ['sent again', 'in batches without a usable answer', (s) => s.retried],
  ];

  function tell(now) {
    const { trust } = now;
    const ship = trust.shipping;
    const is_off = ship.state === 'off';
    const [kind, word, what] = STATES[ship.state];
    attr(status, 'class', `status ${kind}`);
    set(mark, { good: '✓', warn: '▲', none: '○' }[kind]);
    set(text, word);
    set(advice, what);
    const values = [
      [count(trust.created), 'records made'],
      [count(trust.journaled), trust.journal_fault ? trust.journal_fault : trust.dropped ? `${count(trust.dropped)} found no space` : `${share(trust.journal_used_bytes, trust.journal_capacity_bytes)} of ${bytes(trust.journal_capacity_bytes)} in use`],
      is_off ? ['–', 'not configured'] : [count(ship.pending), `pending; behind by ${span(ship.oldest_pending_s)}`],
      is_off ? ['–', 'not configured'] : [count(ship.batches), `${count(ship.batches_in_flight)} of ${count(ship.batches_in_flight_max)} under way; ${count(ship.batch_errors)} failed`],
      is_off ? ['–', 'not configured'] : [count(ship.acknowledged + ship.duplicate), `stored; ${bytes(ship.sent_bytes)} sent`],
    ];
    stations.forEach((station, i) => {
      set(station.value, values[i][0]);
      set(station.note, values[i][1]);
    });
    attr(stations[1].node, 'class', trust.dropped + trust.damaged || trust.journal_fault ? 'warn' : null);
    attr(stations[4].node, 'class', is_off ? 'none' : kind);
    outcomes.replaceChildren(...(is_off
      ? [h('tr', {}, h('td', { class: 'empty' }, 'Not configured: nothing is shipped.'))]
      : OUTCOMES.map(([name, meaning, value, is_bad]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: `number${is_bad && value(ship) ? ' warn' : ''}` }, count(value(ship))), h('td', {}, meaning)))));
    equations.replaceChildren(...equation(trust));
    draw(now);
  }

  /// Both equations. Counters are read one after the other, so that under load they are a little apart.
  function equation({ created, journaled, dropped, shipping: ship }) {
    const line = (left, right, leftText, rightText) => {
      const apart = Math.abs(left - right);
      return h('li', {}, h('code', {}, leftText, ' = ', rightText), h('span', { class: 'note' }, apart === 0 ? '✓ holds' : `${count(apart)} on their way while this was read`));
    };
    const first = line(created, journaled + dropped, `created ${count(created)}`, `journaled ${count(journaled)} + dropped ${count(dropped)}`);
    if (ship.state === 'off') return [first];
    const settled = ship.acknowledged + ship.duplicate + ship.failure_store + ship.dead_letter + ship.damaged;
    return [first, line(journaled + ship.recovered, settled + ship.pending,
      `journaled ${count(journaled)} + recovered ${count(ship.recovered)}`,
      `acknowledged ${count(ship.acknowledged)} + duplicate ${count(ship.duplicate)} + failure store ${count(ship.failure_store)} + dead letter ${count(ship.dead_letter)} + damaged ${count(ship.damaged)} + pending ${count(ship.pending)}`)];
  }

  function draw(now) {
    const ship = now.trust.shipping;
    const settled = (ship.acknowledged ?? 0) + (ship.duplicate ?? 0) + (ship.failure_store ?? 0) + (ship.dead_letter ?? 0);
    if (before && now.time_ms > before.time_ms) {
      const seconds = (now.time_ms - before.time_ms) / 1000;
      const per = (a, b) => Math.max(0, a - b) / seconds;
      points.push([now.time_ms / 1000, per(now.trust.created, before.created), per(settled, before.settled), ship.pending ?? null]);
      points = points.slice(-KEPT);
    }
    before = { time_ms: now.time_ms, created: now.trust.created, settled };
    const column = (i) => points.map((point) => point[i]);
    const end = now.time_ms / 1000;
    const range = [Math.min(points[0]?.[0] ?? end, end - 60), end];
    flow.update(column(0), [column(1), column(2)], range);
    backlog.update(column(0), [column(3)], range);
  }

  return {
    node,
    start: () => listen(tell),
    leave() {
      flow.destroy();
      backlog.destroy();
    },
  };
}
