// Process: what lbproxy itself uses, and every metric that it has.

import { h, set, visible } from './dom.js';
import { count, rate, ratio, bytes, bandwidth, span } from './format.js';
import { chart } from './chart.js';
import { table } from './table.js';

const EVERY = 5_000;

/// A sample line of the Prometheus text, taken apart: `name{label="…"} 3`.
export function sample(line) {
  const at = line.lastIndexOf(' ');
  const head = line.slice(0, at);
  const labels = {};
  for (const [, name, text] of head.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return { labels, value: Number(line.slice(at + 1)) };
}

/// A value in the unit that its name says.
function shown(name, value) {
  if (/_bytes(_total)?$/.test(name)) return bytes(value);
  if (/_bytes_per_second$/.test(name)) return bandwidth(value);
  if (/_ratio$/.test(name)) return ratio(value);
  if (/_seconds(_total)?$/.test(name)) return value >= 60 ? span(value) : `${rate(value * 1000)}\u202fms`;
  return Number.isInteger(value) ? count(value) : rate(value);
}

export function make({ state, get, listen }) {
  let answer = null;
  let timer = 0;
  let gone = false;
  let wanted = '';
  const facts = h('dl', { class: 'facts' });
  const cpu = chart({ title: 'CPU', hint: '100 % is one core', format: ratio, floor: 0.05, series: [{ label: 'process', colour: '--p99', width: 1.75 }] });
  const memory = chart({ title: 'Memory', hint: 'resident', format: bytes, floor: 1 << 20, steps: 'binary', series: [{ label: 'resident', colour: '--p99', width: 1.75 }] });
  const net = chart({ title: 'Bandwidth', hint: 'downstream sockets', format: bandwidth, floor: 1024, steps: 'binary', series: [{ label: 'received', colour: '--p50', width: 1.5 }, { label: 'sent', colour: '--p99', width: 1.5 }] });
  const open = chart({ title: 'Open now', hint: 'how close to the edge', format: count, floor: 1, steps: 'whole', series: [{ label: 'connections', colour: '--p50', width: 1.5 }, { label: 'requests in flight', colour: '--p99', width: 1.5 }] });
  const charts = [cpu, memory, net, open];

  const pool = table({
    caption: 'Upstream connections by endpoint',
    key: (row) => `${row.service}\u0000${row.endpoint}`,
    columns: [
      { name: 'Endpoint', head: true, text: (row) => visible(row.endpoint), sort: (row) => row.endpoint },
      { name: 'Service', text: (row) => visible(row.service), sort: (row) => row.service },
      { name: 'In use', number: true, text: (row) => count(row.connections_active), sort: (row) => row.connections_active },
      { name: 'Idle', number: true, text: (row) => count(row.connections_idle), sort: (row) => row.connections_idle },
      { name: 'Opened', number: true, text: (row) => count(row.connections_opened), sort: (row) => row.connections_opened },
      { name: 'Reused', number: true, text: (row) => count(row.connections_reused), sort: (row) => row.connections_reused },
    ],
  });
  const workers = table({
    caption: 'Workers',
    key: (row) => row.worker,
    columns: [
      { name: 'Worker', head: true, text: (row) => row.worker, sort: (row) => Number(row.worker) },
      { name: 'CPU', number: true, text: (row) => ratio(row.cpu), sort: (row) => row.cpu, hint: 'Of one core' },
      { name: 'Requests', number: true, text: (row) => count(row.requests), sort: (row) => row.requests },
      { name: 'In flight', number: true, text: (row) => count(row.in_flight), sort: (row) => row.in_flight },
      { name: 'Connections', number: true, text: (row) => count(row.connections), sort: (row) => row.connections },
      { name: 'Loop delay', number: true, text: (row) => (row.delay === undefined ? '–' : `${rate(row.delay * 1000)}\u202fms`), sort: (row) => row.delay, hint: 'Mean time that the event loop came late to a timer' },
      { name: 'highest', number: true, text: (row) => (row.peak === undefined ? '–' : `${rate(row.peak * 1000)}\u202fms`), sort: (row) => row.peak },
    ],
  });
  const metrics = table({
    caption: 'Every metric',
    key: (row) => row.key,
    columns: [
      { name: 'Metric', head: true, text: (row) => row.name, sort: (row) => row.name },
      { name: 'Labels', text: (row) => visible(row.labels), sort: (row) => row.labels },
      { name: 'Value', number: true, text: (row) => shown(row.name, row.value), sort: (row) => row.value },
      { name: 'What it is', text: (row) => row.help },
    ],
  });
  const box = h('input', { type: 'search', id: 'find', placeholder: 'name or label', 'aria-label': 'Show only metrics with these letters', oninput: () => { wanted = box.value.toLowerCase(); list(); } });
  const notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  const node = h('div', { class: 'process' }, h('div', { class: 'top' }, h('h1', {}, 'Process'), h('p', { class: 'since' }, 'the last 15 minutes, a point every five seconds')), notice,
    facts, h('div', { class: 'charts' }, charts.map((one) => one.node)),
    h('div', { class: 'charts' },
      h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Workers'), h('span', { class: 'hint' }, 'one per core')), workers.node),
      h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Pool'), h('span', { class: 'hint' }, 'upstream connections')), pool.node)),
    h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Metrics'), h('span', { class: 'hint' }, 'as on /metrics'), box), metrics.node));

  function all(name) {
    return (answer.metrics[name]?.samples ?? []).map(sample);
  }

  function list() {
    if (!answer) return;
    const rows = Object.entries(answer.metrics).flatMap(([name, family]) => family.samples.map((line) => {
      const { labels, value } = sample(line);
      const text = Object.entries(labels).map(([key, label]) => `${key}=${label}`).join(' ');
      return { key: `${name} ${text}`, name, labels: text, value, help: family.help };
    }));
    metrics.update(rows.filter((row) => `${row.name} ${row.labels}`.toLowerCase().includes(wanted)));
  }

  function tell() {
    const { about, live } = state;
    const one = (name) => all(name)[0]?.value;
    const known = (value, show) => (value === undefined || value === null ? null : show(value));
    const pairs = [
      ['Uptime', known(live?.uptime_s, span)],
      ['Version', about?.version],
      ['Configuration', about?.config_hash?.slice(0, 12)],
      ['Listeners', about?.listeners.map((listener) => `${listener.name} ${listener.address}`).join(', ')],
      ['Workers', known(about?.workers, (n) => `${n} on ${about.cores} cores`)],
      ['Process', known(about?.pid, String)],
      ['Descriptors', known(one('lbproxy_process_open_descriptors'), (n) => `${count(n)} of ${count(one('lbproxy_process_max_descriptors'))}`)],
      ['Heap', known(one('lbproxy_heap_allocated_bytes'), bytes)],
      ['Host CPU', known(one('lbproxy_host_cpu_ratio'), ratio)],
      ['Refused by the system', live?.trust.shortages.join(', ')],
      ['Refused connections', known(live?.connections_refused, count)],
    ];
    facts.replaceChildren(...pairs.filter(([, text]) => text).map(([name, text]) => h('div', {}, h('dt', {}, name), h('dd', {}, visible(text)))));
  }

  async function refresh() {
    clearTimeout(timer);
    // Nobody looks: the next time they do is soon enough.
    if (document.hidden && answer) {
      timer = setTimeout(refresh, EVERY);
      return;
    }
    try {
      answer = await get('/api/v1/process');
      if (gone) return;
      notice.hidden = true;
      const { series } = answer;
      const time = series.time_ms.map((ms) => ms / 1000);
      const end = Date.now() / 1000;
      const range = [end - 900, end];
      cpu.update(time, [series.cpu_ratio], range);
      memory.update(time, [series.resident_bytes], range);
      net.update(time, [series.received_rate, series.sent_rate], range);
      open.update(time, [series.connections, series.in_flight], range);
      const by = (name) => new Map(all(name).map(({ labels, value }) => [labels.worker, value]));
      const columns = {
        requests: by('lbproxy_requests_total'), in_flight: by('lbproxy_requests_in_flight'), connections: by('lbproxy_connections'),
        cpu: by('lbproxy_worker_cpu_ratio'), delay: by('lbproxy_loop_delay_mean_seconds'), peak: by('lbproxy_loop_delay_max_seconds'),
      };
      workers.update([...columns.requests.keys()].map((worker) =>
        Object.fromEntries([['worker', worker], ...Object.entries(columns).map(([name, values]) => [name, values.get(worker)])])));
      list();
      tell();
    } catch (error) {
      if (gone) return;
      notice.hidden = false;
      set(notice, `No figures: ${visible(error.message)}. They come back with the connection.`);
    }
    if (!gone) timer = setTimeout(refresh, EVERY);
  }

  return {
    node,
    start() {
      refresh();
      listen((now) => {
        pool.update(now.endpoints);
        if (answer) tell();
      });
    },
    changed() {
      if (answer) tell();
    },
    key(key) {
      if (key !== '/') return false;
      box.focus();
      return true;
    },
    leave() {
      gone = true;
      clearTimeout(timer);
      for (const one of charts) one.destroy();
    },
  };
}
