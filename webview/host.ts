import {
  hostMessageSchema,
  REQUESTS,
  type Answer,
  type Failure,
  type HostMessage,
  type PageMessage,
  type Parameters,
  type RequestKind,
} from '../src/extension/panels/messages.js';
import { PAGE_STRINGS } from './strings.js';
import type { z } from 'zod';

interface VsCodeApi {
  postMessage(message: PageMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

/** An answer that says why not. */
export class RequestFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
    this.name = 'RequestFailed';
  }
}

/** The page's end of the wire to the extension. */
export class Host {
  private readonly api = acquireVsCodeApi();
  private readonly waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: RequestFailed) => void }
  >();
  private next = 1;

  constructor(private readonly receive: (message: Exclude<HostMessage, { type: 'answer' }>) => void) {
    window.addEventListener('message', (event: MessageEvent<unknown>) => this.take(event.data));
  }

  post(message: PageMessage): void {
    this.api.postMessage(message);
  }

  get state(): unknown {
    return this.api.getState();
  }

  set state(state: unknown) {
    this.api.setState(state);
  }

  /** @throws RequestFailed with the host's reason */
  async request<Kind extends RequestKind>(kind: Kind, parameters: Parameters<Kind>): Promise<Answer<Kind>> {
    const id = this.next++;
    const value = await new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.post({ type: 'request', id, kind, parameters });
    });
    const schema = REQUESTS[kind].answer as unknown as z.ZodType<Answer<Kind>>;
    const answer = schema.safeParse(value);
    if (answer.success) return answer.data;
    throw new RequestFailed({
      code: 'answer-malformed',
      message: PAGE_STRINGS.host.notUnderstood(kind, answer.error.issues[0]?.message ?? ''),
      remedy: PAGE_STRINGS.host.notUnderstoodRemedy,
    });
  }

  private take(data: unknown): void {
    const parsed = hostMessageSchema.safeParse(data);
    // Other scripts of the workbench post here too.
    if (!parsed.success) return;
    const message = parsed.data;
    if (message.type !== 'answer') {
      this.receive(message);
      return;
    }
    const waiter = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.ok) waiter?.resolve(message.value);
    else waiter?.reject(new RequestFailed(message.error));
  }
}
