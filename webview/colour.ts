/**
 * Colour scales made in OKLab (Björn Ottosson, 2020), in which equal distances look equal. Lightness rises or falls all the
 * way, so that the order of values is seen without hue: by the colour-blind, and in print. The diverging scale's arms are
 * blue and orange, which all common kinds of colour blindness keep apart.
 */

export type Rgb = readonly [number, number, number];
const STEPS = 256;

/** For a light ground the strong end is dark, for a dark one it is bright. */
export type Ground = 'light' | 'dark';

export interface ColourScale {
  /** `position` 0 to 1, the strong end at 1; for the diverging scale 0.5 is nothing. */
  at(position: number): Rgb;
}

interface Lch {
  readonly l: number;
  readonly c: number;
  readonly h: number;
}

/** Made once per ground: a table of colours is some ten thousand conversions. */
function kept(make: (ground: Ground) => ColourScale): (ground: Ground) => ColourScale {
  const made = new Map<Ground, ColourScale>();
  return (ground) => {
    const scale = made.get(ground) ?? make(ground);
    made.set(ground, scale);
    return scale;
  };
}

export const sequentialScale = kept((ground) => {
  const dark = (t: number): Lch => ({
    l: 0.24 + 0.7 * t,
    c: 0.115 + 0.02 * t,
    h: 285 - 185 * t,
  });
  return scale((t) => dark(ground === 'dark' ? t : 1 - t));
});

export const divergingScale = kept((ground) => {
  const [centre, end] = ground === 'dark' ? [0.28, 0.82] : [0.96, 0.48];
  const arm = (hue: number, t: number): Lch => ({ l: centre + (end - centre) * t, c: 0.16 * t, h: hue });
  const [negative, positive] = [scale((t) => arm(255, t)), scale((t) => arm(60, t))];
  return {
    at: (position) => (position < 0.5 ? negative.at(1 - 2 * position) : positive.at(2 * position - 1)),
  };
});

/** Walks the path in steps of equal OKLab distance. */
function scale(path: (t: number) => Lch): ColourScale {
  const fine = Array.from({ length: 1025 }, (_, i) => fit(path(i / 1024)));
  const length = [0];
  fine.slice(1).forEach((lab, i) => length.push((length[i] ?? 0) + distance(fine[i] ?? lab, lab)));
  const total = length.at(-1) ?? 1;
  let from = 0;
  const table = Array.from({ length: STEPS }, (_, i) => {
    const wanted = (total * i) / (STEPS - 1);
    while (from < 1023 && (length[from + 1] ?? 0) < wanted) from++;
    const [start = 0, end = 1] = length.slice(from, from + 2);
    return toRgb(between(fine[from], fine[from + 1], (wanted - start) / (end - start || 1)));
  });
  return {
    at: (position) => table[Math.round(Math.min(1, Math.max(0, position)) * (STEPS - 1))] ?? [0, 0, 0],
  };
}

function between(x: Rgb | undefined, y: Rgb | undefined, share: number): Rgb {
  const [a, b] = [x ?? [0, 0, 0], y ?? [0, 0, 0]];
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])];
}

/** Less chroma until the colour exists in sRGB. */
function fit({ l, c, h }: Lch): Rgb {
  const angle = (h * Math.PI) / 180;
  const lab = (chroma: number): Rgb => [l, chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const exists = (chroma: number) =>
    toLinear(lab(chroma)).every((value) => value >= -1e-4 && value <= 1.0001);
  if (exists(c)) return lab(c);
  let [low, high] = [0, c];
  for (let i = 0; i < 16; i++) {
    const middle = (low + high) / 2;
    if (exists(middle)) low = middle;
    else high = middle;
  }
  return lab(low);
}

function toLinear([l, a, b]: Rgb): Rgb {
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

function toRgb(lab: Rgb): Rgb {
  const [r, g, b] = toLinear(lab).map((value) => {
    const clipped = Math.min(1, Math.max(0, value));
    const encoded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
    return Math.round(255 * encoded);
  });
  return [r ?? 0, g ?? 0, b ?? 0];
}

/** OKLab of an sRGB colour, for checks of the scales. */
export function toOklab([red, green, blue]: Rgb): Rgb {
  const decode = (value: number) => {
    const unit = value / 255;
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
  };
  const [r, g, b] = [decode(red), decode(green), decode(blue)];
  const long = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const medium = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const short = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short,
    1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short,
    0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short,
  ];
}

function distance(x: Rgb, y: Rgb): number {
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
}

/** Black or white, whichever is read more easily on this colour (WCAG contrast). */
export function inkOn([red, green, blue]: Rgb): '#000000' | '#ffffff' {
  const decode = (value: number) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = 0.2126 * decode(red) + 0.7152 * decode(green) + 0.0722 * decode(blue);
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? '#ffffff' : '#000000';
}

export function css([red, green, blue]: Rgb): string {
  return `#${((1 << 24) | (red << 16) | (green << 8) | blue).toString(16).slice(1)}`;
}
