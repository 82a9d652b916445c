// Lines over time with uPlot: one look for all, a crosshair that all share, zoom by dragging. A chart of
// requests leads to them: those of the time that is shown, or of a point that was clicked or chosen with
// the arrow keys.

import { h, svg, set } from './dom.js';
import { clock, day, zone } from './format.js';
import { between, requests } from './filter.js';

const HEIGHT = 190;
const SYNC = 'time';
// Steps of an axis in bytes: powers of two, so that its numbers are round.
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);
// Steps of an axis of whole things.
const WHOLE = Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();

const all = new Set();
// What was zoomed to, in seconds; all charts show the same time.
let zoomed = null;

/// Whether somebody looks closer at a part of the time.
export const isZoomed = () => zoomed !== null;

/// Shows the whole time again.
export function unzoom() {
  zoomed = null;
  for (const chart of all) chart.place();
  document.dispatchEvent(new Event('zoom'));
}

function zoom(min, max) {
  zoomed = [min, max];
  for (const chart of all) chart.place();
  document.dispatchEvent(new Event('zoom'));
}

const DAY_S = 86_400;
/// A time on the axis, as fine as its steps.
function tick(ms, step) {
  if (step < 60) return clock(ms);
  const time = clock(ms).slice(0, 5);
  return step >= DAY_S || (step >= 3600 && time === '00:00') ? day(ms) : time;
}

