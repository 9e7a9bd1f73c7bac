/** The words of the gateway's API, from its OpenAPI document. Times are ms UTC; market prices are numbers of rupees;
 * money of orders and accounts is text with four decimals. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["SessionAnswer"];
export type Clock = Schemas["ClockAnswer"];
export type Instrument = Schemas["InstrumentAnswer"];
export type Price = Schemas["PriceAnswer"];
export type Quote = Schemas["QuoteAnswer"];
export type Candles = Schemas["CandlesAnswer"];
export type OpenCandle = Schemas["OpenCandleAnswer"];
export type Interval = Candles["interval"];
export type MarketView = Schemas["MarketViewAnswer"];
export type Mover = Schemas["MoverAnswer"];
export type Summary = Schemas["SummaryAnswer"];
export type Recommendation = Summary["recommendation"];
export type Analysis = Schemas["AnalysisAnswer"];
export type IndicatorKind = Schemas["IndicatorAnswer"];
export type IndicatorParameter = Schemas["ParameterAnswer"];
export type IndicatorValues = Schemas["IndicatorValuesAnswer"];
export type Signal = Schemas["SignalAnswer"];
export type Reason = Schemas["ReasonAnswer"];

export type Money = Order["filled_value"];
export type Order = Schemas["OrderAnswer"];
export type OrderState = Order["state"];
export type OrderType = Order["order_type"];
export type Side = Order["side"];
export type Product = Order["product"];
export type Validity = Order["validity"];
export type Verdict = Schemas["VerdictAnswer"];
export type Check = Schemas["CheckAnswer"];
export type OrderEvent = Schemas["OrderEventAnswer"];
export type Fill = Schemas["FillAnswer"];
export type OrderDetail = Schemas["OrderDetailAnswer"];
export type NewOrder = Schemas["OrderAsked"];
export type OrderChange = Schemas["OrderChangeAsked"];
export type CommandAnswer = Schemas["CommandAnswer"];
export type OrderAnswer = Schemas["OrderGivenAnswer"];
export type Position = Schemas["PositionAnswer"];
export type Portfolio = Schemas["PortfolioAnswer"];
export type KillSwitch = Schemas["KillSwitchAnswer"];

export type Strategy = Schemas["StrategyAnswer"];
export type StrategyKind = Schemas["StrategyKindAnswer"];
export type NewStrategy = Schemas["StrategyAsked"];

export type System = Schemas["SystemAnswer"];
export type Layer = Schemas["LayerAnswer"];
export type LayerState = Layer["state"];
export type Demo = Schemas["DemoAnswer"];

/** The chain behind an order: each link names a kind of record and what it said. */
export type Why = Record<string, unknown>;
