// SLO: what is promised, whether it is kept, and what spends the budgets. The program evaluates; nothing is
// judged here.

import { h, set, attr, visible } from './dom.js';
import { count, share, span, zone } from './format.js';
import { asker } from './stream.js';
import { table } from './table.js';
import { objective } from './objective.js';
import { bar, burn, condition, exhaustion, key, kind as alertKind, moment, part, period, place, reason, target, titled } from './budget.js';
import { kind, mark, weight, wrong } from './verdict.js';

// Figures older than this are worth a word: there is an evaluation every ten seconds.
const LATE = 60_000;

export function make({ listen, state }, words) {
  let answer = null;
  let evaluated;
  const group = Object.fromEntries([...words].filter(([name]) => name !== 'objective'));
  let opened = words.get('objective') ? key({ objective: words.get('objective'), group }) : null;
  const now = () => state.live?.time_ms ?? answer?.now_ms ?? Date.now();

  const sign = h('span', { class: 'mark', 'aria-hidden': 'true' });
  const text = h('span');
  const status = h('div', { class: 'status none', role: 'status' }, sign, text);
  const since = h('p', { class: 'since' });
  const notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  const lacking = h('p', { class: 'notice', hidden: true });
  const figures = asker(notice, (why) => `Not configured: ${why.message}. To have some, ${why.cure}.`);

  /// The class of a burn rate: that of the alert whose window it is, while that window burns too fast.
  const hot = (row, seconds) => {
    const active = row.windows.filter((one) => one.long_s === seconds && one.is_active);
    return wrong(active.some((one) => one.severity === 'page') ? 'hurt' : active.length ? 'warn' : '');
  };
  const rates = [['1 h', '1h', 3600], ['6 h', '6h', 6 * 3600], ['3 d', '3d', 72 * 3600]].map(([label, name, seconds]) => ({
    name: `Burn ${label}`, number: true, text: (row) => burn(row.burn[name]), sort: (row) => row.burn[name], class: (row) => hot(row, seconds),
    hint: `How fast the budget burned over the last ${label}: 1× spends it within the period`,
  }));
  const list = table({
    caption: 'Objectives, those in trouble first',
    key,
    open: (row) => open(row),
    rowClass: (row) => (opened === key(row) ? 'open' : null),
    columns: [
      { name: 'Objective', head: true, node: () => name(), sort: (row) => `${row.title} ${part(row.group)}` },
      { name: 'State', text: (row) => condition(row, now()), class: (row) => wrong(row.level), sort: (row) => weight(row.level) },
      { name: 'Now', number: true, text: (row) => share(row.good_5m, row.good_5m === null ? 0 : 1), sort: (row) => -(row.good_5m ?? 2), hint: 'Good events of the last 5 minutes' },
      { name: 'Budget left', node: bar, sort: (row) => -row.budget_left, class: (row) => (row.valid && row.budget_left <= 0 ? 'warn' : '') },
      ...rates,
      { name: 'Exhausted', number: true, text: (row) => exhaustion(row, now()), sort: (row) => -(row.exhausted_ms ?? Infinity), hint: 'When nothing of the budget is left at the pace of the last hour; – where that is not within the period' },
      { name: 'Target', number: true, text: (row) => `${target(row.own.target_ppm)}, ${period(row.own)}`, sort: (row) => row.own.target_ppm, hint: 'Least share of good events, and over which time' },
    ],
  });
  // The opened series; made when one is.
  let detail = null;
  const below = h('div');
  const history = table({
    caption: 'Alerts, those that fire first',
    key: (row) => `${key(row)}${row.alert}${row.since_ms}`,
    open: (row) => { location.hash = place(row); },
    columns: [
      { name: 'Alert', head: true, text: (row) => alertKind(row.alert) },
      { name: 'Objective', text: titled, link: place },
      { name: 'State', text: (row) => (row.until_ms ? 'over' : 'fires'), class: (row) => (row.until_ms ? '' : wrong(row.level)) },
      { name: 'Since', number: true, text: (row) => moment(row.since_ms, now()) },
      { name: 'Until', number: true, text: (row) => (row.until_ms ? moment(row.until_ms, now()) : '') },
      { name: 'For', number: true, text: (row) => span(((row.until_ms ?? now()) - row.since_ms) / 1000) },
      { name: 'Why', text: (row) => reason(row.reason) },
    ],
  });
  const about = h('span', { class: 'hint' });
  const silent = h('p', { class: 'empty', hidden: true });
  const node = h('div', { class: 'slo' }, h('h1', { class: 'hidden' }, 'SLO'),
    h('div', { class: 'top' }, status, since), notice, lacking,
    h('section', { class: 'panel objectives' }, h('header', {}, h('h2', {}, 'Objectives'), h('span', { class: 'hint' }, 'most trouble first; a row opens its budget over time')), list.node),
    below,
    h('section', { class: 'panel alerts' }, h('header', {}, h('h2', {}, 'Alerts'), about), history.node, silent));

  function name() {
    const link = h('a', { tabindex: '-1' });
    const whose = h('span', { class: 'age' });
    return {
      node: h('span', {}, link, ' ', whose),
      update(row) {
        set(link, visible(row.title));
        attr(link, 'href', place(row));
        set(whose, part(row.group));
      },
    };
  }

  /// Every series; an objective whose groups had no event yet has a row that says so.
  function rows() {
    const known = new Map(answer.objectives.map((one) => [one.name, one]));
    const series = answer.series.filter((row) => known.has(row.objective)).map((row) => ({ ...row, own: known.get(row.objective) }));
    const idle = answer.objectives.filter((one) => !answer.series.some((row) => row.objective === one.name)).map((own) => ({
      objective: own.name, title: own.title, group: {}, own, level: 'unknown', state: 'inactive', alert: null, since_ms: null, good_5m: null,
      valid: 0, bad: 0, budget_left: 1, exhausted_ms: null, burn: {}, windows: [],
    }));
    const order = { ok: 0, unknown: 0, note: 1, warn: 2, hurt: 3 };
    return [...series, ...idle].sort((a, b) => order[b.level] - order[a.level] || a.budget_left - b.budget_left);
  }

  function say(all) {
    const worst = all[0];
    const firing = all.filter((row) => row.state === 'firing');
    const several = firing.length > 1 ? `, and ${count(firing.length - 1)} more` : '';
    const named = worst && titled(worst);
    let words = all.every((row) => !row.valid) ? 'No events yet: nothing was counted for any objective.' : 'All objectives are within their budgets.';
    if (worst?.state === 'firing') words = `${named}: ${alertKind(worst.alert)} fires since ${moment(worst.since_ms, now())}${several}.`;
    else if (worst?.level === 'warn') words = `${named}: its budget is spent.`;
    else if (worst?.level === 'note') words = `${named}: ${alertKind(worst.alert)} is pending.`;
    const level = worst?.level === 'unknown' && all.some((row) => row.valid) ? 'ok' : worst?.level ?? 'unknown';
    attr(status, 'class', `status ${kind(level)}`);
    set(sign, mark(level));
    set(text, words);
  }

  function lacks() {
    const late = answer.evaluated_ms ? now() - answer.evaluated_ms : 0;
    let lack = '';
    if (!answer.evaluated_ms) lack = 'No figures yet: the first evaluation comes within ten seconds of the start.';
    else if (late > LATE) lack = `No evaluation for ${span(late / 1000)}: figures are of then. It goes on by itself; if it does not, look on Process for lbproxy_slo_ and in the log for why.`;
    lacking.hidden = lack === '';
    set(lacking, lack);
    attr(lacking, 'class', `notice ${late > LATE ? '' : 'info'}`.trim());
    set(since, answer.evaluated_ms ? `evaluated at ${moment(answer.evaluated_ms, now())}, every 10 s; times are ${zone}` : '');
  }

  function draw({ again = true } = {}) {
    if (!answer) return;
    const all = rows();
    say(all);
    lacks();
    list.update(all);
    const one = all.find((row) => key(row) === opened);
    if (one && again) {
      if (!detail) below.append((detail = objective({ close: () => escape() })).node);
      detail.update(one, one.own, now());
    }
    const levels = { page: 'hurt', ticket: 'warn', no_data: 'warn' };
    const alerts = answer.alerts.filter((row) => !one || row.objective === one.objective);
    history.update(alerts.map((row) => ({ ...row, level: levels[row.alert] })));
    set(about, `${one ? `of ${visible(one.title)}; ` : ''}those that fire, and the last ${count(answer.ended_max)} of all objectives, restarts included`);
    history.node.hidden = alerts.length === 0;
    silent.hidden = alerts.length > 0;
    set(silent, 'No alert has fired.');
  }

  function open(row) {
    opened = opened === key(row) ? null : key(row);
    if (!opened) shut();
    draw();
  }

  function escape() {
    if (!opened) return false;
    opened = null;
    // The keyboard stays where the table is.
    if (below.contains(document.activeElement)) list.node.focus();
    shut();
    draw();
    return true;
  }

  function shut() {
    detail?.leave();
    detail?.node.remove();
    detail = null;
  }

  async function refresh() {
    const found = await figures.ask('/api/v1/slo');
    if (!found) return;
    answer = found;
    draw();
  }

  return {
    node,
    start() {
      refresh();
      listen((live) => {
        // Spans grow each second; figures change with an evaluation.
        draw({ again: false });
        if (live.slo && live.slo.evaluated_ms !== evaluated) {
          evaluated = live.slo.evaluated_ms;
          refresh();
        }
      });
    },
    escape,
    leave() {
      figures.leave();
      shut();
    },
  };
}
