// Which lines of a text are new against another: the longest common subsequence, after equal ends are set aside.

const LARGEST = 4_000_000; // cells of the table; beyond it the middle counts as changed throughout

/** Rows {kind: "same"|"new"|"gone", text} that turn the lines `before` into `after`. */
export function compare(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const same = (text) => ({ kind: "same", text });
  return [
    ...after.slice(0, head).map(same),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...after.slice(after.length - tail).map(same),
  ];
}

function middle(before, after) {
  const rows = [];
  const width = after.length + 1;
  if (before.length * after.length > LARGEST) return [...before.map(gone), ...after.map(fresh)];
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      common[i * width + j] = before[i] === after[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      rows.push({ kind: "same", text: after[j] });
      i += 1;
      j += 1;
    } else if (j < after.length && (i === before.length || common[i * width + j + 1] > common[(i + 1) * width + j])) {
      rows.push(fresh(after[j]));
      j += 1;
    } else {
      rows.push(gone(before[i]));
      i += 1;
    }
  }
  return rows;
}

const gone = (text) => ({ kind: "gone", text });
const fresh = (text) => ({ kind: "new", text });

/** The rows with unchanged stretches longer than `around` on each side folded into one row of kind "fold". */
export function fold(rows, around = 3) {
  const near = new Set();
  rows.forEach((row, at) => {
    if (row.kind !== "same") for (let i = at - around; i <= at + around; i += 1) near.add(i);
  });
  const folded = [];
  let hidden = 0;
  const close = () => {
    if (hidden) folded.push({ kind: "fold", text: `${hidden} unchanged ${hidden === 1 ? "line" : "lines"}` });
    hidden = 0;
  };
  rows.forEach((row, at) => {
    if (near.has(at)) {
      close();
      folded.push(row);
    } else hidden += 1;
  });
  close();
  return folded;
}
