import type { TemplateResult } from 'lit';
import { switcher } from '../controls.js';
import type { Store } from '../store.js';

/** Every picture is to be had as a table too. */
export function displayControl(store: Store): TemplateResult {
  return switcher(
    'Show as',
    [
      { value: 'picture', label: 'Picture' },
      { value: 'table', label: 'Table' },
    ],
    store.arrangement.display,
    (display) => store.arrange({ display }),
  );
}
