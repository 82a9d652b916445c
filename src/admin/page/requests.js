// Requests: a live tail with a filter, and one request in detail.

import { h, set, attr, visible, short } from './dom.js';
import { count, micros, bytes, instant, zone } from './format.js';
import { follow } from './stream.js';
import { detail } from './record.js';
import { narrowed, same } from './filter.js';

// Rows on the page; older ones go.
const ROWS_MAX = 300;
const LAST = 100;
const SUGGESTIONS_MAX = 8;
const KEPT = 'lbproxy-columns';

const COLUMNS = {
  time: { title: 'Time', text: (r) => instant(Date.parse(r['@timestamp'])), on: true },
  status: { title: 'Status', text: (r) => String(r['http.response.status_code'] ?? 'none'), class: (r) => `status-code s${String(r['http.response.status_code'] ?? 0)[0]}`, on: true },
  method: { title: 'Method', text: (r) => short(r['http.request.method'] ?? '', 12), on: true },
  url: { title: 'Host and path', text: (r) => short(`${r['url.domain'] ?? ''}${r['url.path'] ?? ''}${r['url.query'] === undefined ? '' : `?${r['url.query']}`}`, 200), class: () => 'url', on: true },
  duration: { title: 'Duration', text: (r) => micros((r['event.duration'] ?? 0) / 1000), number: true, on: true },
  endpoint: { title: 'Service → endpoint', text: (r) => short(`${r['lbproxy.service'] ?? '–'} → ${r['lbproxy.endpoint'] ?? '–'}`, 80), on: true },
  sent: { title: 'Sent', text: (r) => bytes(r['http.response.bytes'] ?? r['http.response.body.bytes']), number: true, on: true },
  // A response that came whole and says that it failed is a failure too: the mark has a word.
  reason: { title: 'Ended', text: (r) => r['lbproxy.termination.reason'] === 'complete' ? (r['event.outcome'] === 'failure' ? 'failed' : '') : short(r['lbproxy.termination.reason'] ?? '', 40), class: (r) => (r['event.outcome'] === 'failure' ? 'bad' : ''), on: true },
  client: { title: 'Client', text: (r) => r['client.ip'] ?? r['source.ip'] ?? '' },
  agent: { title: 'User agent', text: (r) => short(r['user_agent.original'] ?? '', 60) },
  first: { title: 'First byte', text: (r) => micros(r['lbproxy.upstream.first_byte_us']), number: true },
  attempts: { title: 'Attempts', text: (r) => count(r['lbproxy.attempts']), number: true },
  reused: { title: 'Reused', text: (r) => (r['lbproxy.upstream.reused'] === undefined ? '' : r['lbproxy.upstream.reused'] ? 'yes' : 'no') },
  received: { title: 'Received', text: (r) => bytes(r['http.request.bytes'] ?? r['http.request.body.bytes']), number: true },
  version: { title: 'HTTP', text: (r) => r['http.version'] ?? '' },
};

const QUICK = [
  ['failures', 'outcome = failure'],
  ['5xx', 'status = 5xx'],
  ['4xx', 'status = 4xx'],
  ['slow', 'duration > 250ms'],
  ['retried', 'attempts > 1'],
];

function chosen() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    if (Array.isArray(kept) && kept.length && kept.every((name) => COLUMNS[name])) return kept;
  } catch {
    // What is not ours counts as nothing.
  }
  return Object.keys(COLUMNS).filter((name) => COLUMNS[name].on);
}

