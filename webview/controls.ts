import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-checkbox/index.js';
import '@vscode-elements/elements/dist/vscode-single-select/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { html, nothing, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { ifDefined } from 'lit/directives/if-defined.js';
import { live } from 'lit/directives/live.js';
import type { Failure } from '../src/extension/panels/messages.js';

/** Controls of the panels, each with its label. */

export interface Choice<Value extends string> {
  readonly value: Value;
  readonly label: string;
  readonly description?: string;
}

/** Choices in the order in which their labels stand. */
export function choicesOf<Value extends string>(labels: Readonly<Record<Value, string>>): Choice<Value>[] {
  return (Object.entries(labels) as [Value, string][]).map(([value, label]) => ({ value, label }));
}

/** Letters that fit into a narrow control. */
const SHORT_LABEL = 13;

export function select<Value extends string>(
  label: string,
  choices: readonly Choice<Value>[],
  value: Value | null,
  changed: (value: Value) => void,
  options: { readonly wide?: boolean; readonly combobox?: boolean } = {},
): TemplateResult {
  const listed = choices.map(({ value: own, label: text, description }) => ({
    value: own,
    label: text,
    description: description ?? '',
    selected: false,
    disabled: false,
  }));
  // Told again, the element draws its whole hidden list anew: in every frame while a slider moves.
  const same = choices.flatMap(({ value: own, label: text, description }) => [own, text, description]);
  const longest = Math.max(0, ...choices.map(({ label: text }) => text.length));
  const width = options.wide === true ? 'wide' : longest > SHORT_LABEL ? 'middle' : '';
  // 'live': the element remembers the place of what is chosen, which is another among other choices.
  return html`<label class="control ${width}">
    <span>${label}</span>
    <vscode-single-select
      label=${label}
      aria-label=${label}
      ?combobox=${options.combobox === true}
      .options=${guard(same, () => listed)}
      .value=${live(value ?? '')}
      @pointerdown=${openWhereThereIsRoom}
      @keydown=${openWhereThereIsRoom}
      @change=${(event: Event) => {
        const chosen = (event.target as HTMLElement & { value: string }).value;
        const found = choices.find((choice) => choice.value === chosen);
        if (found !== undefined && found.value !== value) changed(found.value);
      }}
    ></vscode-single-select>
  </label>`;
}

/** What a list of choices is high at most, with its description. */
const LIST_HEIGHT = 290;

/** Near the lower edge of the page a list below its control could not be reached. */
function openWhereThereIsRoom({ currentTarget }: Event): void {
  const select = currentTarget as HTMLElement & { position: 'above' | 'below' };
  const { top, bottom } = select.getBoundingClientRect();
  const below = document.documentElement.clientHeight - bottom;
  select.position = below < LIST_HEIGHT && top > below ? 'above' : 'below';
}

/** A choice among things that are their own names. */
export function selectName(
  label: string,
  names: readonly string[],
  value: string | null,
  changed: (name: string) => void,
): TemplateResult {
  return select(
    label,
    names.map((name) => ({ value: name, label: name })),
    value,
    changed,
    { combobox: names.length > 12 },
  );
}

export function button(
  label: string,
  clicked: () => void,
  options: { readonly primary?: boolean; readonly disabled?: boolean; readonly title?: string } = {},
): TemplateResult {
  return html`<vscode-button
    ?secondary=${options.primary !== true}
    ?disabled=${options.disabled === true}
    title=${ifDefined(options.title)}
    @click=${() => {
      if (options.disabled !== true) clicked();
    }}
    >${label}</vscode-button
  >`;
}

export function checkbox(
  label: string,
  checked: boolean,
  changed: (checked: boolean) => void,
): TemplateResult {
  return html`<vscode-checkbox
    label=${label}
    .checked=${checked}
    @change=${(event: Event) => changed((event.target as HTMLElement & { checked: boolean }).checked)}
  ></vscode-checkbox>`;
}

export function textfield(
  label: string,
  value: string,
  changed: (value: string) => void,
  placeholder = '',
): TemplateResult {
  return html`<label class="control">
    <span>${label}</span>
    <vscode-textfield
      aria-label=${label}
      label=${label}
      placeholder=${placeholder}
      .value=${value}
      @input=${(event: Event) => changed((event.target as HTMLElement & { value: string }).value)}
    ></vscode-textfield>
  </label>`;
}

/** Two or three choices side by side, as a group of pressed buttons. */
export function switcher<Value extends string>(
  label: string,
  choices: readonly Choice<Value>[],
  value: Value,
  changed: (value: Value) => void,
): TemplateResult {
  return html`<div class="control">
    <span aria-hidden="true">${label}</span>
    <div class="switcher" role="group" aria-label=${label}>
      ${choices.map(
        (choice) =>
          html`<button
            type="button"
            aria-pressed=${choice.value === value}
            @click=${() => changed(choice.value)}
          >
            ${choice.label}
          </button>`,
      )}
    </div>
  </div>`;
}

export function notice(
  kind: 'warning' | 'error' | 'information',
  text: string,
  actions: TemplateResult | typeof nothing = nothing,
): TemplateResult {
  return html`<div class="notice ${kind}" role=${kind === 'error' ? 'alert' : 'status'}>
    <span>${text}</span>${actions}
  </div>`;
}

/** Why something did not work, with what to do about it. */
export function failureNotice(
  { message, remedy }: Pick<Failure, 'message' | 'remedy'>,
  actions: TemplateResult | typeof nothing = nothing,
): TemplateResult {
  return notice('error', remedy === undefined ? message : `${message} ${remedy}`, actions);
}

export function loading(text: string): TemplateResult {
  return html`<p class="muted" role="status">${text}</p>`;
}
