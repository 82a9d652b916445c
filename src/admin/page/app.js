// The shell: pages, time range, theme, keys, and the one live stream that all pages share.

import { h, set, attr, visible } from './dom.js';
import { span, clock, zone } from './format.js';
import { get, follow } from './stream.js';
import { isZoomed, unzoom } from './chart.js';

const PAGES = [
  ['overview', 'Overview'],
  ['services', 'Services'],
  ['requests', 'Requests'],
  ['slo', 'SLO'],
  ['process', 'Process'],
  ['shipping', 'Shipping'],
];
// A page that nobody sees stops listening after this long, and goes on when it is seen again: a browser
// keeps few connections to one server, and tabs share them.
const HIDDEN_MAX = 10_000;

const main = document.getElementById('main');
const state = { about: null, live: null, range: '5m', seconds: 300 };
const listeners = new Set();

let page = null;
let stream = null;

/// What pages get: `state`, `get`, and `listen`, which calls back with each look at the counters until
/// the page is left.
const context = {
  state,
  get,
  listen(callback) {
    listeners.add(callback);
    if (state.live) callback(state.live);
  },
  /// Goes to another page, with words for it.
  go(name, words = {}) {
    location.hash = `#/${name}${Object.keys(words).length ? `?${new URLSearchParams(words)}` : ''}`;
  },
};

// ---- pages

function where() {
  const [name, words] = location.hash.replace(/^#\/?/, '').split('?');
  const known = PAGES.some(([one]) => one === name);
  return [known ? name : 'overview', new URLSearchParams(known ? words : '')];
}

async function show() {
  const [name, words] = where();
  for (const link of document.querySelectorAll('#tabs a')) {
    attr(link, 'aria-current', link.dataset.page === name ? 'page' : null);
  }
  document.title = `${PAGES.find(([one]) => one === name)[1]} · lbproxy`;
  page?.leave?.();
  page = null;
  if (isZoomed()) unzoom();
  listeners.clear();
  // Where a range means nothing, none is offered.
  document.getElementById('ranges').hidden = !['overview', 'services'].includes(name);
  const module = await import(`./${name}.js`);
  if (where()[0] !== name) return;
  const made = module.make(context, words);
  page = made;
  main.replaceChildren(made.node);
  attr(main, 'data-page', name);
  made.start?.();
}

// ---- shell

function tabs() {
  document.getElementById('tabs').replaceChildren(...PAGES.map(([name, title], i) =>
    h('a', { href: `#/${name}`, 'data-page': name, title: `${title} (${i + 1})` }, title)));
}

function ranges(list) {
  const group = document.getElementById('ranges');
  group.replaceChildren(...list.map(({ name, seconds }) => h('button', {
    type: 'button',
    'aria-pressed': String(name === state.range),
    title: `The last ${span(seconds)}`,
    onclick: () => choose(name),
  }, name)));
}

function choose(name) {
  const range = state.about?.ranges.find((one) => one.name === name);
  if (!range) return;
  Object.assign(state, { range: range.name, seconds: range.seconds });
  unzoom();
  ranges(state.about.ranges);
  page?.changed?.();
}

function step(by) {
  const list = state.about?.ranges ?? [];
  const at = list.findIndex((one) => one.name === state.range);
  if (list[at + by]) choose(list[at + by].name);
}

const link = document.getElementById('link');
let lost = 0;

function linked(word, seconds) {
  if (word === 'live') lost = 0;
  else lost ||= Date.now();
  const since = lost ? ` since ${clock(lost)}` : '';
  const text = {
    live: state.live?.is_draining ? 'draining' : 'live',
    connecting: lost && state.live ? 'reconnecting' : 'connecting',
    waiting: `no connection${since}; next try in ${span(Math.max(1, seconds ?? 1))}`,
  }[word];
  set(link.querySelector('.text'), text);
  attr(link, 'class', `link ${word}${word === 'live' && state.live?.is_draining ? ' draining' : ''}`);
}

function listen() {
  stream ??= follow('/api/v1/live', {
    state: linked,
    event(name, data) {
      if (name === 'skipped') link.title = `This page is slow: it missed ${data.skipped} looks at the counters.`;
      if (name !== 'live') return;
      state.live = data;
      linked('live');
      for (const callback of listeners) callback(data);
    },
    refused(refusal) {
      main.replaceChildren(h('p', { class: 'notice bad', role: 'alert' }, `${visible(refusal.message)} ${refusal.cure ?? ''}`));
    },
  });
}

let hiding = 0;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      stream?.stop();
      stream = null;
      document.dispatchEvent(new Event('asleep'));
    }, HIDDEN_MAX);
  } else {
    if (!stream) document.dispatchEvent(new Event('awake'));
    listen();
  }
});

document.getElementById('unzoom').addEventListener('click', unzoom);
document.addEventListener('zoom', () => { document.getElementById('unzoom').hidden = !isZoomed(); });

// ---- theme

const dark = matchMedia('(prefers-color-scheme: dark)');

function theme(next) {
  if (next) localStorage.setItem('lbproxy-theme', next);
  const kept = localStorage.getItem('lbproxy-theme');
  attr(document.documentElement, 'data-theme', kept ?? (dark.matches ? 'dark' : 'light'));
  document.dispatchEvent(new Event('theme'));
}

const turn = () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
dark.addEventListener('change', () => theme());
document.getElementById('theme').addEventListener('click', turn);

// ---- keys

const KEYS = [
  ['1 – 6', 'Overview, Services, Requests, SLO, Process, Shipping'],
  ['[ ]', 'shorter, longer time range'],
  ['/', 'filter'],
  ['p', 'pause or go on (Requests)'],
  ['↑ ↓ Enter', 'move through a table, open a row'],
  ['← →', 'the figures of a row, the points of a chart; Enter shows their requests'],
  ['Esc', 'close, or show the whole time again'],
  ['t', 'light or dark'],
  ['?', 'this list'],
];

function help() {
  const dialog = document.getElementById('keys');
  dialog.replaceChildren(
    h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'keys' }, KEYS.flatMap(([key, what]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)])),
    h('p', { class: 'hint' }, `Drag over a chart to look closer, double-click to go back. Times are ${zone}.`),
    h('form', { method: 'dialog' }, h('button', { class: 'main' }, 'Close')));
  dialog.showModal();
}

document.getElementById('help').addEventListener('click', help);
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest?.('input, textarea, select, dialog');
  if (event.key === 'Escape') {
    if (page?.escape?.()) event.preventDefault();
    else if (isZoomed()) unzoom();
    return;
  }
  if (typing) return;
  const number = Number(event.key);
  if (PAGES[number - 1]) context.go(PAGES[number - 1][0]);
  else if (event.key === '[') step(-1);
  else if (event.key === ']') step(1);
  else if (event.key === 't') turn();
  else if (event.key === '?') help();
  else if (page?.key?.(event.key)) event.preventDefault();
});

// ---- start

theme();
tabs();
addEventListener('hashchange', show);
listen();
show();
get('/api/v1/about').then((about) => {
  state.about = about;
  set(document.getElementById('instance'), visible(about.instance));
  ranges(about.ranges);
  page?.changed?.();
}, () => {});
