export {
  type CandleEvent,
  hasten,
  type LiveCandle,
  type LivePrice,
  type LiveScorecard,
  startFeed,
} from "./feed";
export * from "./hooks";