/// A colour of the style sheet.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/// A chart. `series` have `label`, `colour` (a property of the style sheet), `width`; the first is drawn
/// lowest. `stacked` adds them up. `signed` values may be below 0. `format` makes a text of a value; `floor` is the least height of the
/// axis; `steps` are `binary`, `whole` or absent; `wait` says when the first point comes; `leads` is set
/// when it shows requests, and a series' `filter` says which of them it is.
export function chart({ title, hint, series, format, stacked = false, floor = 0, signed = false, steps, wait = 'a point comes every five seconds', leads = false }) {
  const values = series.map(() => h('b', {}, '–'));
  const labels = series.map((one) => h(one.filter ? 'a' : 'span', { title: one.filter ? 'These requests' : null }, one.label));
  const legend = h('div', { class: 'legend', 'aria-hidden': series.some((one) => one.filter) ? null : 'true' }, series.map((one, i) =>
    h('span', {}, h('i', { class: `swatch ${one.colour.slice(2)}` }), labels[i], ' ', values[i])));
  const when = h('span', { class: 'when', 'aria-hidden': 'true' });
  const link = leads ? h('a', { class: 'follow' }, 'requests') : null;
  const plot = h('div', { class: 'plot', role: 'img', 'aria-label': `${title}: no data yet`, onkeydown: step });
  const empty = h('p', { class: 'empty', hidden: true });
  const node = h('section', { class: 'panel chart' },
    h('header', {}, h('h2', {}, title), hint ? h('span', { class: 'hint' }, hint) : null, when, link),
    legend, plot, empty);

  let uplot = null;
  let raw = [[], ...series.map(() => [])];
  let span = null;
  // A point that was chosen: its time in seconds.
  let chosen = null;

  /// Length of a point.
  const length = () => (raw[0].length > 1 ? raw[0].at(-1) - raw[0].at(-2) : 5);

  /// Leads to the requests of what is shown or chosen.
  function follow() {
    if (!leads) return;
    const [from, to] = chosen === null ? zoomed ?? [span?.[0], null] : [chosen, chosen + length()];
    const time = between(from && Math.round(from * 1000), to && Math.round(to * 1000));
    link.href = requests(time);
    set(link, chosen === null ? 'requests' : `requests of ${clock(chosen * 1000)}`);
    series.forEach((one, i) => {
      if (one.filter) labels[i].href = requests(one.filter, time);
    });
  }

  function choose(index) {
    chosen = raw[0][index] ?? null;
    follow();
  }

  /// Keys of a chart: through its points, and to the requests of one.
  function step(event) {
    const last = raw[0].length - 1;
    const at = chosen === null ? last + 1 : raw[0].indexOf(chosen);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (to !== undefined && last >= 0) {
      event.preventDefault();
      choose(Math.max(0, Math.min(last, to)));
      uplot.setCursor({ left: uplot.valToPos(chosen, 'x'), top: 1 });
      say();
    } else if (event.key === 'Enter' && leads) {
      location.href = link.href;
    } else if (event.key === 'Escape' && chosen !== null) {
      event.stopPropagation();
      choose(-1);
      uplot.setCursor({ left: -10, top: -10 });
      say();
    }
  }

  /// The same for whoever does not see it: the point that was chosen, or the last one.
  function say() {
    const last = raw[0].length - 1;
    if (last < 0) {
      plot.setAttribute('role', 'img');
      for (const name of ['tabindex', 'aria-valuemin', 'aria-valuemax', 'aria-valuenow', 'aria-valuetext']) plot.removeAttribute(name);
      plot.setAttribute('aria-label', `${title}: no data yet`);
      return;
    }
    const found = chosen === null ? last : raw[0].indexOf(chosen);
    const at = found < 0 ? last : found;
    const parts = series.map((one, i) => `${one.label} ${format(raw[i + 1][at])}`);
    const all = { role: 'slider', tabindex: 0, 'aria-label': title, 'aria-valuemin': 0, 'aria-valuemax': last, 'aria-valuenow': at, 'aria-valuetext': `${told(raw[0][at])}: ${parts.join(', ')}` };
    for (const [name, value] of Object.entries(all)) plot.setAttribute(name, value);
  }

  /// Sums from the lowest series up, drawn from the highest down, so that each covers what is below.
  function drawn() {
    if (!stacked) return raw;
    const sums = [];
    for (let s = 0; s < series.length; s += 1) {
      sums.push(raw[s + 1].map((value, i) => (value ?? 0) + (s ? sums[s - 1][i] : 0)));
    }
    return [raw[0], ...sums.reverse()];
  }

  /// Points without a neighbour.
  function lonely(u, s) {
    const values = u.data[s];
    const none = (i) => values[i] === null || values[i] === undefined;
    return values.flatMap((_, i) => (!none(i) && none(i - 1) && none(i + 1) ? [i] : []));
  }

  function build() {
    uplot?.destroy();
    const grid = colour('--line');
    const axis = { stroke: colour('--quiet'), grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, font: '11px system-ui, sans-serif' };
    const lines = series.map((one) => ({
      label: one.label,
      stroke: colour(one.colour),
      width: one.width ?? 1.5,
      dash: one.dash,
      fill: stacked ? colour(one.colour) : undefined,
      // A point between two times without a value would not be seen as a line.
      points: { show: !stacked, size: 5, fill: colour(one.colour), filter: lonely },
      spanGaps: false,
    }));
    if (stacked) lines.reverse();
    uplot = new uPlot({
      width: Math.max(plot.clientWidth, 200),
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: SYNC, scales: ['x', null] }, points: { show: !stacked, size: 5 }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true, auto: false }, y: { range: (_, min, max) => [signed ? Math.min(0, min ?? 0) * 1.08 : 0, Math.max(max ?? 0, floor) * 1.08 || 1] } },
      series: [{}, ...lines],
      axes: [
        { ...axis, size: 28, gap: 3, space: 70, values: (_, splits, __, ___, step) => splits.map((s) => tick(s * 1000, step)) },
        { ...axis, size: 64, gap: 4, incrs: { binary: BINARY, whole: WHOLE }[steps], values: (_, splits) => splits.map((value) => format(value).replace(/\.0+(?!\d)/, '')) },
      ],
      hooks: {
        setCursor: [(u) => show(u.cursor.idx)],
        setSelect: [(u) => {
          if (u.select.width < 8) return;
          zoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    }, drawn(), plot);
    plot.ondblclick = unzoom;
    // A click without a drag: uPlot keeps the others to itself.
    if (leads) uplot.over.addEventListener('click', () => choose(uplot.cursor.idx ?? -1));
    self.place();
  }

  /// A time as it is told: with its day, where days are shown.
  const told = (s) => `${span && span[1] - span[0] > DAY_S ? `${day(s * 1000)} ` : ''}${clock(s * 1000)}`;

  /// Values under the crosshair, or the last ones.
  function show(index) {
    const last = raw[0].length - 1;
    const at = index ?? last;
    series.forEach((_, i) => set(values[i], at < 0 || at > last ? '–' : format(raw[i + 1][at])));
    set(when, index === null || index === undefined || at > last ? '' : `${told(raw[0][at])} ${zone}`);
  }

  const self = {
    node,
    /// New data: seconds, then a column for each series; `range` is what to show, in seconds.
    update(time, columns, range) {
      raw = [time, ...columns];
      span = range;
      empty.hidden = time.length > 0;
      if (time.length === 0) set(empty, `No data in this window yet; ${wait}.`);
      if (!uplot) build();
      uplot.setData(drawn(), false);
      self.place();
      if (uplot.cursor.idx === null || uplot.cursor.idx === undefined || uplot.cursor.left < 0) show(null);
      // A point that is no longer there cannot be chosen.
      if (chosen !== null && !time.includes(chosen)) choose(-1);
      say();
    },
    /// Shows the time that was zoomed to, or all of it.
    place() {
      const [min, max] = zoomed ?? span ?? [0, 1];
      uplot?.setScale('x', { min, max });
      follow();
    },
    /// Fits it to the place that it has.
    fit() {
      if (uplot && plot.clientWidth) uplot.setSize({ width: plot.clientWidth, height: HEIGHT });
    },
    /// Draws it in the colours of now.
    paint() {
      if (uplot) build();
      show(null);
    },
    destroy() {
      all.delete(self);
      observer.disconnect();
      uplot?.destroy();
    },
  };
  const observer = new ResizeObserver(() => self.fit());
  observer.observe(plot);
  all.add(self);
  return self;
}

document.addEventListener('theme', () => {
  for (const chart of all) chart.paint();
});

/// A small line without axes, for tiles and tables.
export function spark(name, width = 96, height = 22) {
  const line = svg('path', { class: 'line' });
  const area = svg('path', { class: 'area' });
  const node = svg('svg', { class: `spark ${name}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, area, line);
  return {
    node,
    update(values) {
      const known = values.filter((value) => value !== null && value !== undefined);
      if (known.length < 2) {
        line.removeAttribute('d');
        area.removeAttribute('d');
        return;
      }
      const max = Math.max(...known) || 1;
      const step = width / (values.length - 1);
      const points = values.map((value, i) => `${(i * step).toFixed(1)} ${(height - 1 - ((value ?? 0) / max) * (height - 3)).toFixed(1)}`);
      line.setAttribute('d', `M${points.join('L')}`);
      area.setAttribute('d', `M0 ${height}L${points.join('L')}L${width} ${height}Z`);
    },
  };
}
