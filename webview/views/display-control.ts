import type { TemplateResult } from 'lit';
import { choicesOf, switcher } from '../controls.js';
import type { Store } from '../store.js';
import { PAGE_STRINGS } from '../strings.js';

/** Every picture is to be had as a table too. */
export function displayControl(store: Store): TemplateResult {
  return switcher(
    PAGE_STRINGS.common.showAs,
    choicesOf(PAGE_STRINGS.common.displays),
    store.arrangement.display,
    (display) => store.arrange({ display }),
  );
}
