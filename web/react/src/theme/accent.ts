// A brand colour is what it is; whether one can read what stands on it, and what is written in it, is computed.

export type Rgb = readonly [red: number, green: number, blue: number];

/** What components need to know of a theme's surfaces, to write on them in the accent. */
const SURFACES = { light: [255, 255, 255], lightPaper: [244, 239, 231], dark: [28, 25, 22], darkRaised: [52, 47, 42] } as const satisfies Record<string, Rgb>;
const BLACK: Rgb = [23, 19, 16];
const WHITE: Rgb = [255, 255, 255];
const TEXT = 4.5;
const SHAPE = 3;

/** Relative luminance, as WCAG 2.2 defines it. */
export function luminance([red, green, blue]: Rgb): number {
  const linear = (part: number) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** From 1 (the same) to 21 (black on white). */
export function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const mix = (from: Rgb, to: Rgb, share: number): Rgb => [0, 1, 2].map((part) => Math.round(from[part]! + (to[part]! - from[part]!) * share)) as unknown as Rgb;

/** The colour, moved towards `end` just as far as needed for `ratio` on each of the surfaces. */
function until(colour: Rgb, end: Rgb, surfaces: readonly Rgb[], ratio: number): Rgb {
  for (let share = 0; share < 1; share += 0.02) {
    const candidate = mix(colour, end, share);
    if (surfaces.every((surface) => contrast(candidate, surface) >= ratio)) return candidate;
  }
  return end;
}

const css = ([red, green, blue]: Rgb) => `rgb(${red} ${green} ${blue})`;

/** The CSS variables of a brand colour. */
export function accentVariables(accent: Rgb): Record<`--db-${string}`, string> {
  const onLight = [SURFACES.light, SURFACES.lightPaper];
  const onDark = [SURFACES.dark, SURFACES.darkRaised];
  // The bubble keeps its brand colour where either black or white can be read on it.
  const on = contrast(accent, WHITE) >= TEXT ? WHITE : contrast(accent, BLACK) >= TEXT ? BLACK : null;
  const fill = on ? accent : until(accent, BLACK, [WHITE], TEXT);
  return {
    '--db-accent': css(fill),
    '--db-on-accent': css(on ?? WHITE),
    '--db-accent-ink-light': css(until(accent, BLACK, onLight, TEXT)),
    '--db-accent-ink-dark': css(until(accent, WHITE, onDark, TEXT)),
    '--db-accent-edge-light': css(until(accent, BLACK, onLight, SHAPE)),
    '--db-accent-edge-dark': css(until(accent, WHITE, onDark, SHAPE)),
  };
}

/** Reads `#rgb`, `#rrggbb` and `rgb()`; any other CSS colour where there is a canvas. `null`: it is no colour. */
export function parseColour(colour: string): Rgb | null {
  const hex = /^#(?:([\da-f]{6})|([\da-f])([\da-f])([\da-f]))$/i.exec(colour.trim());
  if (hex) {
    const digits = hex[1] ?? [hex[2], hex[2], hex[3], hex[3], hex[4], hex[4]].join('');
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)) as unknown as Rgb;
  }
  const rgb = /^rgb\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)\s*\)$/i.exec(colour.trim());
  if (rgb) return [1, 2, 3].map((at) => Math.min(255, Number(rgb[at]))) as unknown as Rgb;
  return typeof document === 'undefined' || !CSS.supports('color', colour) ? null : painted(colour);
}

function painted(colour: string): Rgb | null {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return null;
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}
