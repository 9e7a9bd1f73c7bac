/** Talks to the gateway: same origin, session cookie, envelope opened, errors as `ApiError`. */

import createClient from "openapi-fetch";

import { ApiError, type Failure } from "./errors";
import type { paths } from "./schema";

const PATIENCE_MS = 35_000;

export const client = createClient<paths>({
  baseUrl: window.location.origin,
  // Tells the gateway that a page asked, and not a form of another site.
  headers: { "X-Requested-With": "niftyflow" },
  fetch: patient,
});

async function patient(request: globalThis.Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const reason =
      error instanceof DOMException && error.name === "TimeoutError" ? "did not answer" : "is away";
    throw new ApiError(0, { code: "unreachable", message: `The server ${reason}. Is niftyflow running?` });
  }
}

interface Asked<T> {
  data?: { status: string; data?: T } | undefined;
  error?: unknown;
  response: Response;
}

/** Return what the envelope holds. Throws `ApiError`. */
export async function answered<T>(asking: Promise<Asked<T>>): Promise<T> {
  const { data, error, response } = await asking.catch(unreadable);
  if (response.ok && data !== undefined) return data.data as T;
  throw new ApiError(response.status, failureOf(error, response.status));
}

/** What is no JSON comes from something between us and the gateway. */
function unreadable(error: unknown): never {
  if (error instanceof ApiError) throw error;
  throw new ApiError(0, { code: "unreadable", message: "The server's answer could not be read." });
}

function failureOf(body: unknown, status: number): Failure {
  if (typeof body === "object" && body !== null && "error" in body) return body.error as Failure;
  return { code: "unreadable", message: `The server answered ${status} without saying why.` };
}
