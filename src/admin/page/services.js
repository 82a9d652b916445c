// Services: one dense table, a row for each service and below it one for each of its endpoints.

import { h, set, lead, visible } from './dom.js';
import { count, rate, micros, share, span, clock, zone } from './format.js';
import { spark } from './chart.js';
import { asker } from './stream.js';
import { atLeast, between, place, requests, statuses } from './filter.js';
import { failures, latency, mark, named, which } from './before.js';
import { tell } from './empty.js';
import { service } from './service.js';
import { table } from './table.js';
import { wrong } from './verdict.js';

const WORDS = { up: 'up', ejected: 'ejected', trial: 'trial due', kept: 'failing, kept' };
const MARKS = { up: '●', ejected: '■', trial: '▲', kept: '▲' };
const MEANINGS = {
  up: 'in rotation',
  ejected: 'ejected after failures; comes back by a probe or a trial request',
  trial: 'ejected for long enough; the next request decides',
  kept: 'fails and stays in rotation: as many of its service are ejected as may be (`outlier.max_ejected`; the last one never)',
};

export function make({ state, listen }, words) {
  let answer = null;
  let slot = null;
  let opened = words.get('open');
  let wanted = '';

  /// Requests of a row in this window, or some of them; none have nowhere to lead.
  const to = (row, part, number = row.requests) => (number ? requests(place(row.group, row.endpoint), part, between(answer?.since_ms)) : null);
  /// Those that took at least as long as a figure says.
  const over = (field, times, name) => (row) => to(row, row[times] && atLeast(field, row[times][name]), row[times] ? 1 : 0);
  const theOther = () => (answer?.before ? named(answer.before) : '');
  const columns = [
    { name: 'Service / endpoint', head: true, hint: 'Endpoints stand below their service', node: () => name(), sort: (row) => row.name, class: (row) => (row.isHead ? 'service' : 'endpoint') },
    { name: 'State, since', node: () => condition(), sort: (row) => row.state, class: (row) => `state ${row.state}`, hint: 'In rotation, failing but kept there, ejected, or about to be tried; and for how long, as far as this process knows' },
    { name: 'Traffic', node: () => line(), hint: 'Requests in the last five minutes' },
    { name: 'Rate', number: true, text: (row) => `${rate(row.rate)}/s`, link: (row) => to(row), sort: (row) => row.rate, hint: 'Requests per second, last five seconds' },
    { name: 'Share', number: true, text: (row) => share(row.requests, row.whole), link: (row) => to(row), sort: (row) => row.requests / Math.max(1, row.whole), hint: 'Of the service (service: of everything), in this window' },
    { name: 'In flight', number: true, text: (row) => (row.queue ? `${count(row.in_flight)} / ${count(row.queue.in_flight_max)}` : count(row.in_flight)), sort: (row) => row.in_flight, hint: 'Requests under way / most that may be, where the service has a limit' },
    { name: 'Queue', number: true, shown: () => state.live?.queues?.length > 0, text: (row) => (row.isHead ? count(row.queue?.waiting) : ''), link: (row) => to(row, 'queue > 0', row.queue ? 1 : 0), sort: (row) => row.queue?.waiting, class: (row) => (row.queue?.waiting > 0 ? 'warn' : ''), hint: 'Requests that wait for a permit (limits.in_flight); – where the service has no limit' },
    { name: 'Errors', number: true, node: () => beside((row) => share(row.failure, row.success + row.failure), (row) => to(row, 'outcome = failure', row.failure), failures), sort: (row) => row.failed, class: (row) => wrong(row.levels?.success), hint: 'Requests not served, in this window' },
    { name: '5xx', number: true, text: (row) => count(row.classes?.[5]), link: (row) => to(row, statuses(5), row.classes[5]), sort: (row) => row.classes?.[5] },
    { name: '4xx', number: true, text: (row) => count(row.classes?.[4]), link: (row) => to(row, statuses(4), row.classes[4]), sort: (row) => row.classes?.[4] },
    { name: 'Failed attempts', number: true, text: (row) => count(row.failed_attempts), sort: (row) => row.failed_attempts, hint: 'No connection, no answer in time or a broken one: at this endpoint, whoever served the request then' },
    { name: 'Connect', number: true, text: (row) => micros(row.connect?.p95_us), link: over('connect', 'connect', 'p95_us'), sort: (row) => row.connect?.p95_us, hint: 'p95 of the requests that opened a connection' },
    { name: 'First byte', number: true, text: (row) => micros(row.first_byte?.p50_us), link: over('first_byte', 'first_byte', 'p50_us'), sort: (row) => row.first_byte?.p50_us, hint: 'p50, from the request handed over to the response head' },
    { name: 'p95', number: true, text: (row) => micros(row.first_byte?.p95_us), link: over('first_byte', 'first_byte', 'p95_us'), sort: (row) => row.first_byte?.p95_us, hint: 'First byte, p95' },
    { name: 'Total', number: true, text: (row) => micros(row.duration?.p50_us), link: over('duration', 'duration', 'p50_us'), sort: (row) => row.duration?.p50_us, hint: 'p50, as the client sees it' },
    { name: 'p99', number: true, node: () => beside((row) => micros(row.duration?.p99_us), over('duration', 'duration', 'p99_us'), latency), sort: (row) => row.duration?.p99_us, class: (row) => wrong(row.levels?.latency), hint: 'Total, p99' },
    { name: 'Reuse', number: true, text: (row) => share(row.connections_reused, row.connections_reused + row.connections_opened), sort: (row) => row.connections_reused / Math.max(1, row.connections_reused + row.connections_opened), hint: 'Attempts that rode a pooled connection, since the start' },
    { name: 'Pool', number: true, text: (row) => `${count(row.connections_active)} + ${count(row.connections_idle)}`, sort: (row) => row.connections_active + row.connections_idle, hint: 'Connections in use + idle' },
  ];
  const list = table({
    caption: 'Services and their endpoints',
    key: (row) => `${row.group}\u0000${row.endpoint ?? ''}`,
    columns,
    open: (row) => detail(row),
    rowClass: (row) => [row.isHead ? 'head' : '', row.state, opened === row.group && row.isHead ? 'open' : ''].filter(Boolean).join(' '),
  });
  const box = h('input', { type: 'search', id: 'find', placeholder: 'service, endpoint or state', 'aria-label': 'Show only rows with these letters', oninput: () => { wanted = box.value.toLowerCase(); draw(); } });
  const since = h('p', { class: 'since' });
  const notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  const lacking = h('p', { class: 'notice', hidden: true });
  const figures = asker(notice, (why) => `Not configured: ${why.message}; states and rates are shown all the same. To see the rest, ${why.cure}.`);
  const one = service({
    close: () => escape(),
    legend: Object.entries(MEANINGS).map(([key, text]) => `${MARKS[key]} ${WORDS[key]}: ${text}. `).join(''),
  });
  const node = h('div', { class: 'services' },
    h('div', { class: 'top' }, h('h1', {}, 'Services'), box, since), notice, lacking, h('section', { class: 'panel' }, list.node), one.node);

  function name() {
    const link = h('a', { title: 'Its requests' });
    return {
      node: link,
      update(row) {
        lead(link, requests(place(row.group, row.endpoint), between(answer?.since_ms)), visible(row.name));
      },
    };
  }

  /// A figure that leads to its requests, beside the period before where that hurts.
  function beside(text, href, compare) {
    const link = h('a', { tabindex: '-1' });
    const change = mark();
    return {
      node: h('span', {}, link, change.node),
      update(row) {
        lead(link, href(row), text(row));
        change.update(compare(row, row.before, theOther()));
      },
    };
  }

  function condition() {
    const word = h('span');
    const age = h('span', { class: 'age' });
    return {
      node: h('span', {}, word, ' ', age),
      update(row) {
        set(word, row.stateText);
        set(age, row.since_ms ? span((Date.now() - row.since_ms) / 1000) : '');
      },
    };
  }

  function line() {
    const one = spark('', 80, 18);
    return { node: one.node, update: (row) => one.update(row.spark ?? []) };
  }

  /// Joins what is live with what was: every endpoint of the configuration has a row, traffic or not.
  function rows() {
    const live = state.live?.endpoints ?? [];
    const past = answer?.rows ?? [];
    const find = (service, endpoint) => past.find((row) => row.service === service && row.endpoint === endpoint) ?? {
      requests: 0, success: 0, failure: 0, unknown: 0, failed_attempts: 0, classes: [0, 0, 0, 0, 0, 0],
    };
    const names = [...new Set([...live.map((one) => one.service), ...past.map((one) => one.service)])];
    return names.flatMap((service) => {
      const own = live.filter((one) => one.service === service);
      const head = find(service, null);
      const up = own.filter((one) => one.state === 'up').length;
      const sum = (field) => own.reduce((all, one) => all + one[field], 0);
      const queue = (state.live?.queues ?? []).find((one) => one.service === service);
      const worst = up === own.length ? 'up' : up === 0 ? 'ejected' : 'trial';
      const service_row = {
        ...head, group: service, isHead: true, endpoint: null, name: service, whole: answer?.requests ?? 0,
        state: worst, stateText: `${MARKS[worst]} ${up} of ${own.length} up`,
        rate: sum('attempts_rate'), in_flight: queue?.in_flight ?? sum('in_flight'), queue,
        connections_active: sum('connections_active'), connections_idle: sum('connections_idle'),
        connections_opened: sum('connections_opened'), connections_reused: sum('connections_reused'),
        failed: head.failure / Math.max(1, head.success + head.failure),
      };
      const ends = own.map((one) => {
        const row = find(service, one.endpoint);
        return {
          ...row, ...one, group: service, isHead: false, name: one.endpoint, whole: head.requests,
          stateText: `${MARKS[one.state]} ${WORDS[one.state]}`, rate: one.attempts_rate,
          failed: row.failure / Math.max(1, row.success + row.failure),
        };
      });
      return [service_row, ...ends];
    });
  }

  function draw() {
    const all = rows();
    const fits = (row) => `${row.name} ${row.stateText}`.toLowerCase().includes(wanted);
    const groups = new Set(all.filter(fits).map((row) => row.group));
    list.update(all.filter((row) => fits(row) || (row.isHead && groups.has(row.group))));
    set(since, answer?.since_ms
      ? `${count(answer.requests)} requests since ${clock(answer.since_ms)} ${zone}; ${which(answer.before)}`
      : 'no traffic in this window');
    tell(lacking, answer, answer?.requests, state);
    if (opened) {
      const head = all.find((row) => row.isHead && row.group === opened);
      if (head) one.update(head, all.filter((row) => row.group === opened && !row.isHead), answer);
    }
  }

  function escape() {
    if (!opened) return false;
    opened = null;
    // The keyboard stays where the table is.
    if (one.node.contains(document.activeElement)) list.node.focus();
    one.node.hidden = true;
    draw();
    return true;
  }

  function detail(row) {
    opened = opened === row.group ? null : row.group;
    one.node.hidden = !opened;
    draw();
  }

  async function refresh() {
    const found = await figures.ask(`/api/v1/services?range=${state.range}`);
    if (found === undefined) return;
    answer = found ?? answer;
    draw();
  }

  return {
    node,
    start() {
      refresh();
      listen((now) => {
        draw();
        if (now.slot_ms !== slot) {
          slot = now.slot_ms;
          refresh();
        }
      });
    },
    changed: refresh,
    key(key) {
      if (key !== '/') return false;
      box.focus();
      return true;
    },
    escape,
    leave() {
      figures.leave();
    },
  };
}
