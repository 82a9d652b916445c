// One series of an objective below the table of all: what is promised, how its budget was spent, and which
// windows burn.

import { h, keep, set, attr, visible } from './dom.js';
import { count, micros, share, span } from './format.js';
import { chart } from './chart.js';
import { asker } from './stream.js';
import { all, between, is, requests } from './filter.js';
import { burn, key, moment, part, period, signed, target } from './budget.js';
import { wrong } from './verdict.js';

// Bad requests are looked for so far back.
const LOOK_BACK = 3600e3;

/// A link of the file, where it is one that a browser may follow.
const link = (href) => (/^https?:\/\//.test(href ?? '') ? h('a', { href, rel: 'noopener noreferrer', target: '_blank' }, visible(href)) : null);

/// The bad events of a series among the requests, where requests are what it counts.
function failures({ valid, good }, group, now) {
  if (!valid.startsWith('stream = access')) return null;
  const own = Object.entries(group).filter(([, name]) => name !== '-' && name !== '_other');
  return requests(all(`(${valid})`, `not (${good})`, ...own.map(([field, name]) => is(field, name)), between(now - LOOK_BACK)));
}

/// The panel: `update(series, objective, now)` shows it.
export function objective({ close }) {
  const title = h('h2');
  const what = h('span', { class: 'hint' });
  const facts = h('dl', { class: 'facts' });
  const spent = chart({
    title: 'Error budget', hint: 'left of the budget of this period; a step down is what was spent then', format: signed, floor: 1, signed: true,
    wait: 'the first event of the period begins it', series: [{ label: 'left', colour: '--p99', width: 1.75 }],
  });
  const notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  const figures = asker(notice, () => '');
  const windows = h('tbody');
  const none = h('p', { class: 'empty' }, 'No windows: this objective has a budget and no alerts.');
  const rows = h('table', {}, h('caption', { class: 'hidden' }, 'Windows of the alerts'),
    h('thead', {}, h('tr', {}, ['Alert', 'Over', 'Fires from', 'Long', 'Short', ''].map((name, i) => h(i ? 'td' : 'th', { scope: i ? null : 'col', class: i > 1 && i < 5 ? 'number' : null }, name)))), windows);
  const node = h('section', { class: 'panel detail objective', 'aria-label': 'One objective' },
    h('header', {}, title, what, h('button', { type: 'button', class: 'quiet', onclick: close, 'aria-label': 'Close' }, '✕')),
    facts, notice,
    h('div', { class: 'charts' }, spent.node,
      h('section', { class: 'panel' }, h('header', {}, h('h2', {}, 'Burn rate'), h('span', { class: 'hint' }, 'an alert fires while both windows burn so fast; 1× spends the budget within the period')), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Windows of the alerts' }, rows), none)));
  let shown = '';

  function window() {
    const cells = ['th', 'td', 'td', 'td', 'td', 'td'].map((tag, i) => h(tag, { scope: i ? null : 'row', class: i > 1 && i < 5 ? 'number' : null }));
    return {
      node: h('tr', {}, cells),
      update(one) {
        const texts = [one.severity, `${span(one.long_s)} and ${span(one.short_s)}`, burn(one.factor), burn(one.long), burn(one.short), one.is_active ? 'burns too fast' : 'calm'];
        texts.forEach((text, i) => set(cells[i], text));
        attr(cells[5], 'class', one.is_active ? wrong(one.severity === 'page' ? 'hurt' : 'warn') : null);
      },
    };
  }

  function tell(series, own, now) {
    const allowed = series.valid * (1 - own.target_ppm / 1e6);
    const href = failures(own, series.group, now);
    const pairs = [
      ['Target', `${target(own.target_ppm)}${own.bound_us ? ` within ${micros(own.bound_us)}` : ''} over ${period(own)}`],
      ['In this period', series.valid ? `${share(series.valid - series.bad, series.valid)} good: ${count(series.bad)} of ${count(series.valid)} events bad` : 'no events yet'],
      ['May be bad', series.valid ? `${count(allowed)} so far; ${series.budget_left > 0 ? `${count(allowed - series.bad)} left` : 'none left'}` : null],
      ['Exhausted', series.exhausted_ms && series.budget_left > 0 ? `${moment(series.exhausted_ms, now)}, at the pace of the last hour` : null],
      ['Counts', h('code', {}, visible(own.valid))],
      ['Good', h('code', {}, visible(own.good))],
      ['Owner', own.owner && visible(own.owner)],
      ['Runbook', link(own.runbook)],
      ['Dashboard', link(own.dashboard)],
      ['Where to look', href && h('a', { href }, 'bad requests of the last hour')],
    ];
    facts.replaceChildren(...pairs.filter(([, value]) => value).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }

  async function draw(series, now) {
    const query = new URLSearchParams({ objective: series.objective, ...series.group });
    const found = await figures.ask(`/api/v1/slo/budget?${query}`);
    if (!found) return;
    const time = found.time_ms.map((ms) => ms / 1000);
    const end = now / 1000;
    spent.update(time, [found.left], [Math.min(time[0] ?? end, end - 600), Math.max(end, time.at(-1) ?? end)]);
  }

  return {
    node,
    update(series, own, now) {
      // Facts have links: they stay while nothing of them changes.
      const said = JSON.stringify([key(series), series.valid, series.bad, series.exhausted_ms]);
      set(title, visible(own.title));
      set(what, [part(series.group), visible(own.description)].filter(Boolean).join(' · '));
      if (said !== shown) tell(series, own, now);
      shown = said;
      keep(windows, series.windows, (one) => `${one.severity} ${one.long_s}`, window);
      rows.hidden = series.windows.length === 0;
      none.hidden = !rows.hidden;
      draw(series, now);
    },
    leave() {
      figures.leave();
      spent.destroy();
    },
  };
}
