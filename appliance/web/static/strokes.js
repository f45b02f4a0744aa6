// Writing Markdown with a thumb: a bar of strokes above the phone's keyboard, and lists that go on by themselves.

const ITEM = /^(\s*)([-*+]|\d+[.)])( \[[ xX]\])? /;
const INDENT = "  ";

/** Put `insert` in the place of the selection, so that the browser's own undo takes it back. */
function type(text, insert) {
  text.focus();
  const isDone = insert ? document.execCommand("insertText", false, insert) : document.execCommand("delete");
  if (!isDone) {
    text.setRangeText(insert, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function lineAround(text) {
  const start = text.value.lastIndexOf("\n", text.selectionStart - 1) + 1;
  const end = text.value.indexOf("\n", start);
  return { start, end: end < 0 ? text.value.length : end };
}

/** Change the line that the cursor is on, and leave the cursor at the same letter. */
function changeLine(text, change) {
  const { start, end } = lineAround(text);
  const before = text.value.slice(start, end);
  const after = change(before);
  const cursor = Math.max(start, text.selectionStart + after.length - before.length);
  text.setSelectionRange(start, end);
  type(text, after);
  text.setSelectionRange(cursor, cursor);
}

const withoutItem = (line) => line.replace(ITEM, "$1");
const STROKES = {
  heading: (line) => (/^#{1,5} /.test(line) ? `#${line}` : line.startsWith("######") ? line.replace(/^#+ /, "") : `## ${line}`),
  list: (line) => (/^\s*- (?!\[)/.test(line) ? withoutItem(line) : withoutItem(line).replace(/^(\s*)/, "$1- ")),
  task: (line) => (/^\s*- \[[ xX]\] /.test(line) ? withoutItem(line) : withoutItem(line).replace(/^(\s*)/, "$1- [ ] ")),
  indent: (line) => INDENT + line,
  outdent: (line) => (line.startsWith(INDENT) ? line.slice(INDENT.length) : line.trimStart()),
};

/** At Enter a list goes on with its next item; at an empty item it ends. */
function goOn(event) {
  const text = event.target;
  if (event.inputType !== "insertLineBreak" || text.selectionStart !== text.selectionEnd) return;
  const { start, end } = lineAround(text);
  const item = ITEM.exec(text.value.slice(start, end));
  if (!item || text.selectionStart < start + item[0].length) return;
  event.preventDefault();
  if (end === start + item[0].length) {
    text.setSelectionRange(start, end);
    type(text, "");
    return;
  }
  const number = Number.parseInt(item[2], 10);
  const sign = Number.isNaN(number) ? item[2] : `${number + 1}${item[2].at(-1)}`;
  type(text, `\n${item[1]}${sign}${item[3] ? " [ ]" : ""} `);
}

/** Keep the bar just above the keyboard, which covers the page instead of making it smaller. */
function followKeyboard(bar) {
  const view = window.visualViewport;
  if (!view) return;
  const place = () => {
    const hidden = Math.max(0, window.innerHeight - view.height - view.offsetTop);
    bar.style.bottom = `${hidden}px`;
  };
  view.addEventListener("resize", place);
  view.addEventListener("scroll", place);
  place();
}

export function offerStrokes(bar, text) {
  text.addEventListener("beforeinput", goOn);
  bar.addEventListener("pointerdown", (event) => event.preventDefault()); // the keyboard stays open
  bar.addEventListener("click", (event) => {
    const stroke = event.target.closest("[data-stroke]")?.dataset.stroke;
    if (stroke === "undo") document.execCommand("undo");
    else if (stroke) changeLine(text, STROKES[stroke]);
  });
  followKeyboard(bar);
}
