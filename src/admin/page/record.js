// One request: where its time went, all its fields, and ways to take it elsewhere.

import { h, visible, copy } from './dom.js';
import { micros, instant, bytes, zone, count } from './format.js';
import { address, query } from './discover.js';

// Values of more characters scroll in their place.
const LONG = 200;

/// Microseconds of a field; `null` when the record has none.
const us = (record, field) => record[field] ?? null;

/// The parts of a request in order, as `{name, start, length, meaning, kind}` in microseconds, made of
/// its timers. What no timer says is no part.
export function parts(record) {
  const total = (record['event.duration'] ?? 0) / 1000;
  const upstream = us(record, 'lbproxy.upstream.total_us');
  const response = us(record, 'lbproxy.time.response_us');
  const first = us(record, 'lbproxy.upstream.first_byte_us');
  const list = [];
  const add = (kind, name, start, length, meaning) => {
    if (length === null || length === undefined) return start;
    list.push({ kind, name, start: Math.max(0, start), length, meaning });
    return start + length;
  };
  let at = add('head', 'request head', 0, us(record, 'lbproxy.time.head_us'), 'from its first byte to the complete head');
  add('body', 'request body', 0, us(record, 'lbproxy.time.body_us'), 'from the first byte of the request to the last byte of its body; overlaps with the others');
  at = add('queue', 'queue', at, us(record, 'lbproxy.time.queue_us'), 'waiting for a slot');
  if (upstream !== null) {
    const begin = Math.max(at, total - upstream);
    if ((record['lbproxy.attempts'] ?? 1) > 1) add('retry', 'earlier attempts', at, begin - at, 'attempts that failed before the last one');
    at = begin;
    at = add('dns', 'name look-up', at, us(record, 'lbproxy.upstream.dns_us'), 'of the endpoint');
    at = add('connect', 'connect', at, us(record, 'lbproxy.upstream.connect_us'), 'TCP to the endpoint');
    at = add('tls', 'TLS', at, us(record, 'lbproxy.upstream.tls_us'), 'with the endpoint');
  }
  if (first !== null) {
    // The response begins where the first byte ends; both ends are known when it was complete.
    const end = response === null ? at + first : total - response;
    add('first', 'first byte', Math.max(at, end - first), first, 'from the request handed to the endpoint to its response head');
  }
  if (response !== null) add('response', 'response', total - response, response, 'from the response head to the last byte handed to the client');
  return { total, list, self: us(record, 'lbproxy.time.self_us') };
}

/// A picture of where the time went.
export function waterfall(record) {
  const { total, list, self } = parts(record);
  const whole = Math.max(total, ...list.map((part) => part.start + part.length), 1);
  const rows = list.map((part) => {
    const bar = h('i', { class: `bar ${part.kind}` });
    bar.style.marginLeft = `${Math.min(99, (part.start / whole) * 100)}%`;
    bar.style.width = `${Math.max(0.4, Math.min(100, (part.length / whole) * 100))}%`;
    return h('li', { title: part.meaning }, h('span', { class: 'label' }, part.name), h('span', { class: 'track' }, bar), h('b', {}, micros(part.length)));
  });
  const sum = h('li', { class: 'total' }, h('span', { class: 'label' }, 'total'), h('span', { class: 'track' }, h('i', { class: 'bar whole' })), h('b', {}, micros(total)));
  const own = self === null ? null : h('p', { class: 'hint' }, `lbproxy's own part: ${micros(self)} between the request head and the response head.`);
  return h('div', { class: 'waterfall' }, h('ol', { 'aria-label': 'Where the time went' }, rows, sum), own);
}

/// A word for a POSIX shell.
const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/// Bytes that a URL cannot hold as they are, in percent form.
const inUrl = (text) => String(text).replace(/[^\x21-\x7e]|["<>\\^`{|}]/gu, (mark) => {
  try {
    return encodeURIComponent(mark);
  } catch {
    return '%EF%BF%BD';
  }
});

