// Runs the model of this folder in a browser or another JavaScript runtime. No data leaves the page.
import * as ort from './ort.wasm.bundle.min.mjs';

const WASM = 'ort-wasm-simd-threaded.wasm';

async function fetchFile(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

export class Model {
  /**
   * Load the model and its schema.
   * @param {(name: string) => Promise<Uint8Array>} read Returns a file of this folder.
   */
  static async load(read = fetchFile) {
    const [schema, model, wasm] = await Promise.all(['schema.json', 'model.onnx', WASM].map(read));
    ort.env.wasm.numThreads = 1; // more threads would need the headers of a cross-origin isolated page
    ort.env.wasm.wasmBinary = wasm;
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    return new Model(JSON.parse(new TextDecoder().decode(schema)), session);
  }

  constructor(schema, session) {
    this.schema = schema;
    this.session = session;
  }

  /** Return one prediction per row: {label, probabilities}, or {value} and its quantiles. */
  async predict(rows) {
    const [first, second] = await this.run(rows);
    const { task, targets, classes, quantiles, separator } = this.schema;
    const named = (names, numbers) => Object.fromEntries(names.map((name, index) => [name, numbers[index]]));
    if (task !== 'regression') {
      const label = (text) => (targets.length ? (text ? text.split(separator) : []) : text);
      return first.map((text, row) => ({ label: label(text), probabilities: named(classes, second[row]) }));
    }
    return first.map((value, row) => ({
      value: targets.length ? named(targets, value) : value,
      ...(second && { quantiles: named(quantiles, second[row]) }),
    }));
  }

  /** Return the outputs of the graph, each with one entry per row. */
  async run(rows) {
    const feeds = Object.fromEntries(this.schema.columns.map((column) => [column.name, toTensor(column, rows)]));
    const outputs = await this.session.run(feeds);
    return this.session.outputNames.map((name) => {
      const { data, dims } = outputs[name];
      const values = Array.from(data);
      if (dims.length === 1) return values;
      return rows.map((_, row) => values.slice(row * dims[1], (row + 1) * dims[1]));
    });
  }
}

function toTensor(column, rows) {
  const cells = rows.map((row, index) => readCell(column, row[column.name], index));
  if (column.kind === 'image') {
    return new ort.Tensor('uint8', Uint8Array.from(cells.flat()), [rows.length, ...column.shape]);
  }
  if (column.kind === 'categorical' || column.kind === 'text') return new ort.Tensor('string', cells, [rows.length]);
  const isDouble = column.kind === 'datetime' || column.is_wide;
  const array = isDouble ? Float64Array.from(cells) : Float32Array.from(cells);
  return new ort.Tensor(isDouble ? 'float64' : 'float32', array, [rows.length]);
}

/** Return the value of a cell; a missing cell (null, undefined or '') is NaN, or '' in columns of texts. */
function readCell(column, cell, row) {
  const { kind } = column;
  if (kind === 'image') {
    const pixels = [cell].flat(Infinity);
    const count = column.shape.reduce((product, size) => product * size, 1);
    if (pixels.length !== count) throw wrong(column, row, `${count} pixels`);
    return pixels;
  }
  const isMissing = cell === null || cell === undefined || cell === '';
  if (kind === 'categorical' || kind === 'text') return isMissing ? '' : readText(column, cell);
  if (isMissing) return NaN;
  if (kind === 'boolean') return readBoolean(column, cell, row);
  const number = kind === 'datetime' && typeof cell === 'string' ? Date.parse(cell) / 1000 : Number(cell);
  if (Number.isNaN(number)) throw wrong(column, row, kind === 'datetime' ? 'a date' : 'a number');
  return number;
}

function readText(column, cell) {
  const text = String(cell).trim().normalize('NFC');
  if (!column.is_code) return text;
  const whole = /^([+-]?\d+)\.0*$/.exec(text);
  if (whole) return whole[1];
  return ['True', 'TRUE', 'False', 'FALSE'].includes(text) ? text.toLowerCase() : text;
}

function readBoolean(column, cell, row) {
  const words = { true: 1, yes: 1, 1: 1, false: 0, no: 0, 0: 0 };
  const value = words[String(cell).trim().toLowerCase()];
  if (value === undefined) throw wrong(column, row, 'true or false');
  return value;
}

function wrong(column, row, expected) {
  return new Error(`row ${row + 1}, column '${column.name}': ${expected} is expected`);
}

/** Compare outputs like the export: equal labels, numbers within the tolerance, which is relative above 1. */
export function compare(outputs, golden) {
  const close = (actual, expected) => {
    if (Array.isArray(expected)) return expected.every((value, index) => close(actual[index], value));
    if (typeof expected === 'string') return actual === expected;
    if (expected === null) return Number.isNaN(actual);
    return Math.abs(actual - expected) <= golden.tolerance * Math.max(1, Math.abs(expected));
  };
  const rows = golden.rows.map((_, row) => golden.outputs.every((output, index) => close(outputs[index][row], output[row])));
  return { rows: rows.length, equal: rows.filter(Boolean).length };
}
