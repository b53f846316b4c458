import { describe, expect, it } from 'vitest';
import { css, divergingScale, inkOn, sequentialScale, toOklab, type Rgb } from '../../webview/colour.js';

const POSITIONS = Array.from({ length: 18 }, (_, i) => i / 17);

function distance(x: Rgb, y: Rgb): number {
  const [a, b] = [toOklab(x), toOklab(y)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** Complete red, green and blue blindness: Machado, Oliveira and Fernandes 2009, severity 1. */
const BLINDNESS: Readonly<Record<string, readonly (readonly [number, number, number])[]>> = {
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function seenWith(matrix: readonly (readonly [number, number, number])[], colour: Rgb): Rgb {
  const [r, g, b] = matrix.map((row) => {
    const value = row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2];
    return Math.min(255, Math.max(0, value));
  });
  return [r ?? 0, g ?? 0, b ?? 0];
}

describe.each(['light', 'dark'] as const)('scales on a %s ground', (ground) => {
  it('is perceptually uniform: equal steps look equally far apart', () => {
    const colours = POSITIONS.map((position) => sequentialScale(ground).at(position));
    const steps = colours.slice(1).map((colour, i) => distance(colours[i] ?? colour, colour));
    expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(1.3);
  });

  it('rises or falls in lightness all the way, also for the colour-blind', () => {
    const views = [undefined, ...Object.values(BLINDNESS)];
    for (const matrix of views) {
      const lightness = POSITIONS.map((position) => {
        const colour = sequentialScale(ground).at(position);
        return toOklab(matrix === undefined ? colour : seenWith(matrix, colour))[0];
      });
      const rising = lightness.slice(1).map((value, i) => value - (lightness[i] ?? 0));
      const sign = ground === 'dark' ? 1 : -1;
      expect(rising.every((step) => sign * step > 0)).toBe(true);
    }
  });

  it('keeps the arms of the diverging scale apart for everyone, and is neutral in the middle', () => {
    const scale = divergingScale(ground);
    for (const matrix of Object.values(BLINDNESS)) {
      for (const reach of [0.25, 0.5]) {
        const [negative, positive] = [scale.at(0.5 - reach), scale.at(0.5 + reach)];
        expect(distance(seenWith(matrix, negative), seenWith(matrix, positive))).toBeGreaterThan(0.08);
      }
    }
    const [, a, b] = toOklab(scale.at(0.5));
    expect(Math.hypot(a, b)).toBeLessThan(0.02);
    expect(toOklab(scale.at(0))[0]).toBeCloseTo(toOklab(scale.at(1))[0], 1);
  });
});

describe('ink', () => {
  it('is readable on every colour of the scales (WCAG 4.5)', () => {
    const luminance = (colour: Rgb) => {
      const [r, g, b] = colour.map((value) => {
        const unit = value / 255;
        return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
    };
    for (const scale of [
      sequentialScale('dark'),
      sequentialScale('light'),
      divergingScale('dark'),
      divergingScale('light'),
    ]) {
      for (const position of POSITIONS) {
        const colour = scale.at(position);
        const ground = luminance(colour) + 0.05;
        const contrast = inkOn(colour) === '#ffffff' ? 1.05 / ground : ground / 0.05;
        expect(contrast).toBeGreaterThan(4.5);
      }
    }
    expect(css([0, 10, 255])).toBe('#000aff');
  });
});
