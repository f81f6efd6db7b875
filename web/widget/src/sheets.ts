const sheets: string[] = [];
let root: ShadowRoot | null = null;

/** The page's root may have any font size; the reader's own is that of an element that inherits nothing. */
function inReadersSize(sheet: string, host: Element): CSSStyleSheet {
  const size = parseFloat(getComputedStyle(host).fontSize) || 16;
  const made = new CSSStyleSheet();
  made.replaceSync(sheet.replace(/(\d*\.?\d+)rem\b/g, (_, number: string) => `${Number(number) * size}px`));
  return made;
}

const adopt = (into: ShadowRoot, sheet: string) => (into.adoptedStyleSheets = [...into.adoptedStyleSheets, inReadersSize(sheet, into.host)]);

/** Adds a style sheet to the panel, and to one that is made later. */
export function wear(sheet: string): void {
  sheets.push(sheet);
  if (root) adopt(root, sheet);
}

/** Gives a new panel all style sheets that are known. */
export function dress(panel: ShadowRoot): void {
  root = panel;
  for (const sheet of sheets) adopt(panel, sheet);
}
