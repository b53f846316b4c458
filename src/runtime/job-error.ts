import { DeltaloomError } from '../core/errors.js';
import type { JobError } from './protocol.js';

/** An error as it crosses the border to the editor. */
export function describeError(error: unknown): JobError {
  if (!(error instanceof DeltaloomError)) {
    return { code: 'unexpected', message: error instanceof Error ? error.message : String(error) };
  }
  const { code, message, remedy, place } = error;
  return { code, message, ...place, ...(remedy === undefined ? {} : { remedy }) };
}

/** The same error on the other side. */
export function reviveError({ code, message, remedy, ...place }: JobError): DeltaloomError {
  return new DeltaloomError(code, message, { place, ...(remedy === undefined ? {} : { remedy }) });
}
