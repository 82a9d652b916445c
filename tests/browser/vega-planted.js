// Faults that are planted in a specification, and what each must be told as: a check that finds none of
// them finds nothing.

const spec = (change) => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v4.json',
  data: { values: [{ key: 1, m: { value: 2 } }] },
  transform: [{ calculate: 'datum.m.value', as: 'figure' }],
  mark: { type: 'text' },
  encoding: { x: { field: 'figure', type: 'quantitative' }, text: { field: 'figure', type: 'nominal' } },
  width: 100,
  height: 100,
  ...change,
});
const text = { text: { field: 'figure', type: 'nominal' } };
const calculated = (calculate) => spec({ transform: [{ calculate, as: 'figure' }], encoding: text });

export const PLANTED = [
  ['nothing wrong', spec({}), null],
  ['a key that Vega-Lite does not have', spec({ encodings: {} }), /is not of its schema/],
  ['a mark that Vega-Lite does not have', spec({ mark: { type: 'gauge' } }), /is not of its schema/],
  ['a transform of no version', spec({ transform: [{ unfold: ['a'] }] }), /is not of its schema|unfold/],
  ['a function that is none', calculated('isFine(datum.key)'), /Unrecognized function|isFine/],
  ['no expression', calculated('datum.key +'), /Illegal|Unexpected|expression/],
  ['a value below nothing', calculated('datum.other.value'), /Cannot read/],
  ['no number', calculated("'' + datum.key * 'a'"), /a number is none/],
  ['a way out of the drawing', calculated("datum['constructor']"), /is refused/],
  ['a name of the page', calculated('parent'), /is refused/],
  ['a key that is worked out', calculated("datum['k' + 'ey']"), /is refused/],
];
