// A dense table: rows are kept by key and changed in place, columns sort, arrows move through rows.

import { h, set, attr, lead } from './dom.js';

/// A table. Columns have `name`, `title`, `text(row)`, `sort(row)`; also `number`, `class(row)`, `node`
/// (a function that makes a cell's content once and gives `{node, update(row)}`), `link(row)`: where the
/// figure can be followed to, if anywhere; `shown()`: whether anything has it. `open(row)` is called by click and Enter. One stop of the
/// Tab key for each row: arrows move through rows, and through the links of one.
export function table({ caption, columns, key, open, order, rowClass }) {
  let rows = [];
  let by = order ?? null;
  let down = true;
  const kept = new Map();

  const heads = columns.map((column) => {
    const button = column.sort
      ? h('button', { type: 'button', title: column.hint ?? '', onclick: () => sort(column) }, column.name)
      : column.name;
    return h('th', { scope: 'col', class: column.number ? 'number' : null, title: column.hint ?? null }, button);
  });
  const body = h('tbody');
  const node = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', { class: 'hidden' }, caption), h('thead', {}, h('tr', {}, heads)), body));
  if (open) body.addEventListener('keydown', move);

  function sort(column) {
    if (by === column.name) down = !down;
    else {
      by = column.name;
      down = true;
    }
    update(rows);
  }

  function move(event) {
    const row = event.target.closest('tr');
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      (step > 0 ? row.nextElementSibling : row.previousElementSibling)?.focus();
    } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      event.preventDefault();
      const stops = [row, ...row.querySelectorAll('a[href]')];
      stops[stops.indexOf(event.target) + (event.key === 'ArrowRight' ? 1 : -1)]?.focus();
    } else if (event.key === 'Enter' && event.target === row) {
      row.click();
    }
  }

  function make(id) {
    const cells = columns.map((column) => {
      const part = column.node?.() ?? (column.link ? follow(column) : null);
      const td = h(column.head ? 'th' : 'td', { class: column.number ? 'number' : null, scope: column.head ? 'row' : null }, part ? part.node : []);
      return { td, part };
    });
    const tr = h('tr', { tabindex: open ? '0' : null }, cells.map((cell) => cell.td));
    const made = { tr, cells, row: null };
    if (open) {
      tr.addEventListener('click', (event) => {
        if (!event.target.closest('a, button')) open(made.row, tr);
      });
    }
    kept.set(id, made);
    return made;
  }

  function follow(column) {
    const node = h('a', { tabindex: '-1' });
    return { node, update: (row) => lead(node, column.link(row), column.text(row)) };
  }

  const hidden = (column) => (column.shown && !column.shown() ? '' : null);

  function change(made, row) {
    made.row = row;
    attr(made.tr, 'class', rowClass?.(row) ?? null);
    columns.forEach((column, i) => {
      const { td, part } = made.cells[i];
      attr(td, 'hidden', hidden(column));
      if (part) part.update(row);
      else set(td, column.text(row));
      const extra = column.class?.(row) ?? '';
      attr(td, 'class', [column.number ? 'number' : '', extra].filter(Boolean).join(' ') || null);
    });
  }

  /// Shows these rows; those of a group stay below its head.
  function update(next, { grouped = false } = {}) {
    rows = next;
    update.grouped = grouped || update.grouped;
    const column = columns.find((one) => one.name === by);
    heads.forEach((th, i) => attr(th, 'aria-sort', columns[i].name === by ? (down ? 'descending' : 'ascending') : null));
    heads.forEach((th, i) => attr(th, 'hidden', hidden(columns[i])));
    const sorted = column ? arrange(rows, column.sort, down) : rows;
    const seen = new Set();
    let place = body.firstElementChild;
    for (const row of sorted) {
      const id = key(row);
      seen.add(id);
      const made = kept.get(id) ?? make(id);
      change(made, row);
      if (made.tr === place) place = place.nextElementSibling;
      else body.insertBefore(made.tr, place);
    }
    for (const [id, made] of kept) {
      if (!seen.has(id)) {
        made.tr.remove();
        kept.delete(id);
      }
    }
  }

  return { node, update };
}

/// Sorted; rows with a `group` stay together, the head of the group first.
function arrange(rows, value, down) {
  const sign = down ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === 'string' || typeof y === 'string') return -sign * String(x).localeCompare(String(y));
    return sign * ((x ?? -1) - (y ?? -1));
  };
  const heads = rows.filter((row) => row.isHead);
  if (heads.length === 0) return [...rows].sort(compare);
  return [...heads].sort(compare).flatMap((head) =>
    [head, ...rows.filter((row) => !row.isHead && row.group === head.group).sort(compare)]);
}
