// One service below the table of all: where the median time goes, how its latency and failures are beside
// the period before, and why its requests ended early.

import { h, set, keep, lead, visible } from './dom.js';
import { count, micros } from './format.js';
import { between, is, requests } from './filter.js';
import { failures, latency, line, named } from './before.js';

/// The median time of a row, and the part of it until the first byte.
function parts(row) {
  const total = row.duration?.p50_us ?? 0;
  return { total, first: Math.min(row.first_byte?.p50_us ?? 0, total) };
}

/// The panel: `update(head, ends, answer)` shows a service, its endpoints and what is known of both.
export function service({ close, legend }) {
  const title = h('h2');
  const splits = h('ul', { class: 'splits' });
  const why = h('ul', { class: 'why' });
  const normal = h('p', { class: 'empty' }, 'None in this window.');
  const node = h('section', { class: 'panel detail', hidden: true, 'aria-label': 'One service' },
    h('header', {}, title, h('span', { class: 'hint' }, 'median time: until the first byte, then the rest'),
      h('button', { type: 'button', class: 'quiet', onclick: close, 'aria-label': 'Close' }, '✕')),
    splits, h('h3', {}, 'Ends that were not normal'), why, normal, h('p', { class: 'hint' }, legend));
  // The longest of the medians, and what the period before is called.
  let most = 1;
  let name = '';
  let since = 0;

  function split() {
    const label = h('span', { class: 'label' });
    const [first, rest] = [h('i', { class: 'first' }), h('i', { class: 'rest' })];
    const bar = h('div', { class: 'split', role: 'img' }, first, rest);
    const time = h('b');
    const changes = [line('span'), line('span')];
    return {
      node: h('li', {}, label, bar, time, h('span', { class: 'changes' }, changes.map((one) => one.node))),
      update(row) {
        const { total, first: head } = parts(row);
        set(label, visible(row.name));
        bar.setAttribute('aria-label', `${row.name}: half of the requests take up to ${micros(total)}, the first byte ${micros(head)}`);
        first.style.width = `${(head / most) * 100}%`;
        rest.style.width = `${((total - head) / most) * 100}%`;
        set(time, micros(total));
        changes[0].update(row.requests ? latency(row, row.before, name) : null);
        changes[1].update(row.requests ? failures(row, row.before, name) : null);
      },
    };
  }

  function cause(group) {
    const link = h('a');
    const text = h('span');
    return {
      node: h('li', {}, link, text),
      update(one) {
        lead(link, requests(is('service', group), is('reason', one.reason), between(since)), one.reason);
        set(text, ` ${count(one.count)} – ${one.meaning}`);
      },
    };
  }

  return {
    node,
    update(head, ends, answer) {
      node.hidden = false;
      most = Math.max(1, ...[head, ...ends].map((row) => parts(row).total));
      name = answer?.before ? named(answer.before) : '';
      since = answer?.since_ms;
      set(title, visible(head.name));
      keep(splits, [head, ...ends], (row) => `${row.group}\u0000${row.endpoint ?? ''}`, split);
      keep(why, head.reasons ?? [], (one) => `${head.group}\u0000${one.reason}`, () => cause(head.group));
      normal.hidden = Boolean(head.reasons?.length);
    },
  };
}
