// Services: one dense table, a row for each service and below it one for each of its endpoints.

import { h, set, visible } from './dom.js';
import { count, rate, micros, share, span, clock, zone } from './format.js';
import { spark } from './chart.js';
import { asker } from './stream.js';
import { table } from './table.js';

const WORDS = { up: 'up', ejected: 'ejected', trial: 'trial due' };
const MARKS = { up: '●', ejected: '■', trial: '▲' };
const MEANINGS = {
  up: 'in rotation',
  ejected: 'set aside after failures in a row; comes back through a trial',
  trial: 'its time aside is over; the next request decides',
};

export function make({ state, listen, go }, words) {
  let answer = null;
  let slot = null;
  let opened = words.get('open');
  let wanted = '';

  const columns = [
    { name: 'Service / endpoint', head: true, hint: 'Endpoints stand below their service', node: () => name(), sort: (row) => row.name, class: (row) => (row.isHead ? 'service' : 'endpoint') },
    { name: 'State, since', node: () => condition(), sort: (row) => row.state, class: (row) => `state ${row.state}`, hint: 'In rotation, set aside, or about to be tried; and for how long, as far as this process knows' },
    { name: 'Traffic', node: () => line(), hint: 'Requests in the last five minutes' },
    { name: 'Rate', number: true, text: (row) => `${rate(row.rate)}/s`, sort: (row) => row.rate, hint: 'Requests per second, last five seconds' },
    { name: 'Share', number: true, text: (row) => share(row.requests, row.whole), sort: (row) => row.requests / Math.max(1, row.whole), hint: 'Of the service (service: of everything), in this window' },
    { name: 'In flight', number: true, text: (row) => count(row.in_flight), sort: (row) => row.in_flight },
    { name: 'Errors', number: true, text: (row) => share(row.failure, row.success + row.failure), sort: (row) => row.failed, class: (row) => (row.failed >= 0.05 ? 'bad' : row.failed >= 0.005 ? 'warn' : ''), hint: 'Requests not served, in this window' },
    { name: '5xx', number: true, text: (row) => count(row.classes?.[5]), sort: (row) => row.classes?.[5] },
    { name: '4xx', number: true, text: (row) => count(row.classes?.[4]), sort: (row) => row.classes?.[4] },
    { name: 'Retries', number: true, text: (row) => count(row.retries), sort: (row) => row.retries, hint: 'Attempts after the first, counted where the last one went' },
    { name: 'Connect', number: true, text: (row) => micros(row.connect?.p95_us), sort: (row) => row.connect?.p95_us, hint: 'p95 of the requests that opened a connection' },
    { name: 'First byte', number: true, text: (row) => micros(row.first_byte?.p50_us), sort: (row) => row.first_byte?.p50_us, hint: 'p50, from the request handed over to the response head' },
    { name: 'p95', number: true, text: (row) => micros(row.first_byte?.p95_us), sort: (row) => row.first_byte?.p95_us, hint: 'First byte, p95' },
    { name: 'Total', number: true, text: (row) => micros(row.duration?.p50_us), sort: (row) => row.duration?.p50_us, hint: 'p50, as the client sees it' },
    { name: 'p99', number: true, text: (row) => micros(row.duration?.p99_us), sort: (row) => row.duration?.p99_us, hint: 'Total, p99' },
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
  const figures = asker(notice, (why) => `Not configured: ${why.message}; states and rates are shown all the same. To see the rest, ${why.cure}.`);
  const aside = h('section', { class: 'panel detail', hidden: true, 'aria-live': 'polite' });
  const node = h('div', { class: 'services' },
    h('div', { class: 'top' }, h('h1', {}, 'Services'), box, since), notice, h('section', { class: 'panel' }, list.node), aside);

  function name() {
    const link = h('a', { title: 'Its requests' });
    return {
      node: link,
      update(row) {
        set(link, visible(row.name));
        const field = row.isHead ? `service = "${row.group}"` : `endpoint = "${row.endpoint}"`;
        const href = `#/requests?${new URLSearchParams({ filter: field })}`;
        if (link.getAttribute('href') !== href) link.setAttribute('href', href);
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
      requests: 0, success: 0, failure: 0, unknown: 0, retries: 0, classes: [0, 0, 0, 0, 0, 0],
    };
    const names = [...new Set([...live.map((one) => one.service), ...past.map((one) => one.service)])];
    return names.flatMap((service) => {
      const own = live.filter((one) => one.service === service);
      const head = find(service, null);
      const up = own.filter((one) => one.state === 'up').length;
      const sum = (field) => own.reduce((all, one) => all + one[field], 0);
      const worst = up === own.length ? 'up' : up === 0 ? 'ejected' : 'trial';
      const service_row = {
        ...head, group: service, isHead: true, endpoint: null, name: service, whole: answer?.requests ?? 0,
        state: worst, stateText: `${MARKS[worst]} ${up} of ${own.length} up`,
        rate: sum('attempts_rate'), in_flight: sum('in_flight'),
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
      ? `${count(answer.requests)} requests since ${clock(answer.since_ms)} ${zone}`
      : 'no traffic in this window');
    if (opened) {
      const head = all.find((row) => row.isHead && row.group === opened);
      if (head) fill(head, all.filter((row) => row.group === opened && !row.isHead));
    }
  }

  function detail(row) {
    opened = opened === row.group ? null : row.group;
    aside.hidden = !opened;
    draw();
  }

  /// Where the time of a service goes, and why its requests ended early.
  function fill(head, ends) {
    aside.hidden = false;
    const parts = (row) => {
      const total = row.duration?.p50_us ?? 0;
      const first = Math.min(row.first_byte?.p50_us ?? 0, total);
      return { first, rest: total - first, total };
    };
    const most = Math.max(1, ...[head, ...ends].map((row) => parts(row).total));
    const bar = (row) => {
      const { first, rest, total } = parts(row);
      const line = h('div', { class: 'split', role: 'img', 'aria-label': `${row.name}: half of the requests take up to ${micros(total)}, the first byte ${micros(first)}` });
      for (const [kind, us] of [['first', first], ['rest', rest]]) {
        const part = h('i', { class: kind });
        part.style.width = `${(us / most) * 100}%`;
        line.append(part);
      }
      return h('li', {}, h('span', { class: 'label' }, visible(row.name)), line, h('b', {}, micros(total)));
    };
    aside.replaceChildren(
      h('header', {}, h('h2', {}, visible(head.name)), h('span', { class: 'hint' }, 'median time: until the first byte, then the rest'),
        h('button', { type: 'button', class: 'quiet', onclick: () => detail(head), 'aria-label': 'Close' }, '✕')),
      h('ul', { class: 'splits' }, [head, ...ends].map(bar)),
      h('h3', {}, 'Ends that were not normal'),
      head.reasons?.length
        ? h('ul', { class: 'why' }, head.reasons.map((one) => h('li', {},
          h('a', { href: `#/requests?${new URLSearchParams({ filter: `service = "${head.group}" and reason = ${one.reason}` })}` }, one.reason),
          ` ${count(one.count)} – ${one.meaning}`)))
        : h('p', { class: 'empty' }, 'None in this window.'),
      h('p', { class: 'hint' }, Object.entries(MEANINGS).map(([key, text]) => `${MARKS[key]} ${WORDS[key]}: ${text}. `).join('')));
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
    escape() {
      if (!opened) return false;
      opened = null;
      aside.hidden = true;
      draw();
      return true;
    },
    leave() {
      figures.leave();
    },
  };
}
