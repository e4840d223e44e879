// The page: a form for one row, its prediction, and a check of the golden rows.
import { Model, compare } from './predict.js';

const MAX_FIELDS = 100; // with more columns, the form has a single field for the row as JSON
const find = (id) => document.getElementById(id);

async function start() {
  const model = await Model.load();
  const golden = await (await fetch('golden.json')).json();
  const read = makeForm(model.schema.columns, golden.rows[0] ?? {});
  const predict = async (event) => {
    event?.preventDefault();
    try {
      const started = performance.now();
      const [prediction] = await model.predict([await read()]);
      show(prediction, performance.now() - started);
    } catch (error) {
      find('prediction').textContent = error.message;
    }
  };
  find('row').addEventListener('submit', predict);
  await predict();
  const verdicts = [];
  for (let row = 0; row < golden.rows.length; row += 1) {
    const alone = { ...golden, rows: [golden.rows[row]], outputs: golden.outputs.map((output) => [output[row]]) };
    verdicts.push(compare(await model.run(alone.rows), alone).equal);
  }
  const equal = verdicts.reduce((sum, count) => sum + count, 0);
  report(`${equal} of ${verdicts.length} golden rows are predicted as they were when the model was exported`, equal === verdicts.length);
}

function report(sentence, isGood) {
  find('golden').textContent = sentence;
  document.body.dataset.state = isGood ? 'verified' : 'failed';
}

/** Show a field for each column, and return a function that reads the fields. */
function makeForm(columns, example) {
  const fields = find('fields');
  if (columns.length > MAX_FIELDS) {
    const area = document.createElement('textarea');
    area.value = JSON.stringify(example, null, 1);
    area.setAttribute('aria-label', 'row as JSON');
    fields.append(area);
    return async () => JSON.parse(area.value);
  }
  const readers = columns.map((column) => [column.name, addField(fields, column, example[column.name])]);
  return async () => Object.fromEntries(await Promise.all(readers.map(async ([name, reader]) => [name, await reader()])));
}

function addField(fields, column, cell) {
  const label = document.createElement('label');
  const input = document.createElement('input');
  label.append(Object.assign(document.createElement('span'), { textContent: column.name }), input);
  fields.append(label);
  if (column.kind === 'image') {
    input.type = 'file';
    input.accept = 'image/*';
    return async () => (input.files.length ? readImage(input.files[0], column.shape) : cell);
  }
  input.type = 'text';
  input.placeholder = column.kind === 'datetime' ? 'date' : column.kind;
  input.value = column.kind === 'datetime' && typeof cell === 'number' ? new Date(cell * 1000).toISOString() : (cell ?? '');
  return async () => input.value;
}

/** Return the pixels of an image [height, width, channels], resized to the model's input. */
async function readImage(file, [height, width, channels]) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  context.drawImage(await createImageBitmap(file), 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = [];
  for (let index = 0; index < data.length; index += 4) {
    const [red, green, blue] = data.slice(index, index + 3);
    pixels.push(...(channels === 1 ? [Math.round(0.299 * red + 0.587 * green + 0.114 * blue)] : [red, green, blue]));
  }
  return pixels;
}

function show(prediction, milliseconds) {
  const target = find('prediction');
  const answer = prediction.label ?? prediction.value;
  const text = typeof answer === 'object' ? JSON.stringify(answer) : String(answer);
  target.replaceChildren(Object.assign(document.createElement('strong'), { textContent: text || '(empty)' }));
  const shares = Object.entries(prediction.probabilities ?? {}).sort((one, other) => other[1] - one[1]).slice(0, 10);
  for (const [name, share] of shares) {
    const row = document.createElement('div');
    row.className = 'share';
    const bar = Object.assign(document.createElement('i'), { style: `width: ${(100 * share).toFixed(1)}%` });
    row.append(name, bar, `${(100 * share).toFixed(1)} %`);
    target.append(row);
  }
  for (const [name, value] of Object.entries(prediction.quantiles ?? {})) {
    target.append(Object.assign(document.createElement('div'), { textContent: `quantile ${name}: ${value}` }));
  }
  target.append(Object.assign(document.createElement('small'), { textContent: `${milliseconds.toFixed(1)} ms` }));
}

start().catch((error) => report(error.message, false));