/// The request as a command: its method, URL and the fields that are known, to the listener here.
export function curl(record, listener) {
  const scheme = record['url.scheme'] === 'https' ? 'https' : 'http';
  const host = inUrl(record['url.domain'] ?? 'localhost').replace(/[/?#@]/g, encodeURIComponent);
  const query = record['url.query'] === undefined ? '' : `?${inUrl(record['url.query'])}`;
  const method = record['http.request.method'] ?? 'GET';
  const words = ['curl', '-i', '--path-as-is', '--globoff'];
  if (method === 'HEAD') words.push('--head');
  else if (method !== 'GET') words.push('-X', quoted(method));
  if (record['http.version'] === '2' && scheme === 'http') words.push('--http2-prior-knowledge');
  if (record['http.version'] === '1.0') words.push('--http1.0');
  const port = listener?.split(':').at(-1);
  if (port) words.push('--connect-to', quoted(`::${listener.startsWith('0.0.0.0') || listener.startsWith('[::]') ? location.hostname : listener.slice(0, -port.length - 1)}:${port}`));
  const fields = [['User-Agent', 'user_agent.original'], ['Referer', 'http.request.referrer'], ['Content-Type', 'http.request.mime_type'], ['X-Request-Id', 'http.request.id']];
  for (const [name, field] of fields) {
    if (record[field] !== undefined) words.push('-H', quoted(`${name}: ${record[field].replace(/[\r\n\0]/g, ' ')}`));
  }
  words.push(quoted(`${scheme}://${host}${inUrl(record['url.path'] ?? '/')}${query}`));
  return words.join(' ');
}

/// A value with its unit.
export function value(path, raw) {
  if (path === 'event.duration') return micros(raw / 1000);
  if (path.endsWith('_us')) return micros(raw);
  if (path.endsWith('.bytes')) return `${bytes(raw)} (${count(raw)})`;
  if (path === '@timestamp') return `${instant(Date.parse(raw))} ${zone} (${raw})`;
  return Array.isArray(raw) ? raw.map(visible).join(', ') : visible(raw);
}

/// Everything about a record.
export function detail(record, { meanings, listener, discover, close, filter }) {
  const trace = record['trace.id'];
  const button = (text, make) => {
    const node = h('button', { type: 'button', onclick: () => copy(node, make()) }, text);
    return node;
  };
  // A long value scrolls, so it can be reached with the keyboard.
  const shown = (text) => h('bdi', { tabindex: text.length > LONG ? '0' : null, class: text.length > LONG ? 'long' : null }, text);
  const rows = Object.entries(record).map(([path, raw]) => h('tr', {},
    h('th', { scope: 'row', title: meanings.get(path)?.meaning ?? '' }, path),
    h('td', {}, shown(value(path, raw))),
    h('td', {}, meanings.has(path) && filter && !Array.isArray(raw)
      ? h('button', { type: 'button', class: 'quiet small', title: `Only requests with this ${meanings.get(path).short}`, 'aria-label': `Only requests with this ${path}`, onclick: () => filter(path, raw) }, '+')
      : [])));
  const status = record['http.response.status_code'];
  return h('div', {},
    h('header', {},
      h('h2', {}, `${visible(record['http.request.method'] ?? '')} `, h('span', { class: `status-code s${String(status ?? 0)[0]}` }, status ?? 'no status')),
      h('button', { type: 'button', class: 'quiet', onclick: close, 'aria-label': 'Close' }, '✕')),
    h('p', { class: 'url' }, h('bdi', {}, `${visible(record['url.domain'] ?? '')}${visible(record['url.path'] ?? '')}${record['url.query'] === undefined ? '' : `?${visible(record['url.query'])}`}`)),
    trace && h('p', { class: 'trace' }, 'Trace ', h('code', {}, visible(trace)), ' ', button('Copy trace id', () => trace)),
    waterfall(record),
    h('div', { class: 'buttons' },
      button('Copy as curl', () => curl(record, listener)),
      button('Copy as Kibana query', () => query(record)),
      button('Copy as JSON', () => JSON.stringify(record, null, 2)),
      discover && h('a', { class: 'button', href: address(discover, record), target: '_blank', rel: 'noopener noreferrer', title: `The stored record${discover.name ? ` in ${discover.name}` : ''}, in a new tab; there once it was shipped` }, 'Open in Discover ↗')),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'All fields' },
      h('table', { class: 'fields' }, h('caption', { class: 'hidden' }, 'All fields of the record'), h('tbody', {}, rows))));
}
