export * from "./names";
export * from "./numbers";
export * from "./reasons";
export * from "./times";
