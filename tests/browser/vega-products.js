// What products make of a specification of Vega-Lite: the libraries that each bundles, the schema of its
// Vega-Lite, what OpenSearch Dashboards refuses, and the drawing.
//
// Versions: pull requests 216284, 220909 and 245462 of elastic/kibana; 2717, 3076, 3151 and 10556 of
// opensearch-project/OpenSearch-Dashboards, and package.json of its main. Where a page forbids `eval`, and in newer
// ones always, expressions are interpreted; else they are compiled. Vega-Lite 6.4 takes three functions on
// texts from the Vega beside it, which is 5 here.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const parts = process.env.LBPROXY_BROWSER;
if (!parts) throw new Error('LBPROXY_BROWSER is not set; run `make vega`');
export const require = createRequire(join(parts, 'package.json'));
const load = (path) => import(pathToFileURL(join(parts, 'node_modules', path)).href);

const vegas = {
  5: [await load('vega/build/vega-node.js'), await load('vega-interpreter-1/build/vega-interpreter.js')],
  6: [await load('vega-6/build/vega.module.js'), await load('vega-interpreter-2/build/vega-interpreter.js')],
};

/// Products by what they bundle, oldest first.
export const PRODUCTS = await Promise.all(
  [
    ['OpenSearch Dashboards 2.0 to 3.2', '4.17', 5],
    ['Kibana 8.14 to 9.0', '5.5', 5],
    ['OpenSearch Dashboards 2.5 to 3.2', '5.6', 5],
    ['Kibana 8.19 and 9.1, OpenSearch Dashboards 3.3', '5.21', 5],
    ['Kibana 9.3, OpenSearch Dashboards 3.6', '6.4', 6],
  ].map(async ([name, lite, major]) => {
    const path = `vega-lite-${lite}/build`;
    const { compile } = major === 5 ? require(`${path}/vega-lite.js`) : await load(`${path}/index.js`);
    const [vega, interpreter] = vegas[major];
    const interpret = interpreter.expressionInterpreter ?? interpreter.default.expressionInterpreter;
    return { name: `${name} (Vega-Lite ${lite})`, compile, vega, interpret, isValid: validator(path) };
  })
);

/// Looks for what the schema of a Vega-Lite does not have; the deepest place, as outer ones only follow.
function validator(path) {
  const { default: Ajv } = require('ajv');
  // Not made faster first: there is little to look at.
  const options = { code: { optimize: false }, inlineRefs: false };
  const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, ...options });
  const validate = ajv.compile(JSON.parse(readFileSync(join(parts, 'node_modules', path, 'vega-lite-schema.json'), 'utf8')));
  return (spec) => {
    if (validate(spec)) return [];
    const depth = ({ instancePath }) => instancePath.split('/').length;
    const [{ instancePath, message, params }] = validate.errors.sort((one, other) => depth(other) - depth(one));
    return [`${instancePath} is not of its schema: ${message} ${JSON.stringify(params)}`];
  };
}

// `src/plugins/vis_type_vega/public/data_model/vega_validation.ts` of OpenSearch Dashboards: what leads out of a
// drawing, below these keys and anywhere in a specification.
const words = (text) => new Set(text.split(/\s+/));
const KEYS = words('expr update test calculate filter signal');
const PROPERTIES = words(`ownerDocument defaultView contentDocument contentWindow view innerHTML outerHTML
  insertAdjacentHTML createElement createElementNS getElementById getElementsByClassName getElementsByTagName
  querySelector querySelectorAll __proto__ prototype constructor`);
const NAMES = words('window document global globalThis top parent frames self constructor');
const CALLS = words('eval Function setTimeout setInterval setImmediate execScript atob btoa');

/// What OpenSearch Dashboards refuses of a specification.
export function refused(spec) {
  if (Array.isArray(spec)) return spec.flatMap(refused);
  if (!spec || typeof spec !== 'object') return [];
  return Object.entries(spec).flatMap(([key, value]) => {
    if (!KEYS.has(key) || typeof value !== 'string') return refused(value);
    const found = [];
    try {
      visit(require('vega-expression').parseExpression(value), found);
    } catch (error) {
      return [`${value} is no expression: ${error.message}`];
    }
    return found.map((what) => `${what} in ${value} is refused`);
  });
}

function visit(node, found) {
  if (!node || typeof node !== 'object') return;
  const property = ({ computed, property: own }) => (computed ? own.value : own.name);
  if (node.type === 'MemberExpression') {
    if (PROPERTIES.has(property(node))) found.push(property(node));
    if (node.computed && !['Literal', 'Identifier'].includes(node.property.type)) found.push('a key that is worked out');
  } else if (node.type === 'Identifier' && NAMES.has(node.name)) {
    found.push(node.name);
  } else if (node.type === 'CallExpression') {
    const { callee } = node;
    const name = callee.type === 'MemberExpression' ? property(callee) : callee.name;
    if (CALLS.has(name)) found.push(name);
  }
  for (const [key, inner] of Object.entries(node)) {
    const isName = (key === 'property' && node.type === 'MemberExpression') || (key === 'key' && node.type === 'Property');
    if (!isName || node.computed) [inner].flat().forEach((own) => visit(own, found));
  }
}

/// What is wrong with a specification before it is drawn.
export function look({ compile, vega, isValid }, spec) {
  const wrong = [...isValid(spec), ...refused(spec)];
  try {
    return [...wrong, ...refused(compile(spec, { logger: vega.logger(vega.None) }).spec)];
  } catch (error) {
    return [...wrong, error.message];
  }
}

/// Draws a specification whose data is in place; the picture, the view, and what is wrong.
export async function draw({ compile, vega, interpret }, spec, isInterpreted) {
  const wrong = [];
  const logger = vega.logger(vega.Warn);
  for (const level of ['warn', 'error']) {
    logger[level] = (...said) => {
      wrong.push(said.map(String).join(' '));
      return logger;
    };
  }
  try {
    const parsed = vega.parse(compile(spec, { logger }).spec, undefined, { ast: isInterpreted });
    const expr = isInterpreted ? interpret : undefined;
    const view = new vega.View(parsed, { renderer: 'none', logger, expr });
    await view.runAsync();
    // Vega numbers gradients and clips of all drawings.
    const svg = (await view.toSVG()).replace(/(gradient_|clip)\d+/g, '$1');
    // What Vega says to readers of an axis without values is its own.
    const [none] = svg.replace(/aria-label="[^"]*"/g, '').match(/.{0,80}(NaN|undefined|Infinity)/) ?? [];
    if (none) wrong.push(`a number is none: ${none}`);
    return { svg, view, wrong };
  } catch (error) {
    return { svg: '', wrong: [...wrong, error.message] };
  }
}
