// Draws every Vega panel of the boards with Vega itself, from the answers that real servers gave in the
// tests of the boards, and fails on a warning or on a mark that draws nothing. With `--pictures`, a
// sheet for each board goes to docs/img.
//
// Vega-Lite in both forms that products have had: 4 (OpenSearch Dashboards until 2.4, and beside 5 until
// 3.2) and 5.5 (Kibana until 9.0); newer ones of 5 read the same. What the products do before they
// compile is done here too: the answer takes the place of the search, the panel's size that of none.

import { createRequire } from 'node:module';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const parts = process.env.LBPROXY_BROWSER;
if (!parts) throw new Error('LBPROXY_BROWSER is not set; run `make vega`');
const require = createRequire(join(parts, 'package.json'));
const vega = await import(pathToFileURL(join(parts, 'node_modules/vega/build/vega-node.js')).href);
const compilers = ['vega-lite-4', 'vega-lite-5'].map((name) => ({
  compile: require(name).compile,
  version: require(`${name}/package.json`).version,
}));

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
    throw new Error(`${path}: ${error.message}; run \`cargo test --test it boards::\` first`);
  }
}

/// The specification with answers in place of searches.
function filled(panel, width, height) {
  const spec = structuredClone(panel.spec);
  for (const part of [spec, ...(spec.layer ?? [])]) {
    if (!part.data?.url) continue;
    const answer = panel.answers[part.data.name];
    if (!answer) throw new Error(`no answer for ${part.data.name}`);
    delete part.data.url;
    part.data.values = answer;
  }
  delete spec.config.kibana;
  return { ...spec, width, height };
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

/// Draws a panel; the picture, and what is wrong.
async function draw(panel, compiler, width, height) {
  const wrong = [];
  const logger = vega.logger(vega.Warn);
  for (const level of ['warn', 'error']) {
    logger[level] = (...words) => {
      wrong.push(words.map(String).join(' '));
      return logger;
    };
  }
  try {
    const { spec } = compiler.compile(filled(panel, width, height), { logger });
    const view = new vega.View(vega.parse(spec), { renderer: 'none', logger });
    await view.runAsync();
    wrong.push(...empty(view).map((name) => `the mark ${name} draws nothing`));
    const svg = await view.toSVG();
    if (/NaN|undefined|Infinity/.test(svg)) wrong.push('a number is none');
    return { svg, wrong };
  } catch (error) {
    return { svg: '', wrong: [...wrong, error.message] };
  }
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
    const page = await browser.newPage({ viewport: { width: 48 * COLUMN + 24, height: 400 } });
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
for (const product of ['opensearch', 'elasticsearch']) {
  const boards = new Map();
  let count = 0;
  for (const panel of panels(product)) {
    const [width, height] = [panel.width * COLUMN - 16, panel.height * ROW - TITLE];
    for (const compiler of compilers) {
      const { svg, wrong } = await draw(panel, compiler, width, height);
      count += 1;
      for (const words of wrong) {
        failures += 1;
        console.error(`${product} ${panel.board}/${panel.id}, Vega-Lite ${compiler.version}: ${words}`);
      }
      if (compiler !== compilers[0]) continue;
      if (!boards.has(panel.board)) boards.set(panel.board, { title: panel.board_title, drawn: [] });
      boards.get(panel.board).drawn.push({ panel, svg });
    }
  }
  console.log(`${product}: ${count} drawings of ${boards.size} boards`);
  if (product === 'opensearch' && process.argv.includes('--pictures')) await pictures(boards);
}
if (failures) {
  console.error(`${failures} failures`);
  process.exit(1);
}
