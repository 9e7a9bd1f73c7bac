/** What went wrong with a call, in the envelope's own words. */

export interface Failure {
  code: string;
  message: string;
  details?: unknown;
  request_id?: string;
}

/** The gateway refused or failed. `status` 0 means that it could not be reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: unknown;
  readonly requestId: string;

  constructor(status: number, failure: Failure) {
    super(failure.message);
    this.name = "ApiError";
    this.status = status;
    this.code = failure.code;
    this.details = failure.details ?? null;
    this.requestId = failure.request_id ?? "";
  }

  /** No session, or one that has ended. */
  get isUnauthorised(): boolean {
    return this.status === 401;
  }

  /** The server is starting, or away: asking again later may do. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** Return a sentence for people about any thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
