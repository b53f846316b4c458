import { DeltaloomError } from '../core/errors.js';
import { shellWord } from '../study/shell-word.js';

/** Those that are about a study that is there: not `init`, which makes one, nor `devices`. */
const COMMANDS = /\bdeltaloom (check|tune|evaluate|score|weights|merge|run|results|report|import|status)\b/g;

/** Makes the commands that advice names mean the study and the seed of the command that gives it. */
export type Advise = (advice: string) => string;

/**
 * What reads the study does not know how a person named it, so commands are completed where they are shown: one that is copied
 * works from the same folder, and reads the records of the same seed.
 *
 * @param study as it was given; '.' where nothing was
 */
export function adviceFor(study: string, seed: number | undefined): Advise {
  const options = [
    ...(study === '.' ? [] : [`--study ${shellWord(study)}`]),
    ...(seed === undefined ? [] : [`--seed ${seed}`]),
  ];
  if (options.length === 0) return (advice) => advice;
  return (advice) => advice.replace(COMMANDS, (command) => [command, ...options].join(' '));
}

/** The same error with its remedy made to be copied; anything else as it is. */
export function withAdvice(error: unknown, advise: Advise): unknown {
  if (!(error instanceof DeltaloomError) || error.remedy === undefined) return error;
  return error.with({ remedy: advise(error.remedy) });
}
