export { api } from "./calls";
export { ApiError, messageOf } from "./errors";
export { queries, queryClient } from "./queries";
export type * from "./types";
