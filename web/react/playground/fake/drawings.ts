// Drawn in place of photographs: rooms, houses and views, the same for the same number.
const svg = (width: number, height: number, inside: string) =>
  `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" preserveAspectRatio="xMidYMid slice">${inside}</svg>`)}`;

const PALETTES = [
  ['#f0dcc0', '#c98a5b', '#3f5b52', '#fbf3e4', '#8a5a3c'],
  ['#dfe7e2', '#7da394', '#b4634a', '#f7f3ea', '#3e5c52'],
  ['#e9dfea', '#a68ab0', '#e0b15a', '#fbf6ef', '#594468'],
  ['#d9e4ee', '#7f9dba', '#d98d6a', '#f8f4ec', '#33506c'],
] as const;

export function room(number: number, width = 800, height = 600): string {
  const [wall, sofa, accent, light, wood] = PALETTES[number % PALETTES.length]!;
  const [w, h] = [width, height];
  const floor = h * 0.72;
  return svg(w, h, `
    <rect width="${w}" height="${h}" fill="${wall}"/><rect y="${floor}" width="${w}" height="${h - floor}" fill="${wood}" opacity=".55"/>
    <rect x="${w * 0.1}" y="${h * 0.12}" width="${w * 0.3}" height="${h * 0.42}" rx="6" fill="${light}"/>
    <path d="M${w * 0.25} ${h * 0.12}v${h * 0.42}M${w * 0.1} ${h * 0.33}h${w * 0.3}" stroke="${wood}" stroke-width="5"/>
    <path d="M${w * 0.1} ${h * 0.46}q${w * 0.08}-${h * 0.1} ${w * 0.15}-.1t${w * 0.15} .1v${h * 0.08}h-${w * 0.3}z" fill="${sofa}" opacity=".5"/>
    <rect x="${w * 0.48}" y="${h * 0.5}" width="${w * 0.4}" height="${h * 0.26}" rx="26" fill="${sofa}"/><rect x="${w * 0.44}" y="${h * 0.6}" width="${w * 0.48}" height="${h * 0.2}" rx="24" fill="${sofa}"/>
    <rect x="${w * 0.54}" y="${h * 0.54}" width="${w * 0.11}" height="${h * 0.13}" rx="10" fill="${accent}" transform="rotate(-8 ${w * 0.6} ${h * 0.6})"/>
    <path d="M${w * 0.72} ${h * 0.1}v${h * 0.14}" stroke="${wood}" stroke-width="4"/><path d="M${w * 0.64} ${h * 0.32}q${w * 0.08}-${h * 0.18} ${w * 0.16} 0z" fill="${accent}"/>
    <path d="M${w * 0.3} ${h * 0.86}h${w * 0.4}" stroke="${light}" stroke-width="${h * 0.06}" stroke-linecap="round" opacity=".7"/>`);
}

export function house(number: number, width = 800, height = 600): string {
  const [sky, roof, door, light, wood] = PALETTES[(number + 1) % PALETTES.length]!;
  const [w, h] = [width, height];
  const windows = [0.34, 0.56].flatMap((y) => [0.3, 0.46, 0.62].map((x) => `<rect x="${w * x}" y="${h * y}" width="${w * 0.08}" height="${h * 0.12}" rx="4" fill="${sky}" stroke="${wood}" stroke-width="4"/>`)).join('');
  return svg(w, h, `
    <rect width="${w}" height="${h}" fill="${sky}"/><circle cx="${w * 0.82}" cy="${h * 0.2}" r="${h * 0.09}" fill="${light}"/>
    <path d="M0 ${h * 0.7}q${w * 0.25}-${h * 0.2} ${w * 0.5}-.05t${w * 0.5} 0V${h}H0z" fill="${roof}" opacity=".35"/>
    <rect x="${w * 0.24}" y="${h * 0.28}" width="${w * 0.52}" height="${h * 0.6}" fill="${light}"/><path d="M${w * 0.2} ${h * 0.3}L${w * 0.5} ${h * 0.1}L${w * 0.8} ${h * 0.3}z" fill="${roof}"/>${windows}
    <rect x="${w * 0.45}" y="${h * 0.72}" width="${w * 0.1}" height="${h * 0.16}" rx="4" fill="${door}"/><rect y="${h * 0.88}" width="${w}" height="${h * 0.12}" fill="${wood}" opacity=".5"/>`);
}

export function face(number: number): string {
  const [back, hair, shirt, skin] = [
    ['#e8d6c3', '#4a3226', '#3f5b52', '#e5b692'], ['#d5e0ea', '#221b18', '#c27f4f', '#b97f5c'], ['#efdce3', '#8a4b2a', '#45327d', '#f1cfb2'], ['#dfe7e2', '#b9b3aa', '#8a3b2f', '#e0ab86'],
  ][number % 4]!;
  return svg(120, 120, `<rect width="120" height="120" fill="${back}"/><path d="M20 120c0-26 18-38 40-38s40 12 40 38z" fill="${shirt}"/><rect x="50" y="66" width="20" height="24" rx="10" fill="${skin}"/><circle cx="60" cy="52" r="24" fill="${skin}"/><path d="M34 54c-2-26 14-34 27-34s28 8 25 33c-6-3-8-12-9-17-8 8-30 8-36 4-2 4-4 11-7 14z" fill="${hair}"/>`);
}

/** 16 pixels of something, as the server's `preview`. */
export const blurred = (number: number): string => {
  const [one, two, three] = PALETTES[number % PALETTES.length]!;
  return svg(16, 12, `<rect width="16" height="12" fill="${one}"/><rect x="8" y="6" width="7" height="4" fill="${two}"/><rect y="9" width="16" height="3" fill="${three}" opacity=".6"/>`);
};
