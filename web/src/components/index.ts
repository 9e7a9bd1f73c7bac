export { type Column, DataTable, type Sort, type SortValue } from "./DataTable";
export * from "./icons";
export { tellDone, tellFailed } from "./notify";
export { Empty, Failed, Loading, Page, Panel } from "./Page";
export { SymbolSearch } from "./SymbolSearch";
export * from "./values";
