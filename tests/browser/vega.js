// Draws every Vega panel of the boards as each product does, from the answers that real servers gave in the
// tests of the boards and from poorer ones, and fails on a warning, on a number that is none, and on a mark
// that draws nothing of a whole answer. With `--pictures`, a sheet for each board goes to docs/img.
//
// What the products do before they compile is done here too: the answer takes the place of the search, the
// panel's size that of none.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { ANSWERS, answer } from './vega-answers.js';
import { PLANTED } from './vega-planted.js';
import { draw, look, PRODUCTS, require } from './vega-products.js';

const root = new URL('../..', import.meta.url).pathname;
const recorded = process.env.LBPROXY_VEGA ?? join(root, 'target/tmp');
const BYTES_MAX = 150 * 1024;
/// A column and a row of the grid, and what a panel's title takes.
const [COLUMN, ROW, TITLE] = [24, 24, 26];

/// What the tests of the boards have left for a product.
function panels(product) {
  const path = join(recorded, `vega-${product}.json`);
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${error.message}; run \`make vega\` first`);
  }
}

/// The specification with answers in place of searches.
function filled(panel, as) {
  const spec = structuredClone(panel.spec);
  for (const part of [spec, ...(spec.layer ?? [])]) {
    if (!part.data?.url) continue;
    const recorded = panel.answers[part.data.name];
    if (!recorded) throw new Error(`no answer for ${part.data.name}`);
    const { aggs } = part.data.url.body;
    delete part.data.url;
    part.data.values = answer(aggs, recorded, as);
  }
  delete spec.config.kibana;
  return { ...spec, width: panel.width * COLUMN - 16, height: panel.height * ROW - TITLE };
}

/// Names of marks that draw nothing. What a figure says where nothing is wrong is nothing.
function empty(view) {
  const found = [];
  (function walk(item) {
    for (const mark of item.items ?? []) {
      if (mark.marktype && mark.role === 'mark' && !mark.items.length) found.push(mark.name ?? mark.marktype);
      for (const inner of mark.items ?? []) if (inner.items) walk(inner);
    }
  })(view.scenegraph().root.items[0]);
  return found;
}

/// A warning that products are told to hide where there is nothing yet (`hideWarnings`).
const isHidden = (panel, words) => panel.spec.config.kibana.hideWarnings && /^Infinite extent/.test(words);

/// Draws a panel from an answer; the picture, and what is wrong.
async function drawn(panel, product, as) {
  const spec = () => filled(panel, as);
  const { svg, view, wrong } = await draw(product, spec(), true);
  const found = new Set(wrong.filter((words) => !isHidden(panel, words)));
  if (as !== 'recorded') return { svg, wrong: [...found] };
  look(product, spec()).forEach((words) => found.add(words));
  const compiled = await draw(product, spec(), false);
  if (svg !== compiled.svg) found.add('it is drawn otherwise where expressions are interpreted');
  if (view) empty(view).forEach((name) => found.add(`the mark ${name} draws nothing`));
  return { svg, wrong: [...found] };
}

/// A text in markup.
const text = (words) => words.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/// The panels of a board as a page, in rows as wide as the board.
function sheet(board, drawn) {
  const figures = drawn.map(({ panel, svg }) => {
    const note = `<figcaption>${text(panel.title)}</figcaption>`;
    return `<figure style="width:${panel.width * COLUMN}px">${note}${svg}</figure>`;
  });
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 12px; width: ${48 * COLUMN}px; font: 13px 'DejaVu Sans', sans-serif; color: #343741; background: #fff }
    h1 { font-size: 16px; margin: 0 0 2px } p { margin: 0 0 8px; color: #69707d }
    main { display: flex; flex-wrap: wrap; align-items: flex-start } figure { margin: 0 0 10px }
    figcaption { font-weight: bold; padding: 4px } svg { display: block }
    </style><h1>${text(board)}</h1>
    <p>Its Vega panels, drawn by Vega from the data of the tests: eight minutes, made up. The others are in docs/boards.md.</p>
    <main>${figures.join('')}</main>`;
}

/// Pictures of the boards of a product, each of its sheet.
async function pictures(boards) {
  const { chromium } = require('playwright-core');
  const executablePath = process.env.LBPROXY_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage({ viewport: { width: 48 * COLUMN + 24, height: 100 } });
    for (const [id, { title, drawn }] of boards) {
      await page.setContent(sheet(title, drawn));
      const path = join(root, 'docs/img', `boards-${id}.png`);
      await page.screenshot({ path, fullPage: true });
      const { size } = statSync(path);
      console.log(`${path}  ${Math.round(size / 1024)} KiB`);
      if (size > BYTES_MAX) throw new Error(`${path} is larger than ${BYTES_MAX} bytes`);
    }
  } finally {
    await browser.close();
  }
}

let failures = 0;
function fail(...words) {
  failures += 1;
  console.error(words.join(': '));
}

for (const product of PRODUCTS) {
  for (const [name, spec, want] of PLANTED) {
    const wrong = [...look(product, spec), ...(await draw(product, spec, true)).wrong];
    const isFound = want ? wrong.some((words) => want.test(words)) : !wrong.length;
    if (!isFound) fail(product.name, `${name} is told as`, JSON.stringify(wrong));
  }
}
for (const server of ['opensearch', 'elasticsearch']) {
  const boards = new Map();
  let count = 0;
  for (const panel of panels(server)) {
    for (const product of PRODUCTS) {
      for (const as of Object.keys(ANSWERS)) {
        const { svg, wrong } = await drawn(panel, product, as);
        count += 1;
        wrong.forEach((words) => fail(`${server} ${panel.board}/${panel.id}`, product.name, as, words));
        if (product !== PRODUCTS[0] || as !== 'recorded') continue;
        if (!boards.has(panel.board)) boards.set(panel.board, { title: panel.board_title, drawn: [] });
        boards.get(panel.board).drawn.push({ panel, svg });
      }
    }
  }
  console.log(`${server}: ${count} drawings of ${boards.size} boards`);
  if (server === 'opensearch' && process.argv.includes('--pictures')) await pictures(boards);
}
if (failures) {
  console.error(`${failures} failures`);
  process.exit(1);
}