export function make({ state, get, go }, words) {
  let filter = words.get('filter') ?? '';
  let stream = null;
  let paused = false;
  let waiting = [];
  let left = 0;
  let skipped = 0;
  let total = 0;
  // How many match in all, as far as that is known.
  let found = null;
  let names = chosen();
  let meanings = new Map();
  let fields = [];
  let open = null;
  let rows = [];
  let slept = false;

  const box = h('input', {
    type: 'text', id: 'filter', role: 'combobox', autocomplete: 'off', spellcheck: 'false', 'aria-expanded': 'false', 'aria-controls': 'suggestions', 'aria-autocomplete': 'list',
    'aria-label': 'Filter', placeholder: 'status = 5xx and duration > 200ms', oninput: suggest, onkeydown: typed, onblur: () => setTimeout(hide, 150),
  });
  box.value = filter;
  const offers = h('ul', { id: 'suggestions', role: 'listbox', class: 'offers', hidden: true, 'aria-label': 'Names of fields' });
  const wrong = h('div', { class: 'wrong', role: 'alert', hidden: true });
  const pause = h('button', { type: 'button', onclick: toggle, title: 'p', 'aria-pressed': 'false' }, 'Pause');
  const counter = h('span', { class: 'since' });
  const quick = h('div', { class: 'quick', role: 'group', 'aria-label': 'Filters for a start' }, QUICK.map(([name, text]) =>
    h('button', { type: 'button', class: 'chip', title: text, onclick: () => apply(text) }, name)),
    h('button', { type: 'button', class: 'chip', onclick: () => apply('') }, 'all'));
  const choose = h('details', { class: 'columns' }, h('summary', {}, 'Columns'), h('div', { class: 'menu' }, Object.entries(COLUMNS).map(([name, column]) => {
    const tick = h('input', { type: 'checkbox', checked: names.includes(name), onchange: () => pick(name, tick.checked) });
    return h('label', {}, tick, column.title);
  })));
  const head = h('tr');
  const body = h('tbody');
  const empty = h('p', { class: 'empty' }, 'Waiting for the journal.');
  const list = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Requests, newest first' },
    h('table', { class: 'requests' }, h('caption', { class: 'hidden' }, 'Requests, newest first'), h('thead', {}, head), body), empty);
  const aside = h('aside', { class: 'panel record', hidden: true, 'aria-label': 'One request' });
  const form = h('form', { class: 'find', role: 'search', onsubmit: (event) => { event.preventDefault(); hide(); apply(box.value); } },
    h('div', { class: 'combo' }, box, offers), h('button', { type: 'submit', class: 'main' }, 'Filter'), pause, choose);
  const node = h('div', { class: 'requests-page' }, h('h1', { class: 'hidden' }, 'Requests'), form, wrong,
    h('div', { class: 'line' }, quick, counter), h('div', { class: 'beside' }, h('section', { class: 'panel' }, list), aside));

  body.addEventListener('click', (event) => choosen(event.target.closest('tr')));
  body.addEventListener('keydown', (event) => {
    const tr = event.target.closest('tr');
    if (event.key === 'Enter') choosen(tr);
    const to = { ArrowDown: tr.nextElementSibling, ArrowUp: tr.previousElementSibling }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      to?.focus();
      if (open) choosen(to);
    }
  });

  // ---- rows

  function heads() {
    head.replaceChildren(...names.map((name) => h('th', { scope: 'col', class: COLUMNS[name].number ? 'number' : null }, COLUMNS[name].title)));
  }

  function line(record) {
    const cells = names.map((name) => {
      const column = COLUMNS[name];
      const text = column.text(record);
      return h('td', { class: [column.number ? 'number' : '', column.class?.(record) ?? ''].filter(Boolean).join(' ') || null, title: name === 'url' ? text : null }, h('bdi', {}, text));
    });
    const tr = h('tr', { tabindex: '0' }, cells);
    tr.record = record;
    return tr;
  }

  function add(records) {
    rows = [...records.reverse(), ...rows].slice(0, ROWS_MAX);
    body.prepend(...records.map(line));
    while (body.childElementCount > ROWS_MAX) {
      const last = body.lastElementChild;
      last.record = null;
      last.remove();
    }
    say();
  }

  function say() {
    const matching = found === null ? null : found + total;
    const texts = [matching === null ? `${count(total)} shown` : `${count(matching)} ${filter ? 'match' : 'in the journal'}`];
    if (matching > rows.length) texts.push(`the newest ${count(rows.length)} shown`);
    if (skipped) texts.push(`${count(skipped)} skipped: more than 50 a second`);
    if (paused) texts.push(`paused, ${count(waiting.length)} waiting${left ? `, ${count(left)} let go` : ''}`);
    texts.push(`times are ${zone}`);
    set(counter, texts.join(' · '));
    empty.hidden = rows.length > 0;
    if (rows.length === 0) set(empty, filter ? 'No request matches so far; new ones appear as they end. "all" takes the filter away.' : 'No request yet. New ones appear here as they end.');
  }

  function pick(name, on) {
    names = Object.keys(COLUMNS).filter((one) => (one === name ? on : names.includes(one)));
    localStorage.setItem(KEPT, JSON.stringify(names));
    heads();
    body.replaceChildren(...rows.map(line));
  }

  function toggle() {
    paused = !paused;
    if (!paused && slept) awake();
    set(pause, paused ? 'Go on' : 'Pause');
    attr(pause, 'aria-pressed', String(paused));
    if (!paused) {
      skipped += left;
      left = 0;
      add(waiting);
      waiting = [];
    }
    say();
  }

  /// Nobody looks: whoever comes back gets the last ones.
  function asleep() {
    slept = stream !== null;
    stream?.stop();
    stream = null;
  }

  function awake() {
    if (!slept || paused) return;
    slept = false;
    begin();
  }

  // ---- one of them

  function choosen(tr) {
    if (!tr?.record) return;
    body.querySelector('[aria-selected]')?.removeAttribute('aria-selected');
    attr(tr, 'aria-selected', 'true');
    open = tr;
    aside.replaceChildren(detail(tr.record, { meanings, listener: state.about?.listeners[0]?.address, discover: state.about?.discover, close, filter: narrow }));
    aside.hidden = false;
  }

  function close() {
    body.querySelector('[aria-selected]')?.removeAttribute('aria-selected');
    aside.hidden = true;
    // The row may have gone meanwhile.
    (open?.isConnected ? open : list).focus();
    open = null;
  }

  /// Adds a comparison to the filter.
  function narrow(path, raw) {
    apply(narrowed(filter, same(meanings.get(path), raw)));
  }

  // ---- the filter

  function apply(text) {
    box.value = text;
    if (text === filter && stream) return;
    go('requests', text ? { filter: text } : {});
    if (text === filter) begin();
  }

  function begin() {
    stream?.stop();
    [rows, waiting, left, skipped, total, found] = [[], [], 0, 0, 0, null];
    body.replaceChildren();
    wrong.hidden = true;
    attr(box, 'aria-invalid', null);
    say();
    // A stream that breaks off begins again with the last requests: what is shown is made anew then.
    let fresh = true;
    stream = follow(`/api/v1/requests?${new URLSearchParams({ filter, last: String(LAST) })}`, {
      state(word, seconds, why) {
        if (word !== 'waiting') return;
        fresh = true;
        set(counter, why ? visible(why) : 'no connection; the requests come back with it');
      },
      event(name, data) {
        if (name !== 'rows') return;
        if (fresh) {
          body.replaceChildren();
          [rows, waiting, skipped, total] = [[], [], 0, 0];
          // The first rows are among those that were found.
          found = data.found === undefined ? null : data.found - data.rows.length;
          fresh = false;
        }
        skipped += data.skipped;
        total += data.rows.length + (found === null ? 0 : data.skipped);
        if (!paused) return add(data.rows);
        waiting.push(...data.rows);
        left += Math.max(0, waiting.length - ROWS_MAX);
        waiting = waiting.slice(-ROWS_MAX);
        say();
      },
      refused: complain,
    });
  }

  /// Says what is wrong with a filter, with a mark below the place.
  function complain(refusal) {
    stream = null;
    attr(box, 'aria-invalid', 'true');
    const { start = 0, end = 0 } = refusal;
    const part = filter.slice(start, Math.max(end, start + 1)) || ' ';
    wrong.replaceChildren(
      h('code', {}, visible(filter.slice(0, start)), h('mark', {}, visible(part)), visible(filter.slice(start + part.length))),
      h('p', {}, `At character ${start + 1}: ${visible(refusal.message)}; ${visible(refusal.cure ?? '')}`.replace(/([^?.])$/, '$1.')));
    wrong.hidden = false;
    set(empty, 'The filter has a mistake.');
    empty.hidden = false;
    box.focus();
    box.setSelectionRange(start, Math.max(end, start));
  }

  // ---- completion

  /// The word before the cursor, if a field can stand there.
  function word() {
    const before = box.value.slice(0, box.selectionStart);
    const found = /(?:^|[\s(])([\w.@]+)$/.exec(before);
    return found && !/[=<>~]\s*\S*$/.test(before) ? found[1] : null;
  }

  function suggest() {
    const typed = word();
    const list = typed === null ? [] : fields.flatMap((field) => field.names.filter((name) => name.includes(typed)).slice(0, 1).map((name) => ({ name, field })))
      .sort((a, b) => b.name.startsWith(typed) - a.name.startsWith(typed) || a.name.length - b.name.length).slice(0, SUGGESTIONS_MAX);
    offers.replaceChildren(...list.map(({ name, field }, i) => h('li', { role: 'option', id: `offer-${i}`, 'data-name': name, onmousedown: (event) => { event.preventDefault(); take(name); } },
      h('b', {}, name), ' ', h('span', {}, short(field.meaning, 90)))));
    offers.hidden = list.length === 0;
    attr(box, 'aria-expanded', String(list.length > 0));
    attr(box, 'aria-activedescendant', null);
  }

  function hide() {
    offers.hidden = true;
    attr(box, 'aria-expanded', 'false');
    attr(box, 'aria-activedescendant', null);
  }

  function take(name) {
    const at = box.selectionStart;
    const typed = word() ?? '';
    const before = box.value.slice(0, at - typed.length);
    box.setRangeText(`${name} `, before.length, at, 'end');
    hide();
    box.focus();
  }

  function typed(event) {
    if (offers.hidden) return;
    const marked = offers.querySelector('[aria-selected]');
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const all = [...offers.children];
      const next = all.at((all.indexOf(marked) + step + all.length) % all.length) ?? all[0];
      marked?.removeAttribute('aria-selected');
      next.setAttribute('aria-selected', 'true');
      attr(box, 'aria-activedescendant', next.id);
    } else if ((event.key === 'Enter' || event.key === 'Tab') && marked) {
      event.preventDefault();
      take(marked.dataset.name);
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      hide();
    }
  }

  heads();
  return {
    node,
    start() {
      get('/api/v1/fields').then((answer) => {
        fields = answer.fields;
        meanings = new Map(fields.map((field) => [field.path, field]));
        // A name may be half typed by now.
        if (document.activeElement === box) suggest();
      }, () => {});
      begin();
      document.addEventListener('asleep', asleep);
      document.addEventListener('awake', awake);
    },
    key(key) {
      if (key === '/') box.focus();
      else if (key === 'p') toggle();
      else return false;
      return true;
    },
    escape() {
      if (aside.hidden) return false;
      close();
      return true;
    },
    leave() {
      document.removeEventListener('asleep', asleep);
      document.removeEventListener('awake', awake);
      stream?.stop();
    },
  };
}
