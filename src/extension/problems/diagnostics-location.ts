import type { StudyProblem } from '../../study/snapshot.js';
import { findProperty } from './json-location.js';

/** A property's value longer than this is underlined by its name alone. */
const SHOWN_VALUE = 200;

interface Place {
  readonly line: number;
  readonly character: number;
}

/** 0-based lines and characters. The property if its path is known, else the line, else the beginning. */
export function locateProblem(
  problem: StudyProblem,
  text: string,
): { readonly start: Place; readonly end: Place } {
  const ranges = problem.path === undefined ? undefined : findProperty(text, problem.path);
  if (ranges !== undefined) {
    const { name, value } = ranges;
    const long = value.end - value.start > SHOWN_VALUE || text.slice(value.start, value.end).includes('\n');
    const range = long && name !== undefined ? name : value;
    // The whole document stands for a missing property: only its first line is underlined.
    const end = long && name === undefined ? endOfLine(text, range.start) : range.end;
    return { start: placeOf(text, range.start), end: placeOf(text, end) };
  }
  const line = Math.max(0, (problem.line ?? 1) - 1);
  const content = text.split(/\r?\n/)[line] ?? '';
  return {
    start: { line, character: content.length - content.trimStart().length },
    end: { line, character: Math.max(1, content.length) },
  };
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length - 1, character: offset - lineStart };
}

function endOfLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end;
}
