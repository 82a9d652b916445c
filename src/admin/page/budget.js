// Budgets and burn rates in words, and the bar of what is left: one look on SLO, on Overview and in a detail.

import { h, set, attr, visible } from './dom.js';
import { clock, count, day, rate, ratio, share, span, NONE } from './format.js';
import { wrong } from './verdict.js';

/// What is left of a budget: 87.3 %, −35.0 % when it is overspent, and how often it is spent beyond that.
export function left(part) {
  if (part === null || part === undefined) return NONE;
  if (part < -1) return `spent ${burn(1 - part)}`;
  return part > 0 ? share(part, 1) : signed(part);
}

/// A share that may be below 0: −35.0 %
export const signed = (part) => ratio(part).replace('-', '−');

/// A burn rate: 14.4×
export const burn = (n) => (n === null || n === undefined ? NONE : `${rate(n)}×`);

/// A target in percent: 99.9 %
export const target = (ppm) => `${String(ppm / 10_000)}\u202f%`;

/// Whose budget it is, if an objective has several: shop · 10.0.0.1:80
export const part = (group) => Object.values(group).map((name) => visible(name)).join(' · ');

/// An objective and whose budget of it: Availability · shop · 10.0.0.1:80
export const titled = ({ title, group }) => [visible(title), part(group)].filter(Boolean).join(' · ');

/// What tells a series from all others.
export const key = ({ objective, group }) => JSON.stringify([objective, group]);

/// Over which time a target holds.
export function period({ period: kind, period_s: seconds, utc_offset_min: offset }) {
  if (kind === 'rolling') return span(seconds);
  const hours = `${offset < 0 ? '−' : '+'}${String(Math.floor(Math.abs(offset) / 60)).padStart(2, '0')}:${String(Math.abs(offset) % 60).padStart(2, '0')}`;
  return `calendar ${kind}${offset ? ` (UTC${hours})` : ' (UTC)'}`;
}

/// A time that may be days away: 12:03:04, or with the day.
export const moment = (ms, now) => (Math.abs(now - ms) < 20 * 3600e3 ? clock(ms) : `${day(ms)} ${clock(ms)}`);

/// When nothing is left at the pace of the last hour.
export function exhaustion({ budget_left: rest, exhausted_ms: at, valid }, now) {
  if (!valid) return NONE;
  if (rest <= 0) return 'spent';
  return at ? `in ${span((at - now) / 1000)}` : NONE;
}

const KINDS = { page: 'page', ticket: 'ticket', no_data: 'no data' };
/// Which alert it is.
export const kind = (alert) => KINDS[alert] ?? visible(alert ?? '');

/// The state of a series in words.
export function condition({ state, alert, since_ms: since, budget_left: rest, valid }, now) {
  if (state === 'firing') return `${kind(alert)} fires, ${span((now - since) / 1000)}`;
  if (state === 'pending') return `${kind(alert)} pending`;
  if (!valid) return 'no events yet';
  return rest <= 0 ? 'budget spent' : 'ok';
}

/// Where one series is shown.
export const place = ({ objective, group }) => `#/slo?${new URLSearchParams({ objective, ...group })}`;

const MISSING = { traffic: ': nobody asks', records: ': records wait or were dropped', heartbeat: ', and no heartbeat' };
/// Why an alert fires.
export function reason(why) {
  if (!why) return 'a test: nothing is wrong';
  if (why.missing) return `no event for ${span(why.lasted_s)}${MISSING[why.missing] ?? ''}`;
  return `${burn(why.burn)} over ${span(why.long_s)} (from ${burn(why.factor)} on): ${count(why.bad)} of ${count(why.valid)} events bad`;
}

/// The bar of a budget with its number.
export function bar() {
  const meter = h('meter', { min: 0, max: 1, value: 0 });
  const number = h('b');
  return {
    node: h('span', { class: 'budget' }, meter, number),
    update({ budget_left: rest, valid, level, title }) {
      const text = valid ? left(rest) : NONE;
      attr(meter, 'value', valid ? Math.max(0, Math.min(1, rest)) : 0);
      attr(meter, 'class', wrong(level) || null);
      attr(meter, 'aria-label', `Budget of ${visible(title)} that is left: ${text}`);
      set(number, text);
    },
  };
}
