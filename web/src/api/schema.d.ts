// Generated from the gateway's OpenAPI document by `python -m tools.web api`. Do not edit.

export interface paths {
    "/api/v1/analyze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * An instrument's scorecard
         * @description Return the scorecard of the newest closed candle, or of the last one that had ended at `at`.
         *
         *     409 when `at` lies before the instrument's first candle.
         */
        get: operations["analyze"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/analyze/market": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Every instrument's newest scorecard in short
         * @description Return instruments by key; each has the time of its own newest minute.
         */
        get: operations["analyzeMarket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/candles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Candles of an instrument
         * @description Return the newest `limit` candles with `since` <= time < `until`, oldest first, and the one under way.
         *
         *     Intervals above a minute are anchored at the session's open and built from at most 50,000 minutes, so there may be
         *     fewer than asked: ask on with `until` set to the first one's time. It is refused where the calendar does not know
         *     a day that candles must be built of.
         */
        get: operations["getCandles"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/clock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Time of the data, and market phase
         * @description Return the time of the data, which a demo plays faster than the wall's, what the market does, and how old the
         *     newest tick is.
         */
        get: operations["getClock"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/commands/{command_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What became of a command
         * @description Return a command's result; 404 while nobody has taken it.
         */
        get: operations["getCommand"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/demo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How the demo's market goes on
         * @description Return the speed of the synthetic market; 404 when this is no demo.
         */
        get: operations["getDemo"];
        /**
         * Hasten, slow down or pause the demo's market
         * @description Go on at another speed, or stop and go; 404 when this is no demo.
         */
        put: operations["changeDemo"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/indicators": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The indicators there are
         * @description Return each indicator with its parameters, their bounds, its formula and where that stands.
         */
        get: operations["listIndicators"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/indicators/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * An indicator over stored candles
         * @description Return its values, oldest first, null before it is defined; what is not named stands at its default.
         */
        get: operations["getIndicator"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/instruments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Instruments of the day
         * @description Return instruments that are listed on the data's day, whose symbol or name has `query` in it.
         */
        get: operations["getInstruments"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All API keys
         * @description Return every key without its text, which is kept nowhere.
         */
        get: operations["getKeys"];
        put?: never;
        /**
         * Make an API key
         * @description Make a key and return its text, this once. It is refused when a key of that name holds.
         */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys/{key_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke an API key
         * @description Revoke a key and end its sessions: at once in every gateway that shares a hot store, else within a minute.
         */
        delete: operations["revokeKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/kill-switch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How the kill switch stands
         * @description Return whether nothing may be ordered, and why.
         */
        get: operations["getKillSwitch"];
        /**
         * Pull or release the kill switch
         * @description Pull it: working orders are cancelled and no order passes the risk gate until it is released.
         */
        put: operations["setKillSwitch"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/market-view": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The market as a whole at the newest minute
         * @description Return breadth, movers and mood over the universe; 404 before the first closed minute.
         */
        get: operations["getMarketView"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Orders, newest first
         * @description Return the newest orders that fit, of their risk verdict the failed checks alone.
         */
        get: operations["listOrders"];
        put?: never;
        /**
         * Place an order
         * @description Place an order on the account, past the risk gate; 409 with the failed checks when that refuses.
         */
        post: operations["placeOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/orders/{order_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * An order with its states and fills
         * @description Return everything that the book has of an order.
         */
        get: operations["getOrder"];
        /**
         * Change a working order
         * @description Change quantity, price or trigger, when the changed order passes the risk gate; else it stays as it is.
         */
        put: operations["changeOrder"];
        post?: never;
        /**
         * Cancel a working order
         * @description Ask for an order to be cancelled; 409 when it has ended already.
         */
        delete: operations["cancelOrder"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/orders/{order_id}/why": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Why an order was placed
         * @description Return the chain from an order back to the trades that made its candle, as `niftyflow why ORDER --json` does.
         */
        get: operations["explainOrder"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/portfolio": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The account in numbers
         * @description Return capital, profit, exposure and counts, at last prices.
         */
        get: operations["getPortfolio"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/positions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Positions with their profit
         * @description Return every position by strategy and instrument, flat ones included, at the last price.
         */
        get: operations["listPositions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/positions/square-off": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Close positions at the market
         * @description Close all open positions, or those of an instrument, of a strategy; the answer's body says how many.
         */
        post: operations["squareOff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/prices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Last prices
         * @description Return the last price of up to 500 instruments, with its change from the last close before the day.
         *
         *     A price is the last tick's, and when there was none for five minutes the last stored candle's close. What is not
         *     known is null.
         */
        get: operations["getPrices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/quotes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Last prices and the day so far
         * @description Return up to 100 prices as `/prices` does, and each day's open, high, low, average price and trades so far.
         */
        get: operations["getQuotes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who is asking
         * @description Return the name and scopes of the key or session that asks, and the account that is traded here.
         */
        get: operations["getSession"];
        put?: never;
        /**
         * Sign a browser in
         * @description Take a one-time ticket or a key, and set a cookie that has the key's scopes and that no script can read.
         */
        post: operations["signIn"];
        /**
         * Sign this browser out
         * @description End the session of the cookie, if there is one; keys stay as they are.
         */
        delete: operations["signOut"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/signals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What rules concluded, newest first
         * @description Return signals with `since` <= timestamp < `until`.
         */
        get: operations["listSignals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/strategies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Strategies of the account
         * @description Return strategies by name: those that run, were stopped, or failed and why.
         */
        get: operations["listStrategies"];
        put?: never;
        /**
         * Start a strategy
         * @description Start a strategy under a name; one that was stopped or failed starts anew.
         */
        post: operations["startStrategy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/strategies/{name}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stop a strategy
         * @description Stop a strategy; its positions stay open, each with the stop that protects it, unless `square_off`.
         */
        post: operations["stopStrategy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/strategies/kinds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Kinds of strategies
         * @description Return each kind with its parameters as a JSON schema.
         */
        get: operations["listStrategyKinds"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/system": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The running system as a picture
         * @description Return layers in the graph's order, the topics between them, and the stores; looked at once a second.
         */
        get: operations["getSystem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trades": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Trades of the account, newest first
         * @description Return fills with what they cost.
         */
        get: operations["listTrades"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What the model said of that minute: 0 bearish to 1 bullish; null when it was not asked. */
        AiAnswer: {
            confidence: number | null;
            model_version: string;
            prediction: number | null;
        };
        /** @description One instrument after one closed candle; `timestamp` is the candle's end. */
        AnalysisAnswer: {
            ai: components["schemas"]["AiAnswer"];
            /** @description Candles folded so far */
            bars: number;
            candle_revision: number;
            /** @description Rupees, against the previous close or, as `change_from` says, the open */
            change: number | null;
            /** @enum {string} */
            change_from: "previous_close" | "open";
            change_percent: number | null;
            /** @description Rupees */
            day_high: number;
            /** @description Rupees */
            day_low: number;
            exchange: string;
            indicators: {
                [key: string]: number | null;
            };
            interval: string;
            /** @description Rupees */
            ltp: number;
            /** @description 1: a new high of the session, -1: a new low, else 0 */
            makes: number;
            meta: components["schemas"]["MetaAnswer"];
            /** @description Why a number is null */
            missing: {
                [key: string]: string;
            };
            /** @description What each part gave to the scores */
            parts: {
                [key: string]: number;
            };
            /** @enum {string} */
            recommendation: "STRONG_BUY" | "BUY" | "HOLD" | "SELL" | "STRONG_SELL";
            scores: components["schemas"]["ScoresAnswer"];
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** Format: date-time */
            timestamp: string;
            volume: number;
            volume_ratio: number | null;
        };
        /** @description Candles as columns, oldest first; `time` is each one's start. */
        CandlesAnswer: {
            close: number[];
            high: number[];
            /** @description Its start or part of it was not seen, or it is not over */
            incomplete: boolean[];
            /** @enum {string} */
            interval: "1m" | "3m" | "5m" | "15m" | "30m" | "1h" | "1d";
            low: number[];
            open: number[];
            open_candle: components["schemas"]["OpenCandleAnswer"] | null;
            /** @description 0: as first told */
            revision: number[];
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            time: number[];
            trades: number[];
            volume: number[];
            vwap: number[];
        };
        /** @description One question of the risk gate. */
        CheckAnswer: {
            is_passed: boolean;
            limit: string;
            name: string;
            value: string;
        };
        /** @description The time of the data, and what the market does at it. */
        ClockAnswer: {
            /** @description From it to `time`, in the data's own time */
            data_age_seconds: number | null;
            /**
             * Format: date
             * @description The IST day of that time
             */
            day: string;
            is_demo: boolean;
            /** @description Whether it is continuous trading */
            is_open: boolean;
            is_paused: boolean;
            /** @description Exchange time of the newest tick of the last minutes */
            last_tick_at: number | null;
            /** @description When the phase changes next */
            next_change: number | null;
            /** @description Of shares with derivatives on the NSE; null where the calendar does not know the day */
            phase: ("closed" | "pre_open" | "continuous" | "halted" | "closing_auction" | "post_close") | null;
            /** @description Times real time; 1 unless this is a demo */
            speed: number;
            /** @description ms UTC */
            time: number;
        };
        /** @description What became of a command; `is_done` is null while nobody has answered: ask for it again by its id. */
        CommandAnswer: {
            body: {
                [key: string]: unknown;
            };
            id: string;
            is_done: boolean | null;
            reason: string;
        };
        /** @description How the synthetic market goes on. */
        DemoAnswer: {
            is_paused: boolean;
            speed: number;
        };
        /** @description How the synthetic market goes on; what is left out stays. */
        DemoAsked: {
            is_paused?: boolean | null;
            speed?: number | null;
        };
        /** @description A topic from the layer that writes it to one that reads it. */
        EdgeAnswer: {
            from: string;
            rate: number;
            to: string;
            topic: string;
        };
        Envelope_AnalysisAnswer_: {
            data: components["schemas"]["AnalysisAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_CandlesAnswer_: {
            data: components["schemas"]["CandlesAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_ClockAnswer_: {
            data: components["schemas"]["ClockAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_CommandAnswer_: {
            data: components["schemas"]["CommandAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_DemoAnswer_: {
            data: components["schemas"]["DemoAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_dict_str__Any__: {
            data: {
                [key: string]: unknown;
            };
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_GivenAnswer_: {
            data: components["schemas"]["GivenAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_IndicatorValuesAnswer_: {
            data: components["schemas"]["IndicatorValuesAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_KillSwitchAnswer_: {
            data: components["schemas"]["KillSwitchAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_KillSwitchGivenAnswer_: {
            data: components["schemas"]["KillSwitchGivenAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_FillAnswer__: {
            data: components["schemas"]["FillAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_IndicatorAnswer__: {
            data: components["schemas"]["IndicatorAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_InstrumentAnswer__: {
            data: components["schemas"]["InstrumentAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_KeyAnswer__: {
            data: components["schemas"]["KeyAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_OrderAnswer__: {
            data: components["schemas"]["OrderAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_PositionAnswer__: {
            data: components["schemas"]["PositionAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_PriceAnswer__: {
            data: components["schemas"]["PriceAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_QuoteAnswer__: {
            data: components["schemas"]["QuoteAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_SignalAnswer__: {
            data: components["schemas"]["SignalAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_StrategyAnswer__: {
            data: components["schemas"]["StrategyAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_StrategyKindAnswer__: {
            data: components["schemas"]["StrategyKindAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_list_SummaryAnswer__: {
            data: components["schemas"]["SummaryAnswer"][];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_LiveAnswer_: {
            data: components["schemas"]["LiveAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_MadeKeyAnswer_: {
            data: components["schemas"]["MadeKeyAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_MarketViewAnswer_: {
            data: components["schemas"]["MarketViewAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_NoneType_: {
            data: null;
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_OrderDetailAnswer_: {
            data: components["schemas"]["OrderDetailAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_OrderGivenAnswer_: {
            data: components["schemas"]["OrderGivenAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_PortfolioAnswer_: {
            data: components["schemas"]["PortfolioAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_ReadyAnswer_: {
            data: components["schemas"]["ReadyAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_SessionAnswer_: {
            data: components["schemas"]["SessionAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        Envelope_SystemAnswer_: {
            data: components["schemas"]["SystemAnswer"];
            /**
             * @default success
             * @constant
             */
            status: "success";
        };
        /** @description An error. */
        Failure: {
            error: components["schemas"]["Fault"];
            /**
             * @default error
             * @constant
             */
            status: "error";
        };
        /** @description What went wrong: `code` is stable and for programs, `message` for people. */
        Fault: {
            /** @description One of the documented codes */
            code: string;
            details: {
                [key: string]: unknown;
            };
            message: string;
            /** @description As in X-Request-ID, and in the log */
            request_id: string;
        };
        /** @description A trade of ours. */
        FillAnswer: {
            /** @description ms UTC */
            at: number;
            charges: {
                [key: string]: string;
            };
            client_order_id: string;
            fill_id: string;
            /** @description Rupees, exact, four decimals */
            price: string;
            /** @enum {string} */
            product: "MIS" | "CNC" | "NRML";
            quantity: number;
            /** @enum {string} */
            side: "BUY" | "SELL";
            signal_id: string;
            strategy: string;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Rupees, exact, four decimals */
            total_charges: string;
        };
        /** @description A command that was given. */
        GivenAnswer: {
            command: components["schemas"]["CommandAnswer"];
        };
        /** @description An indicator there is. */
        IndicatorAnswer: {
            formula: string;
            inputs: string[];
            name: string;
            outputs: string[];
            parameters: components["schemas"]["ParameterAnswer"][];
            source: string;
            title: string;
        };
        /** @description An indicator over candles as columns, oldest first; null before it is defined. */
        IndicatorValuesAnswer: {
            /** @description Candles until every output is there */
            defined_after: number;
            /** @enum {string} */
            interval: "1m" | "3m" | "5m" | "10m" | "15m" | "30m" | "1h" | "1d";
            name: string;
            parameters: {
                [key: string]: number;
            };
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Each candle's start, ms UTC */
            time: number[];
            values: {
                [key: string]: (number | null)[];
            };
        };
        /** @description An instrument as it stands on the data's day. */
        InstrumentAnswer: {
            has_derivatives: boolean;
            /** @enum {string} */
            kind: "equity" | "index" | "future" | "option";
            lot_size: number;
            name: string;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Rupees, exact */
            tick_size: string;
        };
        /**
         * @description Candle interval; intraday ones are anchored at the session's open.
         * @enum {string}
         */
        Interval: "1m" | "3m" | "5m" | "10m" | "15m" | "30m" | "1h" | "1d";
        /** @description A key, without its text. */
        KeyAnswer: {
            /** @description ms UTC */
            created_at: number;
            /** @description ms UTC */
            expires_at: number;
            id: string;
            name: string;
            /** @description ms UTC; null while it was not revoked */
            revoked_at: number | null;
            scopes: ("read" | "trade" | "admin")[];
            /** @enum {string} */
            tier: "standard" | "premium" | "owner";
        };
        /** @description The kill switch. `is_closing`: it will be on as soon as `exits_due` positions are flat. */
        KillSwitchAnswer: {
            account: string;
            /** @description ms UTC */
            at: number;
            exits_due: number;
            is_closing: boolean;
            is_on: boolean;
            open_positions: number;
            reason: string;
            working_orders: number;
        };
        /** @description The kill switch, on or off; with `square_off` positions are closed before it is on. */
        KillSwitchAsked: {
            is_on: boolean;
            /** @default  */
            reason?: string;
            /** @default false */
            square_off?: boolean;
        };
        /** @description A command to the kill switch, and how it then stood. */
        KillSwitchGivenAnswer: {
            command: components["schemas"]["CommandAnswer"];
            kill_switch: components["schemas"]["KillSwitchAnswer"] | null;
        };
        /** @description One of the nine layers, or (0) a business noun beside them. */
        LayerAnswer: {
            /** @description Records it has not read yet */
            lag: number;
            /** @description Median of what its work took lately; null where it is not measured */
            latency_ms: number | null;
            layer: number;
            name: string;
            rates: components["schemas"]["RatesAnswer"];
            reason: string;
            /** @description Times it crashed and was begun again */
            restarts: number;
            /** @enum {string} */
            state: "running" | "waiting" | "starting" | "stopped" | "failed";
            title: string;
        };
        /** @description It answers, so it lives. */
        LiveAnswer: {
            /** @constant */
            is_live: true;
        };
        /** @description A new key with its text, which is told once and kept nowhere. */
        MadeKeyAnswer: {
            /** @description ms UTC */
            created_at: number;
            /** @description ms UTC */
            expires_at: number;
            id: string;
            key: string;
            name: string;
            /** @description ms UTC; null while it was not revoked */
            revoked_at: number | null;
            scopes: ("read" | "trade" | "admin")[];
            /** @enum {string} */
            tier: "standard" | "premium" | "owner";
        };
        /** @description All instruments of a universe at one minute; percentages count those whose average is defined. */
        MarketViewAnswer: {
            above_ema50_percent: number | null;
            above_ema200_percent: number | null;
            advances: number;
            /** @description -5 to +5 */
            breadth: number;
            cache_hits: number;
            cache_misses: number;
            declines: number;
            gainers: components["schemas"]["MoverAnswer"][];
            losers: components["schemas"]["MoverAnswer"][];
            new_highs: number;
            new_lows: number;
            /** @enum {string} */
            sentiment: "BULLISH" | "NEUTRAL" | "BEARISH";
            /** @description -5 to +5 */
            sentiment_score: number;
            /** Format: date-time */
            timestamp: string;
            unchanged: number;
            universe: string;
            volume_shockers: components["schemas"]["MoverAnswer"][];
        };
        /** @description About this answer. */
        MetaAnswer: {
            /** @description From the candle's end to now, in the data's own time */
            data_age_seconds: number;
            /** @description What finding it took */
            latency_ms: number;
        };
        /** @description An instrument that stands out. */
        MoverAnswer: {
            change_percent: number | null;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Of the last minute to the mean of the last 20 */
            volume_ratio: number | null;
        };
        /** @description A key to be made. */
        NewKey: {
            /** @description How long it holds; left out: as the settings say */
            days?: number | null;
            name: string;
            scopes: ("read" | "trade" | "admin")[];
            /**
             * @default standard
             * @enum {string}
             */
            tier?: "standard" | "premium" | "owner";
        };
        /** @description The candle under way. */
        OpenCandleAnswer: {
            /** @description Rupees */
            close: number;
            /** @description Rupees */
            high: number;
            /** @description Rupees */
            low: number;
            /** @description Rupees */
            open: number;
            /** @description ms UTC */
            time: number;
            volume: number;
        };
        /** @description An order as the book holds it. */
        OrderAnswer: {
            account: string;
            average_price: string | null;
            broker_order_id: string;
            cause: string;
            client_order_id: string;
            /** @description ms UTC */
            decided_at: number;
            filled: number;
            /** @description Rupees, exact, four decimals */
            filled_value: string;
            is_triggered: boolean;
            /** @enum {string} */
            order_type: "MARKET" | "LIMIT" | "SL" | "SL-M";
            price: string | null;
            /** @enum {string} */
            product: "MIS" | "CNC" | "NRML";
            quantity: number;
            reason: string | null;
            risk: components["schemas"]["VerdictAnswer"];
            /** @enum {string} */
            side: "BUY" | "SELL";
            signal_id: string;
            /** @enum {string} */
            state: "intended" | "sent" | "accepted" | "open" | "part_filled" | "unknown" | "filled" | "cancelled" | "rejected" | "expired";
            /** @description `manual` for orders given by command */
            strategy: string;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            tag: string;
            trace_id: string;
            trigger: string | null;
            /** @description ms UTC */
            updated_at: number;
            /** @description ms UTC */
            valid_until: number;
            /** @enum {string} */
            validity: "DAY" | "IOC";
        };
        /** @description An order to place. LIMIT and SL take a price, SL and SL-M a trigger, MARKET neither. */
        OrderAsked: {
            /**
             * @default MARKET
             * @enum {string}
             */
            order_type?: "MARKET" | "LIMIT" | "SL" | "SL-M";
            price?: (number | string) | null;
            /**
             * @default MIS
             * @enum {string}
             */
            product?: "MIS" | "CNC";
            /** @description Units */
            quantity: number;
            /** @enum {string} */
            side: "BUY" | "SELL";
            /** @description RELIANCE or NSE:RELIANCE */
            symbol: string;
            trigger?: (number | string) | null;
            /**
             * @default DAY
             * @enum {string}
             */
            validity?: "DAY" | "IOC";
        };
        /** @description What to change of a working order; what is left out stays. */
        OrderChangeAsked: {
            price?: (number | string) | null;
            quantity?: number | null;
            trigger?: (number | string) | null;
        };
        /** @description An order with everything that became of it. */
        OrderDetailAnswer: {
            events: components["schemas"]["OrderEventAnswer"][];
            fills: components["schemas"]["FillAnswer"][];
            order: components["schemas"]["OrderAnswer"];
        };
        /** @description A state that an order came to. */
        OrderEventAnswer: {
            /** @description ms UTC */
            at: number;
            broker_order_id: string;
            client_order_id: string;
            filled: number;
            price: string | null;
            quantity: number;
            reason: string | null;
            sequence: number;
            /** @enum {string} */
            side: "BUY" | "SELL";
            /** @enum {string} */
            state: "intended" | "sent" | "accepted" | "open" | "part_filled" | "unknown" | "filled" | "cancelled" | "rejected" | "expired";
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            trigger: string | null;
        };
        /** @description A command about an order, and the order as it then stood. */
        OrderGivenAnswer: {
            command: components["schemas"]["CommandAnswer"];
            order: components["schemas"]["OrderAnswer"] | null;
        };
        /** @description One setting of an indicator, with its bounds. */
        ParameterAnswer: {
            default: number;
            is_whole: boolean;
            maximum: number;
            meaning: string;
            minimum: number;
            name: string;
        };
        /** @description A worker or a dependency, and how it is. */
        PartAnswer: {
            name: string;
            /** @description Why, when it does not run */
            reason: string;
            state: string;
        };
        /** @description The account in numbers. */
        PortfolioAnswer: {
            account: string;
            /** @description ms UTC */
            at: number;
            /** @description Rupees, exact, four decimals */
            capital: string;
            /** @description Rupees, exact, four decimals */
            charges: string;
            /** @description Were every working order filled; null where a price is missing */
            gross_exposure: string | null;
            kill_switch: components["schemas"]["KillSwitchAnswer"];
            open_positions: number;
            orders_today: number;
            /** @description Realised and unrealised less charges, since the account began */
            profit: string;
            /** @description Rupees, exact, four decimals */
            profit_today: string;
            /** @description Rupees, exact, four decimals */
            realised: string;
            /** @description Rupees, exact, four decimals */
            unrealised: string;
            working_orders: number;
        };
        /** @description A position at its last price; null where that is not known. */
        PositionAnswer: {
            /** @description Rupees, exact, four decimals */
            average_price: string;
            /** @description Rupees, exact, four decimals */
            charges: string;
            last_price: string | null;
            /** @description Realised and unrealised less charges */
            net: string;
            net_quantity: number;
            /** @enum {string} */
            product: "MIS" | "CNC" | "NRML";
            /** @description Rupees, exact, four decimals */
            realised: string;
            /** @description Rupees, exact, four decimals */
            realised_fifo: string;
            strategy: string;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            unrealised: string | null;
            /** @description ms UTC */
            updated_at: number;
        };
        /** @description The last price of an instrument; what is not known is null. */
        PriceAnswer: {
            /** @description From it to now, in the data's own time */
            age_seconds: number | null;
            ask: number | null;
            /** @description Null when that side of the book is empty */
            bid: number | null;
            /** @description From the last close before the day */
            change: number | null;
            change_percent: number | null;
            ltp: number | null;
            previous_close: number | null;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Exchange time of the price; of a stored candle its last trade, or its end */
            time: number | null;
            /** @description Traded since the open */
            volume: number | null;
        };
        /** @description A price with what the day brought so far. */
        QuoteAnswer: {
            /** @description From it to now, in the data's own time */
            age_seconds: number | null;
            ask: number | null;
            /** @description Null when that side of the book is empty */
            bid: number | null;
            /** @description From the last close before the day */
            change: number | null;
            change_percent: number | null;
            high: number | null;
            low: number | null;
            ltp: number | null;
            open: number | null;
            previous_close: number | null;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description Exchange time of the price; of a stored candle its last trade, or its end */
            time: number | null;
            trades: number | null;
            /** @description Traded since the open */
            volume: number | null;
            vwap: number | null;
        };
        /** @description Records a second, over the last ten seconds. */
        RatesAnswer: {
            in: number;
            out: number;
        };
        /** @description Every worker and dependency. */
        ReadyAnswer: {
            dependencies: components["schemas"]["PartAnswer"][];
            is_ready: boolean;
            workers: components["schemas"]["PartAnswer"][];
        };
        /** @description A condition that held. */
        ReasonAnswer: {
            rule: string;
            value: number | null;
        };
        /** @description Scores from -5 to +5; null when too few of their parts are known. */
        ScoresAnswer: {
            composite: number | null;
            momentum: number | null;
            trend: number | null;
            volatility: number | null;
            volume: number | null;
        };
        /** @description Who is asking, and what they look at. */
        SessionAnswer: {
            /** @description The account that is traded */
            account: string;
            /** @description ms UTC */
            expires_at: number;
            is_demo: boolean;
            /** @description The key's name */
            name: string;
            scopes: ("read" | "trade" | "admin")[];
        };
        /** @description What a rule concluded; it may be acted upon until `valid_until`. */
        SignalAnswer: {
            /** @enum {string} */
            action: "BUY" | "SELL";
            exchange: string;
            id: string;
            interval: string;
            /** @description Rupees */
            price: number;
            reason: components["schemas"]["ReasonAnswer"][];
            /** @description The records it came from */
            saw: {
                [key: string]: unknown;
            };
            stop: number | null;
            /** @description The rule's name */
            strategy: string;
            strength: number;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            target: number | null;
            /** Format: date-time */
            timestamp: string;
            /** Format: date-time */
            valid_until: string;
        };
        /** @description Either a one-time ticket of a link, or a key. */
        SignIn: {
            /** @description An API key */
            key?: string | null;
            /** @description What follows #ticket= in a one-time link */
            ticket?: string | null;
        };
        /** @description Positions to close at the market: all of them, or those of an instrument, of a strategy. */
        SquareOffAsked: {
            strategy?: string | null;
            symbol?: string | null;
        };
        /** @description How to stop a strategy. */
        StopAsked: {
            /**
             * @description Close its positions at the market
             * @default false
             */
            square_off?: boolean;
        };
        /** @description A store, or the bus. */
        StoreAnswer: {
            detail: string;
            name: string;
            /** @enum {string} */
            state: "running" | "waiting" | "starting" | "stopped" | "failed";
        };
        /** @description A strategy of the account; `profit` is net of charges, null while nobody trades; `orders` are of the day. */
        StrategyAnswer: {
            /** @description ms UTC */
            at: number;
            instruments: string[];
            kind: string;
            name: string;
            open_positions: number;
            orders: number;
            parameters: {
                [key: string]: unknown;
            };
            profit: string | null;
            reason: string;
            /** @enum {string} */
            status: "running" | "stopped" | "failed";
        };
        /** @description A strategy to start: a kind with its parameters, on some instruments or (none named) on every share. */
        StrategyAsked: {
            instruments?: string[];
            kind: string;
            name: string;
            on_error?: ("hold" | "square_off") | null;
            parameters?: {
                [key: string]: unknown;
            };
        };
        /** @description A kind of strategy; `parameters` is a JSON schema. */
        StrategyKindAnswer: {
            kind: string;
            parameters: {
                [key: string]: unknown;
            };
            title: string;
        };
        /** @description An instrument's newest scorecard in short. */
        SummaryAnswer: {
            change_percent: number | null;
            composite_score: number | null;
            /** @description Rupees */
            ltp: number;
            momentum_score: number | null;
            /** @enum {string} */
            recommendation: "STRONG_BUY" | "BUY" | "HOLD" | "SELL" | "STRONG_SELL";
            rsi: number | null;
            /** @description EXCHANGE:SYMBOL */
            symbol: string;
            /** @description ms UTC */
            time: number;
            trend_score: number | null;
        };
        /** @description The running graph. */
        SystemAnswer: {
            edges: components["schemas"]["EdgeAnswer"][];
            is_healthy: boolean;
            layers: components["schemas"]["LayerAnswer"][];
            memory_bytes: number;
            stores: components["schemas"]["StoreAnswer"][];
            /** @description ms UTC */
            time: number;
            topics: components["schemas"]["TopicAnswer"][];
            uptime_seconds: number;
        };
        /** @description A topic of the log. */
        TopicAnswer: {
            /** @description Put aside and not dealt with yet */
            dead_letters: number;
            rate: number;
            records: number;
            topic: string;
        };
        /** @description The risk gate's answer; in lists of orders the checks that failed alone. */
        VerdictAnswer: {
            checks: components["schemas"]["CheckAnswer"][];
            verdict: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    analyze: {
        parameters: {
            query: {
                /** @description ms UTC */
                at?: number | null;
                /** @description RELIANCE or NSE:RELIANCE */
                symbol: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_AnalysisAnswer_"];
                };
            };
        };
    };
    analyzeMarket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_SummaryAnswer__"];
                };
            };
        };
    };
    getCandles: {
        parameters: {
            query: {
                interval?: "1m" | "3m" | "5m" | "15m" | "30m" | "1h" | "1d";
                /** @description Newest candles of the span */
                limit?: number;
                /** @description ms UTC */
                since?: number | null;
                /** @description EXCHANGE:SYMBOL or SYMBOL (of the NSE) */
                symbol: string;
                /** @description ms UTC */
                until?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Oldest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_CandlesAnswer_"];
                };
            };
        };
    };
    getClock: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_ClockAnswer_"];
                };
            };
        };
    };
    getCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                command_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_CommandAnswer_"];
                };
            };
        };
    };
    getDemo: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_DemoAnswer_"];
                };
            };
        };
    };
    changeDemo: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DemoAsked"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_DemoAnswer_"];
                };
            };
        };
    };
    listIndicators: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_IndicatorAnswer__"];
                };
            };
        };
    };
    getIndicator: {
        parameters: {
            query: {
                interval?: components["schemas"]["Interval"];
                /** @description Candles, the newest */
                limit?: number;
                /** @description NAME:VALUE,… */
                parameters?: string;
                /** @description RELIANCE or NSE:RELIANCE */
                symbol: string;
            };
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_IndicatorValuesAnswer_"];
                };
            };
        };
    };
    getInstruments: {
        parameters: {
            query?: {
                kind?: ("equity" | "index" | "future" | "option") | null;
                limit?: number;
                /** @description Part of a symbol or name */
                query?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description By symbol */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_InstrumentAnswer__"];
                };
            };
        };
    };
    getKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Oldest first, the revoked too */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_KeyAnswer__"];
                };
            };
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description Made; the text is told once */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_MadeKeyAnswer_"];
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Revoked, and its sessions ended */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_NoneType_"];
                };
            };
        };
    };
    getKillSwitch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_KillSwitchAnswer_"];
                };
            };
        };
    };
    setKillSwitch: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KillSwitchAsked"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_KillSwitchGivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_KillSwitchGivenAnswer_"];
                };
            };
        };
    };
    getMarketView: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_MarketViewAnswer_"];
                };
            };
        };
    };
    listOrders: {
        parameters: {
            query?: {
                limit?: number;
                /** @description Several with commas: intended, sent, accepted, open, part_filled, unknown, filled, cancelled, rejected, expired, working (not ended) */
                state?: string | null;
                strategy?: string | null;
                /** @description RELIANCE or NSE:RELIANCE */
                symbol?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_OrderAnswer__"];
                };
            };
        };
    };
    placeOrder: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderAsked"];
            };
        };
        responses: {
            /** @description Placed */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
        };
    };
    getOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                order_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderDetailAnswer_"];
                };
            };
        };
    };
    changeOrder: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path: {
                order_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderChangeAsked"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
        };
    };
    cancelOrder: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path: {
                order_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_OrderGivenAnswer_"];
                };
            };
        };
    };
    explainOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                order_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_dict_str__Any__"];
                };
            };
        };
    };
    getPortfolio: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_PortfolioAnswer_"];
                };
            };
        };
    };
    listPositions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_PositionAnswer__"];
                };
            };
        };
    };
    squareOff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SquareOffAsked"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
        };
    };
    getPrices: {
        parameters: {
            query?: {
                /** @description EXCHANGE:SYMBOL or SYMBOL (of the NSE), separated by commas; left out: all that are listed */
                symbols?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description In the order asked */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_PriceAnswer__"];
                };
            };
        };
    };
    getQuotes: {
        parameters: {
            query?: {
                /** @description EXCHANGE:SYMBOL or SYMBOL (of the NSE), separated by commas; left out: all that are listed */
                symbols?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description In the order asked */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_QuoteAnswer__"];
                };
            };
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_SessionAnswer_"];
                };
            };
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description Signed in: the cookie is set */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_SessionAnswer_"];
                };
            };
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Signed out: the cookie is gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_NoneType_"];
                };
            };
        };
    };
    listSignals: {
        parameters: {
            query?: {
                limit?: number;
                /** @description ms UTC */
                since?: number | null;
                /** @description The rule's name */
                strategy?: string | null;
                /** @description RELIANCE or NSE:RELIANCE */
                symbol?: string | null;
                /** @description ms UTC */
                until?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_SignalAnswer__"];
                };
            };
        };
    };
    listStrategies: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_StrategyAnswer__"];
                };
            };
        };
    };
    startStrategy: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StrategyAsked"];
            };
        };
        responses: {
            /** @description Started */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
        };
    };
    stopStrategy: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client: becomes the command's id, so that a repeated request is done once */
                "Idempotency-Key"?: string | null;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["StopAsked"] | null;
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
            /** @description Given, and not answered in 2 s: ask with GET /commands/{id} */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_GivenAnswer_"];
                };
            };
        };
    };
    listStrategyKinds: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_StrategyKindAnswer__"];
                };
            };
        };
    };
    getSystem: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_SystemAnswer_"];
                };
            };
        };
    };
    listTrades: {
        parameters: {
            query?: {
                limit?: number;
                /** @description RELIANCE or NSE:RELIANCE */
                symbol?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_list_FillAnswer__"];
                };
            };
        };
    };
}
