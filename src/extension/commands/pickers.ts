import { QuickPickItemKind, window, type QuickPick, type QuickPickItem } from 'vscode';
import { STRINGS } from '../strings.js';
import { bestResultOf } from '../tree/best-result.js';
import type { IndexedStudy } from '../tree/nodes.js';
import { formatMetric, joinParts } from '../tree/labels.js';
import type { Choice } from './tune-choices.js';

type Item<T> = QuickPickItem & { readonly choice?: Choice<T> };

interface PickOptions {
  readonly title: string;
  readonly placeholder: string;
}

/** Headings become separators; they must come in runs. */
function toItems<T>(choices: readonly Choice<T>[]): Item<T>[] {
  let heading: string | undefined;
  return choices.flatMap((choice): Item<T>[] => {
    const { label, description, detail, picked } = choice;
    const item: Item<T> = {
      label,
      choice,
      ...(description === undefined ? {} : { description }),
      ...(detail === undefined ? {} : { detail }),
      ...(picked === undefined ? {} : { picked }),
    };
    if (choice.heading === heading || choice.heading === undefined) return [item];
    heading = choice.heading;
    return [{ label: heading, kind: QuickPickItemKind.Separator }, item];
  });
}

/** One of several, at first the one that is marked as picked; a single choice is taken without asking. undefined: the person left. */
export async function pickOne<T>(
  choices: readonly Choice<T>[],
  options: PickOptions,
  { askAlways = false }: { readonly askAlways?: boolean } = {},
): Promise<T | undefined> {
  const [only] = choices;
  if (choices.length === 1 && !askAlways) return only?.value;
  return ask(choices, options, (pick) => {
    pick.matchOnDescription = true;
    // VS Code heeds `picked` only where several may be chosen. Without one the first is active.
    const picked = pick.items.find(({ choice }) => choice?.picked === true);
    if (picked !== undefined) pick.activeItems = [picked];
  });
}

/** Any number of them; undefined: the person left, or chose none. */
export async function pickMany<T>(
  choices: readonly Choice<T>[],
  { title, placeholder }: PickOptions,
): Promise<T[] | undefined> {
  const items = await window.showQuickPick(toItems(choices), {
    title,
    placeHolder: placeholder,
    canPickMany: true,
    matchOnDescription: true,
  });
  const values = items?.flatMap(({ choice }) => (choice === undefined ? [] : [choice.value]));
  return values === undefined || values.length === 0 ? undefined : values;
}

/** One of several, or what is typed: each keystroke may put an entry of its own on top. */
export function pickOrType<T>(
  choices: readonly Choice<T>[],
  options: PickOptions,
  typed: (text: string) => Choice<T> | undefined,
): Promise<T | undefined> {
  return ask(choices, options, (pick) => {
    pick.onDidChangeValue((text) => {
      const own = typed(text);
      // alwaysShow: the filter of VS Code would hide the others while a number is being typed.
      const others = choices.filter(({ value }) => value !== own?.value);
      pick.items = toItems(own === undefined ? choices : [own, ...others]).map((item) => ({
        ...item,
        alwaysShow: own !== undefined,
      }));
    });
  });
}

/** @param arrange is given the list before it is shown */
function ask<T>(
  choices: readonly Choice<T>[],
  { title, placeholder }: PickOptions,
  arrange: (pick: QuickPick<Item<T>>) => void,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const pick = window.createQuickPick<Item<T>>();
    pick.title = title;
    pick.placeholder = placeholder;
    pick.matchOnDetail = true;
    pick.items = toItems(choices);
    arrange(pick);
    pick.onDidAccept(() => {
      const [item] = pick.activeItems;
      // Nothing fits what was typed: that is no answer yet.
      if (item === undefined) return;
      resolve(item.choice?.value);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

export async function pickStudy(
  studies: readonly IndexedStudy[],
  title: string,
): Promise<IndexedStudy | undefined> {
  return pickOne(
    studies.map((entry) => ({ label: entry.study.name, description: entry.study.directory, value: entry })),
    { title, placeholder: STRINGS.studies.choose },
  );
}

export async function pickTask(
  { index }: IndexedStudy,
  title: string,
  placeholder: string = STRINGS.studies.task,
): Promise<string | undefined> {
  const choices = [...index.tasks.values()].map((contents): Choice<string> => {
    const { task } = contents;
    const best = bestResultOf(contents);
    return {
      label: task.name,
      description: joinParts([task.metric, best === null ? '' : STRINGS.tree.best(formatMetric(best.score))]),
      ...(task.groups.length > 0 ? { detail: task.groups.join(', ') } : {}),
      value: task.name,
    };
  });
  return pickOne(choices, { title, placeholder });
}
