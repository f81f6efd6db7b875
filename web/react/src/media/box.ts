export const MOST_WIDTH = 320;
export const MOST_HEIGHT = 360;
const LEAST = 96;

/** The box of a picture in a bubble, in CSS pixels, known before it has loaded. Without a size it is 4 : 3, and stays so. */
export function boxOf(width: number | null, height: number | null): { width: number; ratio: number } {
  if (!width || !height) return { width: 280, ratio: 4 / 3 };
  const scale = Math.min(1, MOST_WIDTH / width, MOST_HEIGHT / height);
  // A strip of a picture still gets a box that can be touched; it is shown whole within it.
  const boxWidth = Math.max(LEAST, width * scale);
  const boxHeight = Math.max(LEAST, height * scale);
  return { width: Math.round(boxWidth), ratio: boxWidth / boxHeight };
}

/** Small enough a crop that everybody still knows the picture. */
export const mayCrop = (width: number | null, height: number | null): boolean => !!width && !!height && width / height < 1.8 && height / width < 1.5;

/** Seconds as 1:05. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
