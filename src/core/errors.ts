/** Where in a person's files an error lies. */
export interface ErrorPlace {
  /** Path as the user wrote it or relative to the study. */
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** For JSON: the path of the property, for binary files: the tensor or the byte offset. */
  readonly at?: string;
}

/**
 * An error meant for people: what is wrong, where, and what to do about it. Everything that a user can cause
 * is one of these; any other error is a bug of ours. `code` is stable and machine-readable, `kind-of-thing`
 * in kebab case, for example `safetensors-truncated`.
 */
export class DeltaloomError extends Error {
  readonly code: string;
  readonly place: ErrorPlace;
  readonly remedy: string | undefined;

  constructor(
    code: string,
    message: string,
    options: { place?: ErrorPlace; remedy?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DeltaloomError';
    this.code = code;
    this.place = options.place ?? {};
    this.remedy = options.remedy;
  }

  /** The same error where more is known of it: in whose file it lies, or what helps there. */
  with({ place, remedy }: { readonly place?: ErrorPlace; readonly remedy?: string }): DeltaloomError {
    const advice = remedy ?? this.remedy;
    return new DeltaloomError(this.code, this.message, {
      place: { ...this.place, ...place },
      ...(advice === undefined ? {} : { remedy: advice }),
      cause: this,
    });
  }

  /** One line for a terminal or a notification: `file:line: message. Remedy`. */
  get line(): string {
    const { file, line, at } = this.place;
    const where = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}: `;
    const within = at === undefined ? '' : ` (at ${at})`;
    const remedy = this.remedy === undefined ? '' : ` ${this.remedy}`;
    return `${where}${this.message}${within}${remedy}`;
  }
}
