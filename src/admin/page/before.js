// A figure beside that of the period before: an arrow, how much, and in a word whether it is better.
// Grey, unless it hurts; never a colour alone.

import { h, set, attr } from './dom.js';
import { clock, span } from './format.js';
import { wrong } from './verdict.js';

// Changes below this are none.
const SAME = 0.01;

/// What the period before is called.
export const named = (before) => `the ${span((before.until_ms - before.since_ms) / 1000)} before`;

/// Which periods are compared, or why none is.
export function which(before) {
  if (!before) return 'no period before it is known, so nothing is compared';
  const when = `${clock(before.since_ms)} – ${clock(before.until_ms)}`;
  return `compared with ${when}${before.is_whole ? '' : ', which is all that is known before'}`;
}

const percent = (change) => {
  const size = Math.abs(change) * 100;
  return size >= 1000 ? `${(size / 100 + 1).toFixed(0)}-fold` : `${size.toFixed(size < 10 ? 1 : 0)}\u202f%`;
};
const arrow = (change) => (change > 0 ? '▲' : '▼');
const plain = (text) => ({ text, kind: '' });

/// More or less of something per second.
export function amount(now, seconds, then, name) {
  if (!then || !seconds) return null;
  const [is, was] = [now / seconds, then.value / then.seconds];
  if (!was) return plain(is ? `none in ${name}` : `none in ${name} either`);
  const change = is / was - 1;
  if (Math.abs(change) < SAME) return plain(`≈ as much as ${name}`);
  return plain(`${arrow(change)} ${percent(change)} ${change > 0 ? 'more' : 'less'} than ${name}`);
}

// The program cannot tell: too few requests.
const few = (level) => level === 'unknown';
const failing = (one) => one.failure / Math.max(1, one.success + one.failure);

/// More or fewer failures, in points of the share.
export function failures(now, then, name) {
  if (!then) return null;
  if (few(then.levels.success)) return plain('too few requests to compare');
  const change = failing(now) - failing(then);
  if (Math.abs(change) < 0.0005) return plain(`≈ as many failures as ${name}`);
  const points = (Math.abs(change) * 100).toFixed(1);
  return { text: `${arrow(change)} ${points} points ${change > 0 ? 'more' : 'fewer'} failures than ${name}`, short: `▲ ${points} pt`, kind: wrong(then.levels.success) };
}

/// Slower or faster: p99.
export function latency(now, then, name) {
  if (!then) return null;
  const [is, was] = [now.duration?.p99_us, then.duration?.p99_us];
  if (few(then.levels.latency) || !is || !was) return plain('too few requests to compare');
  const change = is / was - 1;
  if (Math.abs(change) < SAME) return plain(`≈ as fast as ${name}`);
  return { text: `${arrow(change)} ${percent(change)} ${change > 0 ? 'slower' : 'faster'} than ${name}`, short: `▲ ${percent(change)}`, kind: wrong(then.levels.latency) };
}

/// A line for such a comparison; without one it is empty.
export function line(tag = 'p') {
  const node = h(tag, { class: 'before' });
  return {
    node,
    update(found) {
      set(node, found?.text ?? '');
      attr(node, 'class', `before ${found?.kind ?? ''}`.trim());
    },
  };
}

/// Beside a number of a table: only what hurts, and in words for whoever does not see the arrow.
export function mark() {
  const shown = h('span', { 'aria-hidden': 'true' });
  const words = h('span', { class: 'hidden' });
  const node = h('span', { class: 'before' }, shown, words);
  return {
    node,
    update(found) {
      const hurts = Boolean(found?.kind);
      set(shown, hurts ? ` ${found.short}` : '');
      set(words, hurts ? `, ${found.text.slice(2)}` : '');
      attr(node, 'class', `before ${found?.kind ?? ''}`.trim());
      attr(node, 'title', found?.text);
    },
  };
}
