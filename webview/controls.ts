import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-checkbox/index.js';
import '@vscode-elements/elements/dist/vscode-single-select/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { html, nothing, type TemplateResult } from 'lit';
import { ifDefined } from 'lit/directives/if-defined.js';

/** Controls of the panels, each with its label. */

export interface Choice<Value extends string> {
  readonly value: Value;
  readonly label: string;
  readonly description?: string;
}

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
    selected: own === value,
    disabled: false,
  }));
  return html`<label class="control ${options.wide === true ? 'wide' : ''}">
    <span>${label}</span>
    <vscode-single-select
      label=${label}
      aria-label=${label}
      ?combobox=${options.combobox === true}
      .options=${listed}
      .value=${value ?? ''}
      @change=${(event: Event) => {
        const chosen = (event.target as HTMLElement & { value: string }).value;
        const found = choices.find((choice) => choice.value === chosen);
        if (found !== undefined && found.value !== value) changed(found.value);
      }}
    ></vscode-single-select>
  </label>`;
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
