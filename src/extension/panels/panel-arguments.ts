import { arrangementSchema, type Arrangement } from './messages.js';

/** What a command that shows a panel was asked for. */
export interface PanelArguments {
  /** A study's folder, or any file in it; undefined: the command says nothing of it. */
  readonly directory: string | undefined;
  /** What to show there. */
  readonly patch: Partial<Arrangement>;
}

/**
 * Reads what a command was called with: a program names the study's folder and what to arrange; a row of the tree brings its
 * study, and the row of a task means that task as the target. What is neither is left out.
 */
export function panelArguments(argument: unknown): PanelArguments {
  const given = propertiesOf(argument);
  const { study } = given;
  const directory = typeof study === 'string' ? study : propertiesOf(study)['directory'];
  const task = propertiesOf(propertiesOf(given['contents'])['task'])['name'];
  const asked = typeof task === 'string' ? { ...given, target: task } : given;
  const patch = Object.entries(arrangementSchema.omit({ version: true, study: true }).shape).flatMap(
    ([key, schema]) =>
      Object.hasOwn(asked, key) && schema.safeParse(asked[key]).success ? [[key, asked[key]] as const] : [],
  );
  return {
    directory: typeof directory === 'string' ? directory : undefined,
    patch: Object.fromEntries(patch),
  };
}

function propertiesOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
